import zookeeper from 'node-zookeeper-client'
import { KafkaError } from '../errors.ts'

export interface Znode {
  readonly data: Buffer
  readonly version: number
  /** Hexadecimal; zeros for a node that is not ephemeral. */
  readonly owner: string
}

export type CreateKind = 'persistent' | 'ephemeral' | 'sequential'

export interface ZookeeperClientOptions {
  readonly connect: string
  readonly sessionTimeoutMs: number
  /** The session is new: what was ephemeral is gone, and no watch is set. */
  readonly onSession: () => void
  readonly onAvailable: (isAvailable: boolean) => void
}

/**
 * A ZooKeeper client with promises, which begins a new session when the old one expires. While there is
 * no connection every call fails at once with `KAFKA_METADATA_AWAY`.
 */
export class ZookeeperClient {
  readonly #options: ZookeeperClientOptions
  #client: zookeeper.Client | undefined
  #isConnected = false
  #isClosed = false
  readonly #watches = new Set<string>()

  constructor(options: ZookeeperClientOptions) {
    this.#options = options
  }

  get isConnected(): boolean {
    return this.#isConnected
  }
  /** Hexadecimal. */
  get sessionId(): string {
    return this.#client?.getSessionId().toString('hex') ?? ''
  }

  open(): void {
    const { connect, sessionTimeoutMs, onSession } = this.#options
    const client = zookeeper.createClient(connect, {
      sessionTimeout: sessionTimeoutMs,
      spinDelay: 200,
      retries: 0,
    })
    this.#client = client
    this.#watches.clear()
    let isNew = true
    client.on('connected', () => {
      this.#setConnected(true)
      if (isNew) onSession()
      isNew = false
    })
    client.on('disconnected', () => this.#setConnected(false))
    client.on('expired', () => {
      this.#setConnected(false)
      client.close()
      if (!this.#isClosed) this.open()
    })
    client.connect()
  }

  close(): void {
    this.#isClosed = true
    this.#isConnected = false
    this.#client?.removeAllListeners()
    this.#client?.close()
  }

  /** Undefined where the node is not there; `onChange` is then not set. */
  async get(path: string, onChange?: () => void): Promise<Znode | undefined> {
    const watcher = this.#watcher(`data ${path}`, onChange)
    const node = await this.#call<Znode>('get', path, (client, done) => {
      const give = (
        error: Error | zookeeper.Exception | null,
        data: Buffer | undefined,
        stat: zookeeper.Stat | undefined,
      ): void =>
        done(error, {
          data: data ?? Buffer.alloc(0),
          version: stat?.version ?? 0,
          owner: stat?.ephemeralOwner.toString('hex') ?? '',
        })
      if (watcher) client.getData(path, watcher, give)
      else client.getData(path, give)
    })
    if (!node) this.#watches.delete(`data ${path}`)
    return node
  }

  /** One watch for each path: the server would tell of a change as often as it was asked to. */
  #watcher(key: string, onChange: (() => void) | undefined): (() => void) | undefined {
    if (!onChange || this.#watches.has(key)) return undefined
    this.#watches.add(key)
    return () => {
      this.#watches.delete(key)
      onChange()
    }
  }

  /** Names of the children, sorted; undefined where the node is not there. */
  async children(path: string, onChange?: () => void): Promise<string[] | undefined> {
    const watcher = this.#watcher(`children ${path}`, onChange)
    const names = await this.#call<string[]>('children', path, (client, done) =>
      watcher
        ? client.getChildren(path, watcher, (error, children) => done(error, children))
        : client.getChildren(path, (error, children) => done(error, children)),
    )
    if (!names) this.#watches.delete(`children ${path}`)
    return names?.sort()
  }

  /**
   * Makes the node that a connection string such as `host:2181/kafka` begins under, as Kafka does; nobody
   * else would, and every path below it would be missing.
   */
  static async makeRoot(options: ZookeeperClientOptions): Promise<void> {
    const slash = options.connect.indexOf('/')
    const root = slash < 0 ? '' : options.connect.slice(slash)
    if (root === '' || root === '/') return
    const session = Promise.withResolvers<void>()
    const client = new ZookeeperClient({
      ...options,
      connect: options.connect.slice(0, slash),
      onSession: session.resolve,
      onAvailable: () => {},
    })
    client.open()
    try {
      await session.promise
      await client.ensure(root)
    } finally {
      client.close()
    }
  }

  /** False where the node is there already. */
  async create(path: string, data: string, kind: CreateKind = 'persistent'): Promise<boolean> {
    const mode = {
      persistent: zookeeper.CreateMode.PERSISTENT,
      ephemeral: zookeeper.CreateMode.EPHEMERAL,
      sequential: zookeeper.CreateMode.PERSISTENT_SEQUENTIAL,
    }[kind]
    const bytes = data === '' ? null : Buffer.from(data)
    try {
      const created = await this.#call<string>('create', path, (client, done) =>
        client.create(path, bytes as Buffer, mode, (error, name) => done(error, name)),
      )
      if (created === undefined)
        throw new KafkaError('KAFKA_METADATA_DAMAGED', `the node above ${path} is missing`)
      return true
    } catch (error) {
      if (codeOf(error) === zookeeper.Exception.NODE_EXISTS) return false
      throw error
    }
  }

  /** Makes a node and those above it where they are missing. */
  async ensure(path: string, data = ''): Promise<void> {
    const parts = path.split('/').slice(1)
    // Sent at once: ZooKeeper does them in order, and they share a flush.
    await Promise.all(
      parts.map((_part, index) =>
        this.create(
          `/${parts.slice(0, index + 1).join('/')}`,
          index + 1 < parts.length ? '' : data,
        ),
      ),
    )
  }

  /** False where the node has another version, or is not there. */
  async set(path: string, data: string, version = -1): Promise<boolean> {
    try {
      const stat = await this.#call<object>('set', path, (client, done) =>
        client.setData(path, Buffer.from(data), version, (error, stat) => done(error, stat ?? {})),
      )
      return stat !== undefined
    } catch (error) {
      if (codeOf(error) === zookeeper.Exception.BAD_VERSION) return false
      throw error
    }
  }

  /** Sets a node's data, and makes the node where it is missing. */
  async put(path: string, data: string): Promise<void> {
    if (!(await this.set(path, data))) await this.ensure(path, data)
  }

  /** Removes a node with all below it; one that is gone already is fine. */
  async remove(path: string): Promise<void> {
    for (const child of (await this.children(path)) ?? []) await this.remove(`${path}/${child}`)
    await this.#call<boolean>('remove', path, (client, done) =>
      client.remove(path, -1, (error) => done(error, true)),
    )
  }

  #setConnected(isConnected: boolean): void {
    if (this.#isClosed || this.#isConnected === isConnected) return
    this.#isConnected = isConnected
    this.#options.onAvailable(isConnected)
  }

  /** Undefined stands for NO_NODE. */
  #call<Result>(
    what: string,
    path: string,
    action: (
      client: zookeeper.Client,
      done: (error: Error | zookeeper.Exception | null, result: Result) => void,
    ) => void,
  ): Promise<Result | undefined> {
    const client = this.#client
    if (!client || !this.#isConnected) return Promise.reject(away(what, path))
    return new Promise((resolve, reject) => {
      action(client, (error, result) => {
        const code = codeOf(error)
        if (!error) resolve(result)
        else if (code === zookeeper.Exception.NO_NODE) resolve(undefined)
        else if (
          code === zookeeper.Exception.CONNECTION_LOSS ||
          code === zookeeper.Exception.SESSION_EXPIRED
        )
          reject(away(what, path, error))
        else reject(error)
      })
    })
  }
}

function codeOf(error: unknown): number | undefined {
  return error instanceof zookeeper.Exception ? error.getCode() : undefined
}

function away(what: string, path: string, cause?: unknown): KafkaError {
  return new KafkaError('KAFKA_METADATA_AWAY', `ZooKeeper is away (${what} ${path})`, {
    retriable: true,
    ...(cause === undefined ? {} : { cause }),
  })
}
