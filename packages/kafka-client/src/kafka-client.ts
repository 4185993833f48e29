import type { Logger } from '@khlong/core'
import { ErrorCode, errorInfo } from '@khlong/kafka-protocol'
import { type BrokerAddress, parseAddress, replaceHost } from './address.ts'
import type { Api } from './api.ts'
import { type BackoffOptions, backoffMs, withRetries } from './backoff.ts'
import { BrokerConnection, type RequestOptions } from './connection.ts'
import { findCoordinatorApi, metadataApi } from './core-apis.ts'
import { brokerError, clientError, KafkaClientError } from './errors.ts'
import { type BrokerMetadata, MetadataCache, type TopicMetadata } from './metadata.ts'
import {
  contextLogger,
  type KafkaClientContext,
  type KafkaClientOptions,
  type ResolvedClientOptions,
  resolveClientOptions,
} from './options.ts'

/**
 * Brokers serve the requests of one connection one after another, so a request that is held back
 * (a long poll, a join) has a connection of its own kind.
 */
export type Lane = 'main' | `fetch-${number}` | `group-${number}`
export type CoordinatorType = 'group' | 'transaction'

interface ConnectionSlot {
  opening: Promise<BrokerConnection>
  connection?: BrokerConnection
}

/**
 * The way to a cluster: connections by need, metadata by need, requests to the right broker.
 * Producers, consumers and admins stand on it, and several of them may share one.
 */
export class KafkaClient implements AsyncDisposable {
  readonly options: ResolvedClientOptions
  readonly metadata: MetadataCache
  readonly logger: Logger
  readonly #bootstrap: readonly BrokerAddress[]
  readonly #slots = new Map<string, ConnectionSlot>()
  /** By address: attempts that failed in a row, and when the next may begin. */
  readonly #failures = new Map<string, { count: number; untilMs: number }>()
  readonly #coordinators = new Map<string, Promise<number>>()
  readonly #createsTopics: boolean
  #wanted = new Set<string>()
  #refreshing: Promise<void> | undefined
  #nextRefresh: Promise<void> | undefined
  #laneCount = 0
  #isClosed = false
  readonly #closing = new AbortController()

  constructor(options: KafkaClientOptions, context: KafkaClientContext = {}) {
    this.options = resolveClientOptions(options)
    this.logger = contextLogger(context)
    this.#createsTopics = context.createsTopics ?? true
    this.metadata = new MetadataCache(this.options.hosts)
    this.#bootstrap = this.options['bootstrap.servers'].map((text) =>
      replaceHost(parseAddress(text), this.options.hosts),
    )
  }

  get isClosed(): boolean {
    return this.#isClosed
  }
  /** Aborted when the client closes. */
  get signal(): AbortSignal {
    return this.#closing.signal
  }
  get backoff(): BackoffOptions {
    return {
      initialMs: this.options['retry.backoff.ms'],
      maxMs: this.options['retry.backoff.max.ms'],
    }
  }

  /** Closes every connection; what waits for an answer fails with `KAFKA_CLIENT_CLOSED`. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closing.abort(closedError())
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    await Promise.all(
      slots.map((slot) =>
        slot.opening.then(
          (connection) => connection.close(),
          () => {},
        ),
      ),
    )
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ---- Requests

  /** Sends a request to one broker. One attempt; a broken connection is a retriable error. */
  async request<Request, Response>(
    nodeId: number,
    api: Api<Request, Response>,
    value: Request,
    options: RequestOptions & { lane?: Lane } = {},
  ): Promise<Response> {
    const connection = await this.connection(nodeId, options.lane)
    return connection.request(api, value, options)
  }

  /** Sends a request to whichever broker is there. One attempt. */
  async requestAny<Request, Response>(
    api: Api<Request, Response>,
    value: Request,
    options: RequestOptions = {},
  ): Promise<Response> {
    const connection = await this.#anyConnection()
    return connection.request(api, value, options)
  }

  /** Sends a request to the controller, or to whom a KRaft cluster names as such. One attempt. */
  async requestController<Request, Response>(
    api: Api<Request, Response>,
    value: Request,
    options: RequestOptions = {},
  ): Promise<Response> {
    if (this.metadata.controllerId < 0) await this.refreshMetadata([])
    const { controllerId } = this.metadata
    if (controllerId < 0) return this.requestAny(api, value, options)
    return this.request(controllerId, api, value, options)
  }

  /** Repeats `attempt` while its errors are retriable, within `default.api.timeout.ms`. */
  retrying<T>(
    what: string,
    attempt: () => Promise<T>,
    options: {
      timeoutMs?: number
      signal?: AbortSignal | undefined
      onRetry?: (error: KafkaClientError) => void
    } = {},
  ): Promise<T> {
    return withRetries(attempt, {
      what,
      backoff: this.backoff,
      timeoutMs: options.timeoutMs ?? this.options['default.api.timeout.ms'],
      signal: options.signal
        ? AbortSignal.any([options.signal, this.#closing.signal])
        : this.#closing.signal,
      onRetry: (error) => {
        this.logger.debug({ what, err: error }, 'Kafka request is tried again')
        const { errorCode } = error
        if (errorCode === ErrorCode.notController) this.metadata.controllerId = -1
        options.onRetry?.(error)
      },
    })
  }

  // ---- Connections

  /** A lane of the caller's own. */
  newLane<Kind extends 'fetch' | 'group'>(kind: Kind): `${Kind}-${number}` {
    return `${kind}-${this.#laneCount++}`
  }

  /** Closes the connections of a lane; what waits there fails. */
  closeLane(lane: Lane): void {
    for (const [key, { connection }] of [...this.#slots])
      if (key.endsWith(`:${lane}`)) connection?.close()
  }

  /** The connection to a broker, opened by need. */
  async connection(nodeId: number, lane: Lane = 'main'): Promise<BrokerConnection> {
    const key = `${nodeId}:${lane}`
    const slot = this.#slots.get(key)
    if (slot?.connection?.isOpen) return slot.connection
    let broker = this.metadata.broker(nodeId)
    if (!broker) {
      await this.refreshMetadata([])
      broker = this.metadata.broker(nodeId)
    }
    if (!broker)
      throw clientError('KAFKA_CLIENT_DISCONNECTED', `broker ${nodeId} is not in the cluster now`, {
        retriable: true,
      })
    return this.#open(key, broker)
  }

  /** An open connection to a broker, without waiting; undefined where there is none yet. */
  openConnection(nodeId: number, lane: Lane = 'main'): BrokerConnection | undefined {
    const connection = this.#slots.get(`${nodeId}:${lane}`)?.connection
    return connection?.isOpen ? connection : undefined
  }

  async #anyConnection(): Promise<BrokerConnection> {
    for (const { connection } of this.#slots.values()) if (connection?.isOpen) return connection
    const candidates: readonly (BrokerAddress | BrokerMetadata)[] = [
      ...this.metadata.brokers,
      ...this.#bootstrap,
    ]
    let lastError: unknown
    for (const candidate of candidates) {
      const key =
        'nodeId' in candidate
          ? `${candidate.nodeId}:main`
          : `bootstrap:${candidate.host}:${candidate.port}`
      try {
        return await this.#open(key, candidate)
      } catch (error) {
        if (!(error instanceof KafkaClientError) || !error.retriable) throw error
        lastError = error
      }
    }
    throw lastError
  }

  #open(key: string, address: BrokerAddress): Promise<BrokerConnection> {
    if (this.#isClosed) return Promise.reject(closedError())
    const known = this.#slots.get(key)
    if (known && (known.connection === undefined || known.connection.isOpen)) return known.opening
    const where = `${address.host}:${address.port}`
    const failure = this.#failures.get(where)
    const waitMs = failure ? failure.untilMs - performance.now() : 0
    if (waitMs > 0)
      return Promise.reject(
        clientError('KAFKA_CLIENT_DISCONNECTED', `${where} was not reachable a moment ago`, {
          retriable: true,
        }),
      )
    const slot: ConnectionSlot = {
      opening: BrokerConnection.open(address, this.options).then(
        (connection) => {
          this.#failures.delete(where)
          slot.connection = connection
          connection.onClose(() => {
            if (this.#slots.get(key) === slot) this.#slots.delete(key)
          })
          if (this.#isClosed) connection.close()
          return connection
        },
        (error: unknown) => {
          if (this.#slots.get(key) === slot) this.#slots.delete(key)
          const count = (this.#failures.get(where)?.count ?? 0) + 1
          const backoff = {
            initialMs: this.options['reconnect.backoff.ms'],
            maxMs: this.options['reconnect.backoff.max.ms'],
          }
          this.#failures.set(where, {
            count,
            untilMs: performance.now() + backoffMs(backoff, count),
          })
          throw error
        },
      ),
    }
    this.#slots.set(key, slot)
    return slot.opening
  }

  // ---- Metadata

  /** Asks for metadata of `topics` (`null`: of all), together with what others ask for meanwhile. */
  async refreshMetadata(topics: readonly string[] | null): Promise<void> {
    if (topics === null) {
      await this.#fetchMetadata(null)
      return
    }
    for (const topic of topics) this.#wanted.add(topic)
    // A request under way was sent before these topics were wanted: all who come now share the next.
    this.#nextRefresh ??= (this.#refreshing ?? Promise.resolve())
      .catch(() => {})
      .then(() => {
        const wanted = [...this.#wanted]
        this.#wanted = new Set()
        this.#nextRefresh = undefined
        this.#refreshing = this.#fetchMetadata(wanted)
        return this.#refreshing
      })
    await this.#nextRefresh
  }

  async #fetchMetadata(names: readonly string[] | null): Promise<void> {
    const response = await this.requestAny(metadataApi, {
      topics: names === null ? null : names.map((name) => ({ name })),
      allowAutoTopicCreation: this.#createsTopics,
    })
    this.metadata.update(response, performance.now(), names === null)
  }

  /**
   * The metadata of a topic, fetched where it is not known or too old.
   *
   * @throws KafkaClientError `KAFKA_UNKNOWN_TOPIC_OR_PARTITION` and others that the broker answers
   */
  async topic(
    name: string,
    options: { timeoutMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<TopicMetadata> {
    const known = this.metadata.topic(name)
    const maxAgeMs = this.options['metadata.max.age.ms']
    if (known && performance.now() - known.updatedMs < maxAgeMs) return known
    return this.retrying(
      `metadata of topic ${name}`,
      async () => {
        await this.refreshMetadata([name])
        const found = this.metadata.topic(name)
        if (found) return found
        const errorCode = this.metadata.errorOf(name) || ErrorCode.unknownTopicOrPartition
        throw brokerError(errorCode, `topic ${name}`, { topic: name })
      },
      options,
    )
  }

  /** The leader of a partition; fetched anew where there was none. One attempt. */
  async leader(topic: string, partition: number): Promise<number> {
    let found = this.metadata.topic(topic)?.partitions[partition]
    if (found === undefined || found.leaderId < 0) {
      await this.refreshMetadata([topic])
      found = this.metadata.topic(topic)?.partitions[partition]
    }
    if (found !== undefined && found.leaderId >= 0) return found.leaderId
    const errorCode =
      this.metadata.errorOf(topic) ||
      (found ? ErrorCode.leaderNotAvailable : ErrorCode.unknownTopicOrPartition)
    throw brokerError(errorCode, `leader of ${topic}-${partition}`, { topic, partition })
  }

  // ---- Coordinators

  /** The node that coordinates a group or a transactional id. One attempt. */
  coordinator(type: CoordinatorType, key: string): Promise<number> {
    const id = `${type}:${key}`
    const known = this.#coordinators.get(id)
    if (known) return known
    const finding = this.#findCoordinator(type, key)
    this.#coordinators.set(id, finding)
    finding.catch(() => {
      if (this.#coordinators.get(id) === finding) this.#coordinators.delete(id)
    })
    return finding
  }

  /** Forgets a coordinator, after an error that shows it to be another one, or unreachable. */
  forgetCoordinator(type: CoordinatorType, key: string): void {
    this.#coordinators.delete(`${type}:${key}`)
  }

  /** Sends a request to a coordinator; forgets the coordinator where the answer asks for that. */
  async requestCoordinator<Request, Response>(
    type: CoordinatorType,
    key: string,
    api: Api<Request, Response>,
    value: Request,
    options: RequestOptions & { lane?: Lane } = {},
  ): Promise<Response> {
    const nodeId = await this.coordinator(type, key)
    try {
      return await this.request(nodeId, api, value, options)
    } catch (error) {
      if (error instanceof KafkaClientError && error.retriable) this.forgetCoordinator(type, key)
      throw error
    }
  }

  /** The error for a code that a coordinator answered; the coordinator is forgotten where it moved. */
  coordinatorError(
    type: CoordinatorType,
    key: string,
    errorCode: number,
    what: string,
  ): KafkaClientError {
    if (errorInfo(errorCode).staleMetadata) this.forgetCoordinator(type, key)
    return brokerError(errorCode, what, { [type]: key })
  }

  async #findCoordinator(type: CoordinatorType, key: string): Promise<number> {
    const keyType = type === 'group' ? 0 : 1
    const connection = await this.#anyConnection()
    const isBatched = connection.versionOf(findCoordinatorApi as Api<never, unknown>) >= 4
    const response = await connection.request(findCoordinatorApi, {
      keyType,
      ...(isBatched ? { coordinatorKeys: [key] } : { key }),
    })
    const found = isBatched ? response.coordinators[0] : response
    const errorCode = found?.errorCode ?? ErrorCode.coordinatorNotAvailable
    if (!found || errorCode !== 0)
      throw brokerError(errorCode, `coordinator of ${type} ${key}`, { [type]: key })
    if (!this.metadata.broker(found.nodeId)) await this.refreshMetadata([])
    return found.nodeId
  }
}

const closedError = (): KafkaClientError =>
  clientError('KAFKA_CLIENT_CLOSED', 'the Kafka client is closed')
