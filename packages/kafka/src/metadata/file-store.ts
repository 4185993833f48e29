import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { KafkaError } from '../errors.ts'
import { writeFileDurably } from '../log/checkpoint-file.ts'
import type { CredentialChange } from '../security/scram-credentials.ts'
import { type Acl, isSameAcl } from '../state/acls.ts'
import { changeCredential, readCredentials } from './credential-texts.ts'
import type {
  BrokerConfigs,
  ConfigChange,
  Configs,
  MetadataListener,
  MetadataStore,
  TopicRecord,
} from './metadata-store.ts'
import { WorkQueue } from './work-queue.ts'

// `metadata.json` beside the logs; see docs/formats/kafka-metadata.md. It is written whole, beside and
// renamed, at each change.

const producerBlock = 1_000
const configs = z.record(z.string(), z.string())
/** 2 added `users`, 3 `everyBrokerConfigs`. */
export const formatVersion = 3
const schema = z.object({
  format: z.literal('khlong-kafka-metadata'),
  version: z.number(),
  clusterId: z.string(),
  nextProducerId: z.number(),
  brokerConfigs: configs,
  everyBrokerConfigs: configs.default({}),
  topics: z.array(
    z.object({
      name: z.string(),
      topicId: z.string(),
      partitionCount: z.number(),
      placedCount: z.number(),
      configs,
    }),
  ),
  acls: z.array(
    z.object({
      resourceType: z.number(),
      resourceName: z.string(),
      patternType: z.number(),
      principal: z.string(),
      host: z.string(),
      operation: z.number(),
      permission: z.number(),
    }),
  ),
  /** SCRAM credentials by user and mechanism, as Kafka writes them. */
  users: z.record(z.string(), configs).default({}),
})
type Content = z.infer<typeof schema>

/** Metadata of a broker that stands alone, in a file of its data folder. */
export class FileMetadataStore implements MetadataStore {
  readonly #file: string
  #content: Content
  #listener: MetadataListener | undefined
  readonly isAvailable = true
  /** One change of a topic at a time: partitions take a while to be made. */
  readonly #queue = new WorkQueue()

  constructor(folder: string) {
    this.#file = path.join(folder, 'metadata.json')
    this.#content = this.#load()
  }

  get clusterId(): string {
    return this.#content.clusterId
  }

  async open(listener: MetadataListener): Promise<void> {
    this.#listener = listener
    this.#save({})
    listener.onBrokerConfigs(this.#brokerConfigs())
    listener.onAcls(this.#content.acls)
    for (const [username, texts] of Object.entries(this.#content.users))
      listener.onUser(username, readCredentials(texts))
    for (const topic of this.#content.topics) {
      await listener.onTopic(topic)
      if (topic.placedCount < topic.partitionCount)
        this.#replaceTopic({ ...topic, placedCount: topic.partitionCount })
    }
  }

  async register(): Promise<void> {
    // Nobody else looks.
  }

  createTopic(topic: TopicRecord): Promise<void> {
    return this.#queue.runBeside(topic.name, async () => {
      if (this.#content.topics.some(({ name }) => name === topic.name))
        throw new KafkaError('KAFKA_TOPIC_EXISTS', `Topic '${topic.name}' already exists.`)
      this.#save({ topics: [...this.#content.topics, { ...topic, placedCount: 0 }] })
      await this.#listener?.onTopic(topic)
      this.#replaceTopic({ ...topic, placedCount: topic.partitionCount })
    })
  }

  addPartitions(name: string, partitionCount: number): Promise<void> {
    return this.#queue.run(async () => {
      const changed = { ...this.#topic(name), partitionCount }
      this.#replaceTopic(changed)
      await this.#listener?.onTopic(changed)
      this.#replaceTopic({ ...changed, placedCount: partitionCount })
    })
  }

  deleteTopic(name: string): Promise<void> {
    return this.#queue.run(async () => {
      this.#topic(name)
      this.#save({ topics: this.#content.topics.filter((topic) => topic.name !== name) })
      this.#listener?.onTopicGone(name)
    })
  }

  changeTopicConfigs(name: string, change: ConfigChange): Promise<void> {
    return this.#queue.run(async () => {
      const topic = this.#topic(name)
      const changed = { ...topic, configs: change(topic.configs) }
      this.#replaceTopic(changed)
      await this.#listener?.onTopic(changed)
    })
  }

  async changeBrokerConfigs(whose: keyof BrokerConfigs, change: ConfigChange): Promise<void> {
    const changed = change(this.#brokerConfigs()[whose])
    this.#save(whose === 'own' ? { brokerConfigs: changed } : { everyBrokerConfigs: changed })
    this.#listener?.onBrokerConfigs(this.#brokerConfigs())
  }

  async addAcls(acls: readonly Acl[]): Promise<void> {
    const added = acls.filter((acl) => !this.#content.acls.some((other) => isSameAcl(acl, other)))
    this.#setAcls([...this.#content.acls, ...added])
  }

  async removeAcls(acls: readonly Acl[]): Promise<void> {
    this.#setAcls(this.#content.acls.filter((acl) => !acls.some((other) => isSameAcl(acl, other))))
  }

  async changeCredentials(changes: readonly CredentialChange[]): Promise<void> {
    const users = new Map(Object.entries(this.#content.users))
    for (const change of changes)
      users.set(change.username, changeCredential(users.get(change.username) ?? {}, change))
    const kept = [...users].filter(([, texts]) => Object.keys(texts).length > 0)
    this.#save({ users: Object.fromEntries(kept) })
    for (const username of new Set(changes.map((change) => change.username)))
      this.#listener?.onUser(username, readCredentials(this.#content.users[username] ?? {}))
  }

  async nextProducerIds(): Promise<{ first: bigint; count: number }> {
    const first = this.#content.nextProducerId
    this.#save({ nextProducerId: first + producerBlock })
    return { first: BigInt(first), count: producerBlock }
  }

  pause(): Promise<() => void> {
    return this.#queue.pause()
  }

  async close(): Promise<void> {
    await this.#queue.idle()
    this.#listener = undefined
  }

  #brokerConfigs(): BrokerConfigs {
    const { everyBrokerConfigs, brokerConfigs } = this.#content
    return { everyBroker: everyBrokerConfigs, own: brokerConfigs }
  }

  #setAcls(acls: Content['acls']): void {
    this.#save({ acls })
    this.#listener?.onAcls(acls)
  }

  #topic(name: string): TopicRecord {
    const topic = this.#content.topics.find((candidate) => candidate.name === name)
    if (!topic) throw new KafkaError('KAFKA_TOPIC_UNKNOWN', `Topic '${name}' does not exist.`)
    return topic
  }

  #replaceTopic(changed: TopicRecord): void {
    this.#save({
      topics: this.#content.topics.map((topic) => (topic.name === changed.name ? changed : topic)),
    })
  }

  #save(change: {
    topics?: readonly TopicRecord[]
    acls?: Content['acls']
    brokerConfigs?: Configs
    everyBrokerConfigs?: Configs
    nextProducerId?: number
    users?: Content['users']
  }): void {
    const content = { ...this.#content, ...change, version: formatVersion }
    // With credentials in it, the file is for its owner.
    writeFileDurably(this.#file, `${JSON.stringify(content, undefined, 2)}\n`, 0o600)
    this.#content = content as Content
  }

  #load(): Content {
    let text: string
    try {
      text = readFileSync(this.#file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return {
        format: 'khlong-kafka-metadata',
        version: formatVersion,
        clusterId: randomBytes(16).toString('base64url'),
        nextProducerId: 0,
        brokerConfigs: {},
        everyBrokerConfigs: {},
        topics: [],
        acls: [],
        users: {},
      }
    }
    const parsed = schema.safeParse(parseJson(text))
    if (!parsed.success)
      throw new KafkaError('KAFKA_METADATA_DAMAGED', `${this.#file}: ${parsed.error.message}`, {
        fields: { file: this.#file },
      })
    if (parsed.data.version > formatVersion)
      throw new KafkaError(
        'KAFKA_FORMAT_UNSUPPORTED',
        `${this.#file}: version ${parsed.data.version}, this Khlong reads up to ${formatVersion}`,
        { fields: { file: this.#file } },
      )
    return parsed.data
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
