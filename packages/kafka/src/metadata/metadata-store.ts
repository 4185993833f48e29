import type { SecurityProtocol } from '../security/listeners.ts'
import type { CredentialChange, UserCredentials } from '../security/scram-credentials.ts'
import type { Acl } from '../state/acls.ts'

/** A topic as the metadata has it. */
export interface TopicRecord {
  readonly name: string
  /** Kafka's base64url text. */
  readonly topicId: string
  readonly partitionCount: number
  readonly configs: Readonly<Record<string, string>>
  /**
   * How many of the partitions have been given a folder. One of these whose folder is missing is lost,
   * which is an error; the others are new.
   */
  readonly placedCount: number
}

/** Where a broker is reached, by listener. */
export interface BrokerRegistration {
  readonly brokerId: number
  readonly endpoints: readonly {
    readonly name: string
    readonly protocol: SecurityProtocol
    readonly host: string
    readonly port: number
  }[]
}

/** Settings by name, as text. */
export type Configs = Readonly<Record<string, string>>

/** What becomes of settings; it is given them as they are when their turn has come, and may throw. */
export type ConfigChange = (configs: Configs) => Configs

/** Settings of a broker that were changed while it ran: `own` stand over those of `everyBroker`. */
export interface BrokerConfigs {
  readonly everyBroker: Configs
  readonly own: Configs
}

/** What the broker wants to hear about; calls come in the order of the changes. */
export interface MetadataListener {
  /**
   * A topic is there, is new, has more partitions or other settings. Resolves when new partitions are
   * durable; until then no other change of this topic is told.
   */
  onTopic(topic: TopicRecord): Promise<void>
  onTopicGone(name: string): void
  onBrokerConfigs(configs: BrokerConfigs): void
  onAcls(acls: readonly Acl[]): void
  /** The SCRAM credentials of a user; none where the user is gone. */
  onUser(username: string, credentials: UserCredentials): void
}

/**
 * Where brokers, topics, settings, ACLs and SCRAM credentials are kept: in ZooKeeper, or in a file where a broker stands
 * alone. Every change, also one made through it, comes back through the listener before the call ends.
 */
export interface MetadataStore {
  readonly clusterId: string
  /** False while changes are impossible; they then fail with `KAFKA_METADATA_AWAY`. */
  readonly isAvailable: boolean
  /** Loads everything, tells the listener, and goes on telling it. */
  open(listener: MetadataListener): Promise<void>
  /** Lets the world see this broker. */
  register(broker: BrokerRegistration): Promise<void>
  createTopic(topic: TopicRecord): Promise<void>
  addPartitions(name: string, partitionCount: number): Promise<void>
  deleteTopic(name: string): Promise<void>
  /** What `change` throws is thrown, and then nothing has changed. */
  changeTopicConfigs(name: string, change: ConfigChange): Promise<void>
  changeBrokerConfigs(whose: keyof BrokerConfigs, change: ConfigChange): Promise<void>
  addAcls(acls: readonly Acl[]): Promise<void>
  removeAcls(acls: readonly Acl[]): Promise<void>
  changeCredentials(changes: readonly CredentialChange[]): Promise<void>
  /** A block of producer ids that nobody else gets, ever. */
  nextProducerIds(): Promise<{ readonly first: bigint; readonly count: number }>
  /** Resolves when no change is under way, and lets none begin until what it resolves with is called. */
  pause(): Promise<() => void>
  close(): Promise<void>
}
