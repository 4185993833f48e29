// Fetch v4–18: 5 log start offset · 7 sessions (KIP-227) · 9 leader epoch · 11 rack · 12 flexible · 13
// topic ids · 15 replica state · 16 node endpoints. Left out: fetches of followers (there is no
// replication).
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeFetchRequest,
  encodeFetchResponse,
  type FetchableTopicResponseInput,
  type FetchPartition,
  type FetchRequest,
  type FetchResponseInput,
  type FetchTopic,
  type PartitionDataInput,
} from '@khlong/kafka-protocol/messages/fetch'
import { readBatchHeader } from '@khlong/kafka-protocol/records'
import type { PartitionLog } from '../log/partition-log.ts'
import { abortedTransactions } from '../log/segment-read.ts'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import type { FetchSession } from '../state/fetch-sessions.ts'
import type { Topic } from '../state/topic.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

const readCommitted = 1
const batchPrefixBytes = 12
const nothing: readonly Buffer[] = []

/** A fetch that finds no memory for its answer waits so long at least, and is answered without records then. */
const roomWaitMs = 10_000

/** A partition's log, and how often it had changed when it was read. */
interface Seen {
  readonly log: PartitionLog
  readonly changeCount: number
}

export const fetch: Handler = defineHandler({
  key: ApiKey.fetch,
  decode: decodeFetchRequest,
  encode: encodeFetchResponse,
  handle(request, context) {
    const { errorCode, session, isFull } = context.broker.fetchSessions.of(
      request,
      context.version >= 13,
    )
    if (errorCode !== ErrorCode.none) return { errorCode, sessionId: 0, responses: [] }
    const asked: Asked = { request, session, isFull, beganMs: context.broker.clock.monotonicMs() }
    const gathering = new Gathering(asked, context)
    const reading = gathering.run()
    if (reading || waitMsOf(gathering, asked, context) > 0)
      return later(gathering, reading, asked, context)
    return answer(gathering, asked, context)
  },
})

/** A fetch, and when it began. */
interface Asked {
  readonly request: FetchRequest
  readonly session: FetchSession | undefined
  readonly isFull: boolean
  readonly beganMs: number
}

/** For who reads from a file or waits for records: most fetches are answered at once, and need no promise. */
async function later(
  first: Gathering,
  reading: Promise<void> | undefined,
  asked: Asked,
  context: RequestContext,
): Promise<FetchResponseInput> {
  const { room, signal } = context
  let gathering = first
  await reading
  for (;;) {
    const waitMs = waitMsOf(gathering, asked, context)
    if (waitMs <= 0) return answer(gathering, asked, context)
    // Who waits holds nothing.
    room.empty()
    if (gathering.isStarved) await room.wait(gathering.missingBytes, waitMs, signal)
    else await nextRecords(gathering.seen, context, waitMs)
    gathering = new Gathering(asked, context)
    await gathering.run()
  }
}

/** How long a client may wait for more than was gathered; 0 where it is answered now. */
function waitMsOf(
  gathering: Gathering,
  { request, beganMs }: Asked,
  context: RequestContext,
): number {
  const { clock } = context.broker
  if (isEnough(gathering, request, context) || context.signal.aborted) return 0
  const { maxWaitMs } = request
  const wholeMs = gathering.isStarved ? Math.max(maxWaitMs, roomWaitMs) : maxWaitMs
  return Math.max(0, beganMs + wholeMs - clock.monotonicMs())
}

function answer(
  { responses }: Gathering,
  { session, isFull }: Asked,
  context: RequestContext,
): FetchResponseInput {
  const { room } = context
  room.settle(room.lentBytes)
  countOut(responses, context)
  // The first answer of a session says everything, the later ones what is new.
  const changed = session?.changed(responses)
  return {
    sessionId: session?.id ?? 0,
    responses: changed && !isFull ? changed : responses,
  }
}

/** Whether the client is answered at once. */
function isEnough(
  { byteCount, hasError, isCut, missingBytes, seen }: Gathering,
  { minBytes, maxBytes }: FetchRequest,
  { broker }: RequestContext,
): boolean {
  if (hasError || seen.length === 0 || (isCut && byteCount > 0)) return true
  // As Kafka: more than may be answered is not waited for.
  const wanted = Math.min(minBytes, Math.max(maxBytes, 1), broker.options['fetch.max.bytes'])
  return byteCount >= wanted && missingBytes === 0
}

/** One look at all that a fetch asks for. */
class Gathering {
  readonly responses: FetchableTopicResponseInput[] = []
  readonly seen: Seen[] = []
  /** Of all batches. */
  byteCount = 0
  hasError = false
  /** There is more that was not taken, for a limit of the client's or for lack of memory: nothing is gained by waiting. */
  isCut = false
  /** What must be free before anything can be read. */
  missingBytes = 0
  readonly #topics: readonly FetchTopic[]
  readonly #request: FetchRequest
  readonly #context: RequestContext
  readonly #isCommitted: boolean
  /** What the answer may still have. */
  #rest: number
  #topicIndex = 0
  #partitionIndex = 0
  /** Of the topic that is looked at. */
  #partitions: PartitionDataInput[] = []

  constructor({ request, session }: Asked, context: RequestContext) {
    this.#topics = session?.wanted() ?? request.topics
    this.#request = request
    this.#context = context
    this.#isCommitted = request.isolationLevel === readCommitted
    this.#rest = Math.min(request.maxBytes, context.broker.options['fetch.max.bytes'])
  }

  /** There was memory for nothing. */
  get isStarved(): boolean {
    return this.missingBytes > 0 && this.byteCount === 0
  }

  /** Looks at one partition after the other; a promise only where a file must be read. */
  run(): Promise<void> | undefined {
    const { broker, version } = this.#context
    for (; this.#topicIndex < this.#topics.length; this.#topicIndex++) {
      const wanted = this.#topics[this.#topicIndex]!
      const topic =
        version >= 13 ? broker.topicsById.get(wanted.topicId) : broker.topics.get(wanted.topic)
      while (this.#partitionIndex < wanted.partitions.length) {
        const partition = wanted.partitions[this.#partitionIndex++]!
        const log = topic?.partitions[partition.partition]
        const refusal = refusalOf(this.#context, topic, wanted.topic, log, partition)
        if (refusal !== ErrorCode.none || !log) {
          this.#fail(partition, refusal, log)
          continue
        }
        this.seen.push({ log, changeCount: log.changeCount })
        const reading = this.#read(partition, log)
        if (reading) return reading.then(() => this.run())
      }
      this.responses.push({
        topic: wanted.topic,
        topicId: wanted.topicId,
        partitions: this.#partitions,
      })
      this.#partitions = []
      this.#partitionIndex = 0
    }
    return undefined
  }

  #read(partition: FetchPartition, log: PartitionLog): Promise<void> | undefined {
    const { room } = this.#context
    const { fetchOffset } = partition
    try {
      const { lastStableOffset } = log
      const limitOffset = this.#isCommitted ? lastStableOffset : log.highWatermark
      if (fetchOffset === limitOffset) {
        this.#give(partition, log, lastStableOffset, nothing)
        return undefined
      }
      let limit = Math.min(partition.partitionMaxBytes, this.#rest)
      if (this.byteCount === 0) limit = Math.max(limit, 1)
      const { readBytesMax } = room
      if (limit > readBytesMax) {
        limit = readBytesMax
        this.isCut ||= fetchOffset < limitOffset
      }
      if (fetchOffset < limitOffset && limit > 0 && !this.#isThereRoom(limit)) {
        this.#give(partition, log, lastStableOffset, nothing)
        return undefined
      }
      const records = log.read(fetchOffset, limit, room, {
        limitOffset,
        // One batch is given whatever its size, as in Kafka, where there is memory for it.
        isLargerTaken: (bytes) => this.byteCount === 0 && this.#isThereRoom(bytes),
      })
      if (!(records instanceof Promise)) {
        this.#take(partition, log, lastStableOffset, limitOffset, records)
        return undefined
      }
      return records
        .then((read) => this.#take(partition, log, lastStableOffset, limitOffset, read))
        .catch((error) => this.#fail(partition, wireError(error), log))
    } catch (error) {
      this.#fail(partition, wireError(error), log)
      return undefined
    }
  }

  #isThereRoom(bytes: number): boolean {
    const { room } = this.#context
    if (room.ensure(room.lentBytes + bytes)) return true
    this.isCut = true
    this.missingBytes = Math.max(this.missingBytes, bytes)
    return false
  }

  /** Counts what was read. */
  #take(
    partition: FetchPartition,
    log: PartitionLog,
    lastStableOffset: number,
    limitOffset: number,
    records: readonly Buffer[],
  ): void {
    const { room } = this.#context
    for (const part of records) {
      this.byteCount += part.byteLength
      this.#rest -= part.byteLength
    }
    room.settle(Math.max(room.lentBytes, room.heldBytes))
    if (this.#request.minBytes > 1 && records.length > 0)
      this.isCut ||= endOffsetOf(records) < limitOffset
    this.#give(partition, log, lastStableOffset, records)
  }

  #give(
    { partition, fetchOffset }: FetchPartition,
    log: PartitionLog,
    lastStableOffset: number,
    records: readonly Buffer[],
  ): void {
    this.#partitions.push({
      partitionIndex: partition,
      highWatermark: log.highWatermark,
      lastStableOffset,
      logStartOffset: log.logStartOffset,
      abortedTransactions: this.#isCommitted ? aborted(log, fetchOffset, records) : null,
      records,
    })
  }

  #fail(partition: FetchPartition, errorCode: number, log: PartitionLog | undefined): void {
    this.hasError = true
    this.#partitions.push(failed(partition, errorCode, log))
  }
}

/** The aborted transactions that a client must leave out of what it gets. */
function aborted(
  log: PartitionLog,
  fetchOffset: number,
  records: readonly Buffer[],
): readonly { producerId: bigint; firstOffset: number }[] {
  return records.length === 0 ? [] : abortedTransactions(log, fetchOffset, endOffsetOf(records))
}

/** The offset behind the last of some batches. */
function endOffsetOf(records: readonly Buffer[]): number {
  const last = records.at(-1)!
  let position = 0
  for (let next = 0; next < last.byteLength; ) {
    position = next
    next += last.readInt32BE(position + 8) + batchPrefixBytes
  }
  return readBatchHeader(last, position).lastOffset + 1
}

function refusalOf(
  context: RequestContext,
  topic: Topic | undefined,
  name: string,
  log: PartitionLog | undefined,
  partition: FetchPartition,
): number {
  const topicName = topic?.name ?? name
  if (topicName !== '' && !mayTopic(context, AclOperation.read, topicName))
    return ErrorCode.topicAuthorizationFailed
  if (!topic)
    return context.version >= 13 ? ErrorCode.unknownTopicId : ErrorCode.unknownTopicOrPartition
  if (partition.partition < 0 || partition.partition >= topic.partitions.length)
    return ErrorCode.unknownTopicOrPartition
  if (!log) return ErrorCode.kafkaStorageError
  return epochError(log, partition.currentLeaderEpoch)
}

/** What a client hears that knows another leader epoch than the partition's. */
export function epochError(log: PartitionLog, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === log.leaderEpoch) return ErrorCode.none
  return currentLeaderEpoch < log.leaderEpoch
    ? ErrorCode.fencedLeaderEpoch
    : ErrorCode.unknownLeaderEpoch
}

function failed(
  partition: FetchPartition,
  errorCode: number,
  log: PartitionLog | undefined,
): PartitionDataInput {
  return {
    partitionIndex: partition.partition,
    errorCode,
    highWatermark: log?.highWatermark ?? -1,
    lastStableOffset: -1,
    logStartOffset: log?.logStartOffset ?? -1,
    abortedTransactions: null,
    records: [],
  }
}

/** Resolves when one of the logs has more to read, the time is over, or the client is gone. */
async function nextRecords(
  seen: readonly Seen[],
  { broker, signal }: RequestContext,
  waitMs: number,
): Promise<void> {
  // A read of one partition takes its time, in which another one that was found empty may have got records.
  if (signal.aborted || seen.some(({ log, changeCount }) => log.changeCount !== changeCount)) return
  const { clock } = broker
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      clock.clearTimer(timer)
      for (const { log } of seen) log.waiters.delete(wake)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.setTimer(wake, waitMs)
    for (const { log } of seen) log.waiters.add(wake)
    signal.addEventListener('abort', wake)
  })
}

/** Counts what goes out, from the batches' headers. */
function countOut(
  responses: readonly FetchableTopicResponseInput[],
  context: RequestContext,
): void {
  for (const { topic: name, topicId, partitions } of responses) {
    const topic =
      context.version >= 13
        ? context.broker.topicsById.get(topicId ?? '')
        : context.broker.topics.get(name ?? '')
    if (!topic) continue
    for (const { records } of partitions)
      for (const part of (records ?? []) as readonly Buffer[])
        for (let at = 0; at + 61 <= part.byteLength; at += part.readInt32BE(at + 8) + 12)
          topic.recordsOut += part.readInt32BE(at + 57)
  }
}
