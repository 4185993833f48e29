import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Clock, Logger } from '@khlong/core'
import { KafkaError } from '../errors.ts'
import { writeFileDurably } from '../log/checkpoint-file.ts'
import type { CredentialChange } from '../security/scram-credentials.ts'
import { type Acl, isSameAcl, PatternType } from '../state/acls.ts'
import { changeCredential, readCredentials } from './credential-texts.ts'
import type {
  BrokerConfigs,
  BrokerRegistration,
  ConfigChange,
  MetadataListener,
  MetadataStore,
  TopicRecord,
} from './metadata-store.ts'
import { WorkQueue } from './work-queue.ts'
import { ZookeeperClient } from './zookeeper-client.ts'
import {
  aclChange,
  aclPath,
  aclsJson,
  brokerJson,
  clusterIdJson,
  configChangeJson,
  configJson,
  controllerJson,
  partitionStateJson,
  producerBlockJson,
  readAclsJson,
  readClusterId,
  readConfigChange,
  readConfigJson,
  readProducerBlockEnd,
  readTopicJson,
  resourceTypeNames,
  topicJson,
  userNode,
  usernameOf,
  zkPath,
  zkPersistentPaths,
} from './zookeeper-records.ts'

const producerBlock = 1_000n
/** Notifications older than this have been seen by everybody; Kafka forgets them after the same time. */
const changeExpiryMs = 15 * 60_000

/** Topics that are read at the same time. */
const topicsAtOnceMax = 64

export interface ZookeeperStoreOptions {
  readonly connect: string
  /** The broker's data folder, which remembers its cluster and its last session. */
  readonly folder: string
  readonly brokerId: number
  readonly sessionTimeoutMs: number
  readonly connectionTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Metadata in ZooKeeper, in the znodes and formats of Kafka 3.9. Changes that others make there come in
 * by watches; after a lost session everything is read again and the broker registers anew.
 */
export class ZookeeperMetadataStore implements MetadataStore {
  readonly #options: ZookeeperStoreOptions
  readonly #client: ZookeeperClient
  #clusterId = ''
  #listener: MetadataListener | undefined
  #registration: BrokerRegistration | undefined
  #controllerEpoch = 0
  /** Topics that the listener was told of. */
  #topics = new Map<string, TopicRecord>()
  /** Nodes of the users that the listener was told of. */
  readonly #users = new Set<string>()
  readonly #seenChanges = new Map<string, number>()
  /** Everything that reads or changes znodes goes through here. */
  readonly #queue = new WorkQueue()
  #isClosed = false
  /** Something could not be read while ZooKeeper was away; all is read again when it is back. */
  #isStale = false
  readonly #connected = Promise.withResolvers<void>()

  private constructor(options: ZookeeperStoreOptions) {
    this.#options = options
    this.#client = new ZookeeperClient({
      connect: options.connect,
      sessionTimeoutMs: options.sessionTimeoutMs,
      onSession: () => this.#onSession(),
      onAvailable: (isAvailable) => {
        const message = isAvailable ? 'ZooKeeper is there' : 'ZooKeeper is away'
        options.logger[isAvailable ? 'info' : 'warn']({ connect: options.connect }, message)
        if (isAvailable && this.#isStale) this.#onSession()
      },
    })
  }

  /**
   * Connects, and finds or makes the cluster.
   *
   * @throws KafkaError `KAFKA_METADATA_AWAY` where nothing answers in time, `KAFKA_CLUSTER_ID_DIFFERS`.
   */
  static async connect(options: ZookeeperStoreOptions): Promise<ZookeeperMetadataStore> {
    const store = new ZookeeperMetadataStore(options)
    store.#client.open()
    const timer = setTimeout(() => {
      store.#connected.reject(
        new KafkaError('KAFKA_METADATA_AWAY', `no ZooKeeper answers at ${options.connect}`, {
          retriable: true,
        }),
      )
    }, options.connectionTimeoutMs)
    try {
      await store.#connected.promise
      await store.#joinCluster()
    } catch (error) {
      await store.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
    return store
  }

  get clusterId(): string {
    return this.#clusterId
  }
  get isAvailable(): boolean {
    return this.#client.isConnected
  }

  async open(listener: MetadataListener): Promise<void> {
    this.#listener = listener
    await this.#queue.run(() => this.#loadAll())
  }

  async register(broker: BrokerRegistration): Promise<void> {
    this.#registration = broker
    await this.#queue.run(() => this.#register())
  }

  createTopic(topic: TopicRecord): Promise<void> {
    // Beside others: a topic takes four flushes one after another, which many can share.
    return this.#queue.runBeside(topic.name, async () => {
      const { name, configs } = topic
      // Before its settings are written: they must not end up with the other one.
      if (this.#topics.has(name)) throw existsAlready(name)
      const settings = `${zkPath.topicConfigs}/${name}`
      if (!(await this.#client.create(settings, configJson(configs))))
        await this.#client.set(settings, configJson(configs))
      const json = topicJson(topic, this.#options.brokerId)
      if (!(await this.#client.create(`${zkPath.topics}/${name}`, json))) throw existsAlready(name)
      await this.#loadTopic(name)
    })
  }

  addPartitions(name: string, partitionCount: number): Promise<void> {
    return this.#queue.run(async () => {
      const topic = this.#known(name)
      const json = topicJson({ ...topic, partitionCount }, this.#options.brokerId)
      await this.#client.set(`${zkPath.topics}/${name}`, json)
      await this.#loadTopic(name)
    })
  }

  deleteTopic(name: string): Promise<void> {
    return this.#queue.run(async () => {
      this.#known(name)
      await this.#client.create(`${zkPath.deletions}/${name}`, '')
      await this.#finishDeletions()
    })
  }

  changeTopicConfigs(name: string, change: ConfigChange): Promise<void> {
    return this.#queue.run(async () => {
      await this.#changeConfig(`topics/${name}`, change(this.#known(name).configs))
      await this.#loadTopic(name)
    })
  }

  changeBrokerConfigs(whose: keyof BrokerConfigs, change: ConfigChange): Promise<void> {
    return this.#queue.run(async () => {
      const entity = this.#brokerEntity(whose)
      const node = await this.#client.get(`/config/${entity}`)
      await this.#changeConfig(entity, change(readConfigJson(node?.data)))
      await this.#loadBrokerConfigs()
    })
  }

  addAcls(acls: readonly Acl[]): Promise<void> {
    return this.#changeAcls(acls, (kept, acl) =>
      kept.some((other) => isSameAcl(other, acl)) ? kept : [...kept, acl],
    )
  }

  removeAcls(acls: readonly Acl[]): Promise<void> {
    return this.#changeAcls(acls, (kept, acl) => kept.filter((other) => !isSameAcl(other, acl)))
  }

  changeCredentials(changes: readonly CredentialChange[]): Promise<void> {
    return this.#queue.run(async () => {
      for (const change of changes) {
        const name = userNode(change.username)
        const node = `${zkPath.users}/${name}`
        // Quotas of the user stand in the same node.
        const texts = readConfigJson((await this.#client.get(node))?.data)
        await this.#changeConfig(`users/${name}`, changeCredential(texts, change))
        await this.#loadUser(name)
      }
    })
  }

  async nextProducerIds(): Promise<{ first: bigint; count: number }> {
    for (;;) {
      const node = await this.#client.get(zkPath.producerIds)
      if (!node) {
        await this.#client.ensure(zkPath.producerIds)
        continue
      }
      const first = readProducerBlockEnd(node.data) + 1n
      const json = producerBlockJson(this.#options.brokerId, first, first + producerBlock - 1n)
      if (await this.#client.set(zkPath.producerIds, json, node.version))
        return { first, count: Number(producerBlock) }
    }
  }

  pause(): Promise<() => void> {
    return this.#queue.pause()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#queue.idle()
    this.#listener = undefined
    // Ends the session, so that the world sees at once that this broker is gone.
    this.#client.close()
  }

  #onSession(): void {
    this.#connected.resolve()
    if (!this.#listener || this.#isClosed) return
    this.#later(async () => {
      this.#isStale = false
      await this.#loadAll()
      if (this.#registration) await this.#register()
    })
  }

  async #joinCluster(): Promise<void> {
    const { connect, sessionTimeoutMs } = this.#options
    const nothing = (): void => {}
    await ZookeeperClient.makeRoot({
      connect,
      sessionTimeoutMs,
      onSession: nothing,
      onAvailable: nothing,
    })
    await Promise.all(zkPersistentPaths.map((node) => this.#client.ensure(node)))
    await this.#client.ensure(
      zkPath.clusterId,
      clusterIdJson(randomBytes(16).toString('base64url')),
    )
    const node = await this.#client.get(zkPath.clusterId)
    this.#clusterId = (node && readClusterId(node.data)) ?? ''
    const { folder, brokerId } = this.#options
    // Kafka's own file, so that a real broker can go on with this folder.
    const file = path.join(folder, 'meta.properties')
    const known = /^cluster\.id=(.+)$/m.exec(readTextIfThere(file) ?? '')?.[1]
    if (known !== undefined && known !== this.#clusterId)
      throw new KafkaError(
        'KAFKA_CLUSTER_ID_DIFFERS',
        `${folder} belongs to cluster ${known}, ZooKeeper at ${this.#options.connect} to ${this.#clusterId}; choose the other folder or ZooKeeper`,
        { fields: { folder } },
      )
    if (known === undefined)
      writeFileDurably(file, `version=0\nbroker.id=${brokerId}\ncluster.id=${this.#clusterId}\n`)
  }

  async #register(): Promise<void> {
    const broker = this.#registration!
    const nowMs = this.#options.clock.nowMs()
    const node = `${zkPath.brokers}/${broker.brokerId}`
    await this.#createOwn(node, brokerJson(broker, nowMs))
    const isController = await this.#createOwn(
      zkPath.controller,
      controllerJson(broker.brokerId, nowMs),
      true,
    )
    if (isController) {
      const epoch = await this.#client.get(zkPath.controllerEpoch)
      this.#controllerEpoch = (epoch ? Number(epoch.data.toString()) : 0) + 1
      await this.#client.put(zkPath.controllerEpoch, String(this.#controllerEpoch))
    }
    writeFileDurably(this.#sessionFile, `${this.#client.sessionId}\n`)
  }

  get #sessionFile(): string {
    return path.join(this.#options.folder, 'zookeeper-session')
  }

  /**
   * Makes an ephemeral node of ours. One that an earlier life of this broker left, whose session has
   * not run out, is replaced: the data folder remembers that session, and has one owner.
   */
  async #createOwn(node: string, data: string, mayBeOthers = false): Promise<boolean> {
    const { clock, sessionTimeoutMs, brokerId } = this.#options
    const untilMs = clock.monotonicMs() + sessionTimeoutMs + 2_000
    const ours = readTextIfThere(this.#sessionFile)?.trim()
    for (;;) {
      if (await this.#client.create(node, data, 'ephemeral')) return true
      const found = await this.#client.get(node)
      if (!found) continue
      if (found.owner === this.#client.sessionId) return true
      if (found.owner === ours) {
        await this.#client.remove(node)
        continue
      }
      if (mayBeOthers) return false
      if (clock.monotonicMs() > untilMs || this.#isClosed)
        throw new KafkaError(
          'KAFKA_BROKER_ID_TAKEN',
          `broker.id ${brokerId} is registered by another broker (session 0x${found.owner})`,
        )
      const gone = Promise.withResolvers<void>()
      const timer = clock.setTimer(gone.resolve, 1_000)
      if (!(await this.#client.get(node, gone.resolve))) gone.resolve()
      await gone.promise
      clock.clearTimer(timer)
    }
  }

  async #loadAll(): Promise<void> {
    await this.#loadBrokerConfigs()
    await this.#loadAcls()
    await this.#loadUsers()
    await this.#loadTopics()
    await this.#finishDeletions()
    // What is there already was read with the rest.
    await this.#loadConfigChanges(true)
  }

  async #loadTopics(): Promise<void> {
    const names =
      (await this.#client.children(zkPath.topics, () => this.#later(() => this.#loadTopics()))) ??
      []
    // Many at once: one after another, a thousand topics would wait for three thousand answers.
    const added = names.filter((name) => !this.#topics.has(name))
    for (let first = 0; first < added.length; first += topicsAtOnceMax) {
      const some = added.slice(first, first + topicsAtOnceMax)
      // All of them have ended before anything else is done, also where one fails.
      const loads = await Promise.allSettled(some.map((name) => this.#loadTopic(name)))
      for (const load of loads) if (load.status === 'rejected') throw load.reason
    }
    for (const name of [...this.#topics.keys()]) if (!names.includes(name)) this.#dropTopic(name)
  }

  async #loadTopic(name: string): Promise<void> {
    const node = `${zkPath.topics}/${name}`
    const [znode, config, placed] = await Promise.all([
      this.#client.get(node, () => this.#later(() => this.#loadTopic(name))),
      this.#client.get(`${zkPath.topicConfigs}/${name}`),
      this.#client.children(`${node}/partitions`),
    ])
    if (!znode) {
      this.#dropTopic(name)
      return
    }
    const read = readTopicJson(znode.data)
    if (!read) {
      this.#options.logger.error({ path: node }, 'a topic znode cannot be read')
      return
    }
    // Topics made by old tools have no id; the controller gives them one.
    const topicId = read.topicId ?? randomBytes(16).toString('base64url')
    const { partitionCount } = read
    if (read.topicId === undefined)
      await this.#client.set(node, topicJson({ topicId, partitionCount }, this.#options.brokerId))
    const placedCount = placed?.length ?? 0
    const configs = readConfigJson(config?.data)
    const topic: TopicRecord = { name, topicId, partitionCount, configs, placedCount }
    this.#topics.set(name, topic)
    await this.#listener?.onTopic(topic)
    await this.#place(topic)
  }

  /** Notes that the partitions have their folders now. */
  async #place({ name, placedCount, partitionCount }: TopicRecord): Promise<void> {
    if (placedCount >= partitionCount) return
    const state = partitionStateJson(this.#options.brokerId, this.#controllerEpoch)
    const parent = `${zkPath.topics}/${name}/partitions`
    // Sent at once: ZooKeeper does them in order, and they share a flush.
    const made = [this.#client.create(parent, '')]
    for (let partition = placedCount; partition < partitionCount; partition++) {
      made.push(this.#client.create(`${parent}/${partition}`, ''))
      made.push(this.#client.create(`${parent}/${partition}/state`, state))
    }
    await Promise.all(made)
  }

  #dropTopic(name: string): void {
    if (this.#topics.delete(name)) this.#listener?.onTopicGone(name)
  }

  async #finishDeletions(): Promise<void> {
    const names = await this.#client.children(zkPath.deletions, () =>
      this.#later(() => this.#finishDeletions()),
    )
    for (const name of names ?? []) {
      this.#dropTopic(name)
      await this.#client.remove(`${zkPath.topics}/${name}`)
      await this.#client.remove(`${zkPath.topicConfigs}/${name}`)
      await this.#client.remove(`${zkPath.deletions}/${name}`)
    }
  }

  async #loadBrokerConfigs(): Promise<void> {
    const everyBroker = await this.#client.get(`/config/${this.#brokerEntity('everyBroker')}`)
    const own = await this.#client.get(`/config/${this.#brokerEntity('own')}`)
    this.#listener?.onBrokerConfigs({
      everyBroker: readConfigJson(everyBroker?.data),
      own: readConfigJson(own?.data),
    })
  }

  #brokerEntity(whose: keyof BrokerConfigs): string {
    return `brokers/${whose === 'own' ? this.#options.brokerId : '<default>'}`
  }

  async #loadUsers(): Promise<void> {
    const names = (await this.#client.children(zkPath.users)) ?? []
    for (const name of new Set([...names, ...this.#users])) await this.#loadUser(name)
  }

  async #loadUser(name: string): Promise<void> {
    const username = usernameOf(name)
    if (username === undefined) return
    const node = await this.#client.get(`${zkPath.users}/${name}`)
    const credentials = readCredentials(readConfigJson(node?.data))
    if (credentials.size > 0) this.#users.add(name)
    else this.#users.delete(name)
    this.#listener?.onUser(username, credentials)
  }

  async #changeConfig(entity: string, configs: Readonly<Record<string, string>>): Promise<void> {
    await this.#client.put(`/config/${entity}`, configJson(configs))
    await this.#client.create(
      `${zkPath.configChanges}/config_change_`,
      configChangeJson(entity),
      'sequential',
    )
  }

  async #loadConfigChanges(isFirst = false): Promise<void> {
    const names = await this.#client.children(zkPath.configChanges, () =>
      this.#later(() => this.#loadConfigChanges()),
    )
    const nowMs = this.#options.clock.nowMs()
    for (const name of names ?? []) {
      const node = `${zkPath.configChanges}/${name}`
      const seenMs = this.#seenChanges.get(name)
      if (seenMs !== undefined) {
        if (nowMs - seenMs < changeExpiryMs) continue
        this.#seenChanges.delete(name)
        await this.#client.remove(node)
        continue
      }
      this.#seenChanges.set(name, nowMs)
      if (isFirst) continue
      const entity = readConfigChange((await this.#client.get(node))?.data ?? Buffer.alloc(0))
      if (entity?.startsWith('topics/')) await this.#loadTopic(entity.slice('topics/'.length))
      else if (entity?.startsWith('brokers/')) await this.#loadBrokerConfigs()
      // Below a user stand quotas of its clients.
      else if (/^users\/[^/]+$/.test(entity ?? ''))
        await this.#loadUser(entity!.slice('users/'.length))
    }
  }

  async #loadAcls(): Promise<void> {
    const again = (): void => this.#later(() => this.#loadAcls())
    await this.#client.children(zkPath.aclChanges, again)
    await this.#client.children(zkPath.prefixedAclChanges, again)
    const acls: Acl[] = []
    const roots = [
      [zkPath.acls, PatternType.literal],
      [zkPath.prefixedAcls, PatternType.prefixed],
    ] as const
    for (const [root, patternType] of roots)
      for (const type of (await this.#client.children(root)) ?? []) {
        const resourceType = resourceTypeNames[type]
        if (resourceType === undefined) continue
        for (const resourceName of (await this.#client.children(`${root}/${type}`)) ?? []) {
          const node = await this.#client.get(`${root}/${type}/${resourceName}`)
          const resource = { resourceType, resourceName, patternType }
          if (node) acls.push(...readAclsJson(node.data, resource))
        }
      }
    this.#listener?.onAcls(acls)
  }

  #changeAcls(
    acls: readonly Acl[],
    change: (kept: readonly Acl[], acl: Acl) => readonly Acl[],
  ): Promise<void> {
    return this.#queue.run(async () => {
      for (const acl of acls) {
        const node = aclPath(acl)
        const { resourceType, resourceName, patternType } = acl
        const resource = { resourceType, resourceName, patternType }
        for (;;) {
          const found = await this.#client.get(node)
          const kept = found ? readAclsJson(found.data, resource) : []
          const changed = change(kept, acl)
          if (changed.length === 0) {
            await this.#client.remove(node)
            break
          }
          const json = aclsJson(changed)
          if (!found) await this.#client.ensure(node, json)
          else if (!(await this.#client.set(node, json, found.version))) continue
          break
        }
        const notification = aclChange(acl)
        await this.#client.create(notification.path, notification.data, 'sequential')
      }
      await this.#loadAcls()
    })
  }

  #known(name: string): TopicRecord {
    const topic = this.#topics.get(name)
    if (!topic) throw new KafkaError('KAFKA_TOPIC_UNKNOWN', `Topic '${name}' does not exist.`)
    return topic
  }

  /** Work that a watch asks for; when ZooKeeper is away, the next session reads everything anyway. */
  #later(work: () => Promise<void>): void {
    if (this.#isClosed) return
    this.#queue
      .run(async () => {
        if (!this.#isClosed && this.#listener) await work()
      })
      .catch((error) => {
        const isAway = error instanceof KafkaError && error.code === 'KAFKA_METADATA_AWAY'
        this.#isStale ||= isAway
        this.#options.logger[isAway ? 'warn' : 'error']({ err: error }, 'metadata were not read')
      })
  }
}

function existsAlready(name: string): KafkaError {
  return new KafkaError('KAFKA_TOPIC_EXISTS', `Topic '${name}' already exists.`)
}

function readTextIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
