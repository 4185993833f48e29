import {
  type Admin,
  Fetcher,
  type KafkaClient,
  type KafkaClientError,
  Producer,
} from '@khlong/kafka-client'
import { KhlongError } from '../errors.ts'

// How far a copy is, kept where it goes to: one compacted topic of JSON, read whole at the start.
//
//   key   ["source"]                    value {"version", "cluster", "producerId", "producerEpoch"}
//   key   ["partition", topic, number]  value {"source", "target", "first", "sequence", "equal", "isDone"}

/** The topic at the target; docs/formats/mirror.md. */
export const positionsTopic = 'khlong-mirror'
const version = 1

/** Where a copied partition stands. Records from `source` on, of the source, go to `target` and behind. */
export interface Position {
  readonly source: number
  readonly target: number
  /** The offset of the first copied record at the target. */
  readonly first: number
  /** How many records the copy has written there, the empty ones before `first` included. */
  readonly sequence: number
  /**
   * From the offset `from` of the source on, those of the target are the same; what lies before ends at
   * `before` there.
   */
  readonly equal?: { readonly from: number; readonly before: number } | undefined
  /** The copy was ended, and others may write there now. */
  readonly isDone?: boolean | undefined
}

export interface SourceIdentity {
  /** The cluster that is copied. */
  readonly cluster: string
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** Reads and writes {@link positionsTopic}. */
export class Positions {
  readonly #client: KafkaClient
  readonly #producer: Producer
  readonly #partitions = new Map<string, Position>()
  source: SourceIdentity | undefined

  private constructor(client: KafkaClient) {
    this.#client = client
    this.#producer = new Producer(
      { 'bootstrap.servers': client.options['bootstrap.servers'] },
      { client },
    )
  }

  /** Opens the table of a target; the topic is made where it is missing. */
  static async open(admin: Admin, { create }: { create: boolean }): Promise<Positions> {
    const positions = new Positions(admin.client)
    const isThere = (await admin.listTopics()).includes(positionsTopic)
    if (isThere) await positions.#read(admin)
    else if (create)
      await admin
        .createTopics([
          { name: positionsTopic, partitions: 1, configs: { 'cleanup.policy': 'compact' } },
        ])
        .catch((error: unknown) => {
          const { code } = error as KafkaClientError
          if (code !== 'KAFKA_TOPIC_ALREADY_EXISTS') throw error
        })
    return positions
  }

  /** The positions of a topic's partitions, by number. */
  of(topic: string, partition: number): Position | undefined {
    return this.#partitions.get(keyOf(topic, partition))
  }
  get topics(): Set<string> {
    return new Set([...this.#partitions.keys()].map((key) => topicOf(key)))
  }

  async saveSource(source: SourceIdentity): Promise<void> {
    this.source = source
    await this.#write('["source"]', {
      version,
      cluster: source.cluster,
      producerId: String(source.producerId),
      producerEpoch: source.producerEpoch,
    })
  }

  /** Keeps positions; they survive when it resolves. */
  async save(
    changed: readonly { topic: string; partition: number; position: Position }[],
  ): Promise<void> {
    for (const { topic, partition, position } of changed)
      this.#partitions.set(keyOf(topic, partition), position)
    await Promise.all(
      changed.map(({ topic, partition, position }) =>
        this.#write(keyOf(topic, partition), position),
      ),
    )
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  async #write(key: string, value: object): Promise<void> {
    await this.#producer.send({
      topic: positionsTopic,
      partition: 0,
      key,
      value: JSON.stringify(value),
    })
  }

  async #read(admin: Admin): Promise<void> {
    const place = { topic: positionsTopic, partition: 0 }
    const [end] = await admin.listOffsets([{ ...place, spec: 'latest' }])
    const fetcher = new Fetcher(
      { 'bootstrap.servers': this.#client.options['bootstrap.servers'] },
      { client: this.#client },
    )
    try {
      fetcher.assign([{ ...place, offset: 'earliest' }])
      while ((fetcher.position(place) ?? 0) < end!.offset)
        for (const { records } of await fetcher.poll(1_000))
          for (const { key, value } of records) this.#take(String(key), String(value))
    } finally {
      await fetcher.close()
    }
  }

  #take(key: string, text: string): void {
    const [kind] = JSON.parse(key) as unknown[]
    const value = JSON.parse(text) as Record<string, unknown>
    if (kind !== 'source') {
      this.#partitions.set(key, value as unknown as Position)
      return
    }
    if (value.version !== version)
      throw new KhlongError(
        'KHLONG_MIRROR_IMPOSSIBLE',
        `topic ${positionsTopic} at the target was written by a newer khlong (version ${value.version}, this one reads ${version}); use that one`,
      )
    this.source = {
      cluster: String(value.cluster),
      producerId: BigInt(String(value.producerId)),
      producerEpoch: Number(value.producerEpoch),
    }
  }
}

const keyOf = (topic: string, partition: number): string =>
  JSON.stringify(['partition', topic, partition])
const topicOf = (key: string): string => String((JSON.parse(key) as unknown[])[1])
