import { BufferPool } from '@khlong/core/bytes'
import { ErrorCode, errorInfo } from '@khlong/kafka-protocol'
import type { FetchResponse } from '@khlong/kafka-protocol/messages/fetch'
import { backoffMs } from './backoff.ts'
import { fetchApi } from './consumer-apis.ts'
import { asClientError, brokerError, clientError, type KafkaClientError } from './errors.ts'
import { FetchLease } from './fetch-lease.ts'
import { fetchRequestOf } from './fetch-request.ts'
import { endOffsetOf, FetchState } from './fetch-state.ts'
import { FetchedChunk, type RawBatch } from './fetched-chunk.ts'
import { KafkaClient, type Lane } from './kafka-client.ts'
import { listOffsets, type OffsetSpec } from './offsets.ts'
import {
  clientOptionsOf,
  type FetcherOptions,
  type KafkaClientContext,
  type ResolvedFetcherOptions,
  resolveFetcherOptions,
} from './options.ts'
import { PartitionReader } from './partition-reader.ts'
import type { PartitionBatches, PartitionProgress, PartitionRecords } from './polled.ts'
import type { ConsumerRecord, TopicPartition } from './record.ts'

/** What a fetcher is given beside its options. */
export interface FetcherContext extends KafkaClientContext {
  /** A client to share; it is not closed with the fetcher. */
  readonly client?: KafkaClient
}

/** A partition to read, and where from: an offset, an end, or a time by `{ timestamp }`. */
export interface FetchAssignment extends TopicPartition {
  readonly offset?: number | 'earliest' | 'latest' | { readonly timestamp: number } | undefined
}

const keyOf = (one: TopicPartition): string => `${one.partition}:${one.topic}`

/**
 * Reads assigned partitions: long polls to their leaders, ahead of the reader within
 * `prefetch.max.bytes`. Who assigns, and whether offsets are committed, is not its matter.
 */
export class Fetcher implements AsyncDisposable {
  readonly options: ResolvedFetcherOptions
  readonly client: KafkaClient
  readonly #ownsClient: boolean
  readonly #lane: Lane
  readonly #isCommitted: boolean
  readonly #memory: BufferPool
  #states = new Map<string, FetchState>()
  readonly #busyNodes = new Set<number>()
  #bufferedBytes = 0
  #isResolving = false
  #isPumpScheduled = false
  #timer: NodeJS.Timeout | undefined
  #errors: KafkaClientError[] = []
  #waiting: (() => void) | undefined
  #isWoken = false
  #isClosed = false

  constructor(options: FetcherOptions, context: FetcherContext = {}) {
    this.options = resolveFetcherOptions(options)
    this.#ownsClient = context.client === undefined
    this.client = context.client ?? new KafkaClient(clientOptionsOf(this.options), context)
    this.#lane = this.client.newLane('fetch')
    this.#isCommitted = this.options['isolation.level'] === 'read_committed'
    this.#memory = new BufferPool({
      // Two responses are ahead of the reader, and one is read.
      keptBytesMax: 2 * this.options['prefetch.max.bytes'],
      stepBytes: 64 * 1024,
      largeStepBytes: 512 * 1024,
      pooledBytesMin: 0,
    })
  }

  // ---- What is read

  /** The partitions that are read. */
  get assignment(): TopicPartition[] {
    return [...this.#states.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  /**
   * Reads exactly these partitions from now on. One that was read before goes on where it is unless
   * an offset is given; a new one without an offset begins as `auto.offset.reset` says.
   */
  assign(partitions: readonly FetchAssignment[]): void {
    const states = new Map<string, FetchState>()
    for (const one of partitions) {
      const key = keyOf(one)
      const known = this.#states.get(key)
      const state = known ?? new FetchState(one.topic, one.partition)
      states.set(key, state)
      if (one.offset !== undefined) this.#seek(state, one.offset)
      else if (!known) this.#reset(state)
    }
    for (const [key, state] of this.#states) if (!states.has(key)) this.#drop(state)
    this.#states = states
    this.#pump()
  }

  /** Goes on from another place. What was fetched ahead of the old one is dropped. */
  seek(partition: TopicPartition, offset: NonNullable<FetchAssignment['offset']>): void {
    this.#seek(this.#need(partition), offset)
    this.#pump()
  }
  /** The offset behind what `poll` gave; undefined while it is not known yet. */
  position(partition: TopicPartition): number | undefined {
    const position = this.#states.get(keyOf(partition))?.position ?? -1
    return position < 0 ? undefined : position
  }
  /** Records that were there at the last fetch and are not given yet; undefined before the first. */
  lag(partition: TopicPartition): number | undefined {
    const state = this.#states.get(keyOf(partition))
    if (!state || state.highWatermark < 0 || state.position < 0) return undefined
    return Math.max(0, state.highWatermark - state.position)
  }
  /** Stops giving and fetching these partitions; their places are kept. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const one of partitions) this.#need(one).isPaused = true
  }
  resume(partitions: readonly TopicPartition[]): void {
    for (const one of partitions) this.#need(one).isPaused = false
    this.#wake()
    this.#pump()
  }
  get paused(): TopicPartition[] {
    return this.assignment.filter((one) => this.#states.get(keyOf(one))?.isPaused)
  }

  // ---- Reading

  /**
   * The next records, at most `max.poll.records`, by partition; empty after `timeoutMs` without any.
   *
   * @throws KafkaClientError `KAFKA_CLIENT_NO_OFFSET` with `auto.offset.reset=none`, or what a broker
   *   answered that no repetition mends; the next call goes on behind it
   */
  async poll(timeoutMs = 1_000): Promise<PartitionRecords[]> {
    return this.#await(timeoutMs, () => {
      const results: PartitionRecords[] = []
      let left = this.options['max.poll.records']
      this.#take((state, chunk) => {
        const records: ConsumerRecord[] = []
        let failure: KafkaClientError | undefined
        try {
          chunk.read(records, left)
        } catch (cause) {
          failure = this.#unreadable(chunk, cause)
        }
        if (records.length > 0) results.push({ ...this.#progress(state, chunk), records })
        left -= records.length
        return this.#goesOn(results, failure) && left > 0
      })
      return results
    })
  }

  /** The next batches, as they are stored, by partition; empty after `timeoutMs` without any. */
  async pollBatches(timeoutMs = 1_000): Promise<PartitionBatches[]> {
    return this.#await(timeoutMs, () => {
      const results: PartitionBatches[] = []
      this.#take((state, chunk) => {
        const { batches, failure } = this.#batchesOf(chunk)
        if (batches.length > 0) {
          let lease = chunk.holdLease()
          const release = (): void => {
            lease?.release()
            lease = undefined
          }
          results.push({ ...this.#progress(state, chunk), batches, release })
        }
        return this.#goesOn(results, failure)
      })
      return results
    })
  }

  /**
   * The next records, by partition, to be read in place; empty after `timeoutMs` without any. A partition gives all
   * that one fetch brought of it; others follow while that is less than `max.poll.records`.
   */
  async pollReaders(timeoutMs = 1_000): Promise<PartitionReader[]> {
    return this.#await(timeoutMs, () => {
      const results: PartitionReader[] = []
      let left = this.options['max.poll.records']
      this.#take((state, chunk) => {
        const fromOffset = chunk.position
        const { batches, failure } = this.#batchesOf(chunk)
        if (batches.length === 0) return this.#goesOn(results, failure)
        const progress = this.#progress(state, chunk)
        try {
          const reader = new PartitionReader({
            ...progress,
            batches,
            fromOffset,
            lease: chunk.holdLease(),
          })
          if (reader.count > 0) results.push(reader)
          left -= reader.count
        } catch (cause) {
          return this.#goesOn(results, failure ?? this.#unreadable(chunk, cause))
        }
        return this.#goesOn(results, failure) && left > 0
      })
      return results
    })
  }

  /** The batches of a chunk, up to one that cannot be read. */
  #batchesOf(chunk: FetchedChunk): { batches: RawBatch[]; failure: KafkaClientError | undefined } {
    const batches: RawBatch[] = []
    try {
      for (const batch of chunk.rawBatches()) batches.push(batch)
      return { batches, failure: undefined }
    } catch (cause) {
      return { batches, failure: this.#unreadable(chunk, cause) }
    }
  }

  /** Whether more is read; what was read before a failure is given first. */
  #goesOn(results: readonly unknown[], failure: KafkaClientError | undefined): boolean {
    if (!failure) return true
    if (results.length === 0) throw failure
    this.#errors.push(failure)
    return false
  }

  /** Ends a `poll` that waits; it gives what it has. */
  wakeUp(): void {
    this.#isWoken = true
    this.#wake()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const state of this.#states.values()) this.#drop(state)
    this.#states.clear()
    this.wakeUp()
    if (this.#ownsClient) await this.client.close()
    else this.client.closeLane(this.#lane)
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ---- Giving

  async #await<Result>(timeoutMs: number, read: () => Result[]): Promise<Result[]> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      if (this.#isClosed) throw clientError('KAFKA_CLIENT_CLOSED', 'the fetcher is closed')
      const error = this.#errors.shift()
      if (error) throw error
      const results = read()
      this.#pump()
      const waitMs = deadline - performance.now()
      if (results.length > 0 || waitMs <= 0 || this.#isWoken) {
        this.#isWoken = false
        return results
      }
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
        timer = setTimeout(resolve, waitMs)
      })
      clearTimeout(timer)
      this.#waiting = undefined
    }
  }

  #wake(): void {
    this.#waiting?.()
  }

  /** Gives chunks to `read` until it has enough; partitions take turns from call to call. */
  #take(read: (state: FetchState, chunk: FetchedChunk) => boolean): void {
    for (const [key, state] of [...this.#states]) {
      if (state.isPaused || state.chunks.length === 0) continue
      let goesOn = true
      while (goesOn && state.chunks.length > 0) {
        const chunk = state.chunks[0]!
        goesOn = read(state, chunk)
        state.position = Math.max(state.position, chunk.position)
        if (!chunk.isEnded && !goesOn) break
        this.#bufferedBytes -= state.shift()
      }
      this.#states.delete(key)
      this.#states.set(key, state)
      if (!goesOn) return
    }
  }

  #progress(state: FetchState, chunk: FetchedChunk): PartitionProgress {
    const { topic, partition, highWatermark } = state
    return { topic, partition, highWatermark, nextOffset: chunk.position }
  }

  #unreadable({ topic, partition, position }: FetchedChunk, cause: unknown): KafkaClientError {
    return clientError(
      'KAFKA_CLIENT_MALFORMED_RESPONSE',
      `records of ${topic}-${partition} from offset ${position} cannot be read`,
      { cause, fields: { topic, partition, offset: position } },
    )
  }

  // ---- Places

  #need(partition: TopicPartition): FetchState {
    const state = this.#states.get(keyOf(partition))
    if (state) return state
    throw clientError(
      'KAFKA_CLIENT_INVALID_STATE',
      `${partition.topic}-${partition.partition} is not assigned`,
    )
  }

  #seek(state: FetchState, offset: NonNullable<FetchAssignment['offset']>): void {
    this.#bufferedBytes -= state.bufferedBytes
    if (typeof offset === 'number') state.seek(offset, true)
    else state.seek(typeof offset === 'string' ? offset : offset.timestamp, false)
  }

  #reset(state: FetchState): void {
    const policy = this.options['auto.offset.reset']
    if (policy !== 'none') {
      this.#seek(state, policy)
      return
    }
    const { topic, partition, fetchOffset } = state
    this.#seek(state, 'latest')
    state.reset = undefined
    this.#errors.push(
      clientError(
        'KAFKA_CLIENT_NO_OFFSET',
        `${topic}-${partition} has no record at offset ${fetchOffset}, and auto.offset.reset is none`,
        { fields: { topic, partition, offset: fetchOffset } },
      ),
    )
    this.#wake()
  }

  #drop(state: FetchState): void {
    this.#bufferedBytes -= state.bufferedBytes
    state.seek(-1, true)
  }

  /** Finds the offsets of those places that are an end or a time. */
  async #resolve(states: readonly FetchState[]): Promise<void> {
    this.#isResolving = true
    const wanted = states.map((state) => ({ state, epoch: state.epoch, spec: state.reset! }))
    try {
      const found = await listOffsets(
        this.client,
        wanted.map(({ state, spec }) => ({
          topic: state.topic,
          partition: state.partition,
          spec,
        })),
        { isCommitted: this.#isCommitted },
      )
      const beyond: FetchState[] = []
      for (const [index, { state, epoch }] of wanted.entries()) {
        if (state.epoch !== epoch) continue
        const { offset } = found[index]!
        // No record is as new as the time asked for: then the end is meant.
        if (offset < 0) {
          state.reset = 'latest'
          beyond.push(state)
        } else state.seek(offset, true)
      }
    } catch (error) {
      if (!this.#isClosed) {
        const known = asClientError(error)
        for (const { state } of wanted) this.#backOff(state)
        if (!known.retriable) {
          this.#errors.push(known)
          this.#wake()
        }
      }
    } finally {
      this.#isResolving = false
      this.#pump()
    }
  }

  #backOff(state: FetchState): void {
    state.failures++
    state.pausedUntilMs = performance.now() + backoffMs(this.client.backoff, state.failures)
  }

  // ---- Fetching

  #pump(): void {
    if (this.#isPumpScheduled || this.#isClosed) return
    this.#isPumpScheduled = true
    queueMicrotask(() => {
      this.#isPumpScheduled = false
      this.#fetchAll()
    })
  }

  #fetchAll(): void {
    if (this.#isClosed) return
    const nowMs = performance.now()
    const unresolved: FetchState[] = []
    const byNode = new Map<number, FetchState[]>()
    const fullNodes = new Set<number>()
    const bufferedMax = 2 * this.options['max.partition.fetch.bytes']
    let wakeMs = Number.POSITIVE_INFINITY
    /** Whether the reader has something to go on with. */
    let hasData = false
    for (const state of this.#states.values()) {
      if (state.pausedUntilMs > nowMs) {
        wakeMs = Math.min(wakeMs, state.pausedUntilMs)
        continue
      }
      if (state.fetchOffset < 0) {
        if (state.reset !== undefined) unresolved.push(state)
        continue
      }
      if (state.isPaused) continue
      if (state.chunks.length > 0) hasData = true
      const found = this.client.metadata.topic(state.topic)?.partitions[state.partition]
      if (found === undefined || found.leaderId < 0) {
        void this.#findLeader(state)
        wakeMs = Math.min(wakeMs, state.pausedUntilMs)
        continue
      }
      // A long poll for the others alone would hold this one up when the reader has come after it.
      if (state.bufferedBytes >= bufferedMax) fullNodes.add(found.leaderId)
      const list = byNode.get(found.leaderId)
      if (list) list.push(state)
      else byNode.set(found.leaderId, [state])
    }
    if (unresolved.length > 0 && !this.#isResolving) void this.#resolve(unresolved)
    const prefetchMax = this.options['prefetch.max.bytes']
    const room = prefetchMax - this.#bufferedBytes
    // While one response is read the next one is fetched, of every broker.
    const requestMax = Math.min(
      this.options['fetch.max.bytes'],
      Math.ceil(prefetchMax / 2 / byNode.size),
    )
    // What is fetched of paused partitions must not keep the others from being read.
    if (room >= requestMax / 2 || !hasData)
      for (const [nodeId, states] of byNode)
        if (!fullNodes.has(nodeId) && !this.#busyNodes.has(nodeId))
          void this.#fetch(nodeId, states, requestMax)
    clearTimeout(this.#timer)
    if (wakeMs !== Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#fetchAll(), Math.max(1, wakeMs - nowMs))
  }

  async #findLeader(state: FetchState): Promise<void> {
    this.#backOff(state)
    try {
      await this.client.leader(state.topic, state.partition)
      state.failures = 0
      state.pausedUntilMs = 0
      this.#pump()
    } catch (error) {
      const known = asClientError(error)
      if (known.retriable || this.#isClosed) return
      this.#errors.push(known)
      this.#wake()
    }
  }

  async #fetch(nodeId: number, states: readonly FetchState[], maxBytes: number): Promise<void> {
    this.#busyNodes.add(nodeId)
    const lease = new FetchLease(this.#memory)
    const asked = new Map<string, { state: FetchState; epoch: number; offset: number }>()
    for (const state of states)
      asked.set(keyOf(state), { state, epoch: state.epoch, offset: state.fetchOffset })
    try {
      const response = await this.client.request(
        nodeId,
        fetchApi,
        fetchRequestOf(states, maxBytes, this.options),
        {
          lane: this.#lane,
          memory: lease,
          timeoutMs: this.options['request.timeout.ms'] + this.options['fetch.max.wait.ms'],
        },
      )
      this.#receive(response, asked, lease)
    } catch (error) {
      for (const { state } of asked.values()) this.#backOff(state)
      const known = asClientError(error)
      if (!this.#isClosed && !known.retriable) {
        this.#errors.push(known)
        this.#wake()
      } else if (!this.#isClosed)
        this.client
          .refreshMetadata([...new Set(states.map((state) => state.topic))])
          .catch(() => {})
    } finally {
      lease.release()
      this.#busyNodes.delete(nodeId)
      this.#pump()
    }
  }

  #receive(
    response: FetchResponse,
    asked: ReadonlyMap<string, { state: FetchState; epoch: number; offset: number }>,
    lease: FetchLease,
  ): void {
    if (response.errorCode !== 0) throw brokerError(response.errorCode, 'fetching')
    let hasData = false
    for (const { topic, partitions } of response.responses)
      for (const found of partitions) {
        const one = asked.get(`${found.partitionIndex}:${topic}`)
        if (!one || one.state.epoch !== one.epoch) continue
        const { state } = one
        if (found.errorCode !== 0) {
          this.#onError(state, found.errorCode)
          continue
        }
        state.failures = 0
        state.highWatermark = this.#isCommitted ? found.lastStableOffset : found.highWatermark
        state.logStartOffset = found.logStartOffset
        const { records } = found
        if (records === null || records.byteLength === 0) continue
        const nextOffset = endOffsetOf(records)
        if (nextOffset < 0) continue
        const chunk = new FetchedChunk({
          topic,
          partition: state.partition,
          bytes: records,
          lease,
          position: one.offset,
          highWatermark: state.highWatermark,
          abortedTransactions: this.#isCommitted ? (found.abortedTransactions ?? []) : undefined,
          isChecked: this.options['check.crcs'],
        })
        state.push(chunk, Math.max(nextOffset, one.offset))
        this.#bufferedBytes += chunk.byteCount
        hasData = true
      }
    if (hasData) this.#wake()
  }

  #onError(state: FetchState, errorCode: number): void {
    const { topic, partition } = state
    if (errorCode === ErrorCode.offsetOutOfRange) {
      // What was fetched before is still given first; only then the reader is taken elsewhere.
      if (state.chunks.length === 0) this.#reset(state)
      return
    }
    this.#backOff(state)
    const { retriable, staleMetadata } = errorInfo(errorCode)
    if (staleMetadata) this.client.refreshMetadata([topic]).catch(() => {})
    if (retriable || errorCode === ErrorCode.unknownServerError) return
    this.#errors.push(brokerError(errorCode, `reading ${topic}-${partition}`, { topic, partition }))
    this.#wake()
  }
}

export type { OffsetSpec }
