import { setTimeout as delay } from 'node:timers/promises'
import {
  describeError,
  MetricsRegistry,
  PartBase,
  type PartContext,
  type VitalItem,
  type Vitals,
} from '@khlong/core'
import { Admin, type KafkaClientError } from '@khlong/kafka-client'
import { limitBuffer } from './buffer-limit.ts'
import { type ForwardOptions, type ForwardSettings, resolveForwardOptions } from './options.ts'
import { ForwardSession } from './session.ts'

const firstWaitMs = 500
const waitMsMax = 10_000
/** How often it looks at what waits here, also while the centre is away. */
const lookEveryMs = 2_000

/** What is known of a partition here. */
interface Waiting {
  readonly topic: string
  readonly partition: number
  /** Where forwarding is; undefined until the centre has said so. */
  position: number | undefined
  /** The first offset that was seen here: where forwarding begins if the centre has nothing yet. */
  firstSeen: number | undefined
  end: number
}

/**
 * Forwards topics to a Kafka at a centre: in order, each record once, by transactions there that hold the
 * records and how far they are. While the centre cannot be reached they wait in the Kafka here; what goes
 * from there before it was forwarded, the oldest first, is counted.
 */
export class Forwarder extends PartBase {
  readonly name = 'forward'
  readonly addresses: Readonly<Record<string, string>> = {}
  readonly #options: ForwardOptions
  readonly #stop = new AbortController()
  readonly #metrics = new MetricsRegistry()
  readonly #forwarded = this.#metrics.counter({
    name: 'khlong_forward_records_total',
    help: 'Records that the centre has, by topic.',
  })
  readonly #bytes = this.#metrics.counter({
    name: 'khlong_forward_bytes_total',
    help: 'Bytes of keys and values of records that the centre has, by topic.',
  })
  readonly #dropped = this.#metrics.counter({
    name: 'khlong_forward_dropped_records_total',
    help: 'Records that went from the buffer here before they were forwarded, by topic.',
  })
  readonly #lag = this.#metrics.gauge({
    name: 'khlong_forward_lag_records',
    help: 'Offsets between what the centre has and the end here, by topic.',
  })
  readonly #connected = this.#metrics.gauge({
    name: 'khlong_forward_connected',
    help: '1 where the centre takes records, else 0.',
  })
  readonly #waiting = new Map<string, Waiting>()
  #work: Promise<void> = Promise.resolve()
  #looking: Promise<void> = Promise.resolve()
  #source: Admin | undefined
  #problem: string | undefined = 'the centre was not reached yet'

  constructor(settings: ForwardSettings, context: PartContext = {}) {
    super(context)
    this.#options = resolveForwardOptions(settings)
    this.#connected.set(0)
    for (const topic of this.#options.topics) {
      this.#forwarded.add(0, { topic })
      this.#bytes.add(0, { topic })
      this.#dropped.add(0, { topic })
    }
  }

  protected async onStart(): Promise<void> {
    const { source, topics, bufferBytes } = this.#options
    this.#source = new Admin({ ...source, 'client.id': 'khlong-forward' })
    if (bufferBytes !== undefined) await limitBuffer(this.#source, topics, bufferBytes)
    this.#work = this.#run()
    this.#looking = this.#lookAgain()
  }

  protected async onStop(): Promise<void> {
    this.#stop.abort()
    await this.#work
    await this.#source?.close()
    await this.#looking
  }

  vitals(): Vitals {
    const items = this.#options.topics.map((topic): VitalItem => {
      const count = this.#forwarded.series({ topic }).value
      const dropped = this.#dropped.series({ topic }).value
      const notes = [
        ...(this.#problem === undefined ? [] : [this.#problem]),
        ...(dropped === 0 ? [] : [`${dropped} records went before they were forwarded`]),
      ]
      return {
        kind: 'topic',
        name: topic,
        state: this.#problem === undefined ? 'running' : 'starting',
        recordsIn: count,
        recordsOut: count,
        lag: this.#lagOf(topic),
        from: [topic],
        ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
      }
    })
    const count = items.reduce((sum, { recordsOut }) => sum + recordsOut, 0)
    return {
      recordsIn: count,
      recordsOut: count,
      lag: items.reduce((sum, { lag = 0 }) => sum + lag, 0),
      facts: {
        connected: this.#problem === undefined ? 'yes' : 'no',
        dropped: this.#options.topics.reduce(
          (sum, topic) => sum + this.#dropped.series({ topic }).value,
          0,
        ),
      },
      items,
    }
  }

  metrics(): string {
    for (const topic of this.#options.topics) this.#lag.set(this.#lagOf(topic), { topic })
    return this.#metrics.render()
  }

  #lagOf(topic: string): number {
    let lag = 0
    for (const one of this.#waiting.values())
      if (one.topic === topic)
        lag += Math.max(0, one.end - (one.position ?? one.firstSeen ?? one.end))
    return lag
  }

  // ---- Forwarding

  /** Forwards until it is stopped; whatever happens at the centre, it begins again where the centre is. */
  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let waitMs = firstWaitMs; !signal.aborted; ) {
      try {
        await using session = await ForwardSession.open(this.#options, signal)
        this.#takePositions(session.positions)
        while (!signal.aborted) {
          const done = await session.forward()
          this.#isConnected(undefined)
          waitMs = firstWaitMs
          for (const { topic, records, bytes } of done.topics) {
            this.#forwarded.add(records, { topic })
            this.#bytes.add(bytes, { topic })
          }
          await this.#countGaps(done.starts)
          for (const [key, position] of done.positions) this.#at(key).position = position
        }
      } catch (error) {
        if (signal.aborted) return
        this.#isConnected(error)
      }
      await delay(waitMs, undefined, { signal, ref: false }).catch(() => {})
      waitMs = Math.min(waitMs * 2, waitMsMax)
    }
  }

  /** What the centre says, but for what went from here meanwhile, which was counted. */
  #takePositions(positions: ReadonlyMap<string, number>): void {
    for (const [key, position] of positions) {
      const one = this.#at(key)
      one.position = Math.max(one.position ?? 0, position)
    }
    for (const one of this.#waiting.values()) one.position ??= one.firstSeen
  }

  /** Says a change, and not each attempt. */
  #isConnected(error: unknown): void {
    const before = this.#problem
    const problem = error === undefined ? undefined : describeError(error)
    this.#problem = problem
    this.#connected.set(problem === undefined ? 1 : 0)
    if (problem === undefined && before !== undefined)
      this.logger.info({ topics: this.#options.topics }, 'the centre takes records')
    if (problem !== undefined && problem !== before)
      this.logger.warn(
        { reason: problem, code: (error as KafkaClientError).code },
        'the centre takes no records now; they wait here',
      )
  }

  // ---- What waits here

  async #lookAgain(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) => {
        if (!signal.aborted)
          this.logger.warn({ err: error }, 'what waits to be forwarded cannot be seen')
      })
      await delay(lookEveryMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  /** Counts what went between the last record that was forwarded and the first of these. */
  async #countGaps(starts: ReadonlyMap<string, number>): Promise<void> {
    const gaps = [...starts].flatMap(([key, start]) => {
      const one = this.#at(key)
      return one.position !== undefined && start > one.position ? [{ one, start }] : []
    })
    if (gaps.length === 0) return
    const firsts = await this.#source!.listOffsets(
      gaps.map(({ one: { topic, partition } }) => ({ topic, partition, spec: 'earliest' })),
    )
    // Most gaps are markers of transactions, behind the beginning of the log.
    for (const [index, { one, start }] of gaps.entries())
      this.#countDropped(one, Math.min(start, firsts[index]!.offset))
  }

  #countDropped(one: Waiting, first: number): void {
    const { topic, partition, position } = one
    if (position === undefined || position >= first) return
    const count = first - position
    this.#dropped.add(count, { topic })
    this.logger.warn(
      { topic, partition, count },
      'records went from the buffer before they were forwarded',
    )
    one.position = first
  }

  async #look(): Promise<void> {
    const source = this.#source!
    const names = new Set(await source.listTopics())
    const topics = this.#options.topics.filter((topic) => names.has(topic))
    if (topics.length === 0) return
    const places = (await source.describeTopics(topics)).flatMap(({ name, partitions }) =>
      partitions.map(({ partition }) => ({ topic: name, partition })),
    )
    const firsts = await source.listOffsets(
      places.map((place) => ({ ...place, spec: 'earliest' as const })),
    )
    const ends = await source.listOffsets(
      places.map((place) => ({ ...place, spec: 'latest' as const })),
    )
    for (const [index, { topic, partition }] of places.entries()) {
      const one = this.#at(JSON.stringify([topic, partition]))
      one.end = ends[index]!.offset
      const first = firsts[index]!.offset
      one.firstSeen ??= first
      // While records go to the centre, what is missing is seen between them.
      if (this.#problem !== undefined) this.#countDropped(one, first)
    }
  }

  #at(key: string): Waiting {
    let one = this.#waiting.get(key)
    if (!one) {
      const [topic, partition] = JSON.parse(key) as [string, number]
      one = { topic, partition, position: undefined, firstSeen: undefined, end: 0 }
      this.#waiting.set(key, one)
    }
    return one
  }
}
