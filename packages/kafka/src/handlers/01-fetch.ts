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
  type FetchTopic,
  type PartitionDataInput,
} from '@khlong/kafka-protocol/messages/fetch'
import { readBatchHeader } from '@khlong/kafka-protocol/records'
import type { PartitionLog } from '../log/partition-log.ts'
import { abortedTransactions } from '../log/segment-read.ts'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import type { Topic } from '../state/topic.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

const readCommitted = 1
const batchPrefixBytes = 12

/** A fetch that finds no memory for its answer waits so long at least, and is answered without records then. */
const roomWaitMs = 10_000

/** A partition's log, and how often it had changed when it was read. */
interface Seen {
  readonly log: PartitionLog
  readonly changeCount: number
}

interface Gathered {
  readonly responses: readonly FetchableTopicResponseInput[]
  /** Of all batches. */
  readonly byteCount: number
  readonly hasError: boolean
  /** There is more that was not taken, for a limit of the client's or for lack of memory: nothing is gained by waiting. */
  readonly isCut: boolean
  /** What must be free before anything can be read. */
  readonly missingBytes: number
  readonly seen: readonly Seen[]
}

export const fetch: Handler = defineHandler({
  key: ApiKey.fetch,
  decode: decodeFetchRequest,
  encode: encodeFetchResponse,
  async handle(request, context) {
    const { broker, room, signal } = context
    const { clock } = broker
    const { errorCode, session, isFull } = broker.fetchSessions.of(request, context.version >= 13)
    if (errorCode !== ErrorCode.none) return { errorCode, sessionId: 0, responses: [] }
    const untilMs = clock.monotonicMs() + request.maxWaitMs
    const roomUntilMs = clock.monotonicMs() + Math.max(request.maxWaitMs, roomWaitMs)
    for (;;) {
      const gathered = await gather(session?.wanted() ?? request.topics, request, context)
      const isStarved = gathered.missingBytes > 0 && gathered.byteCount === 0
      const waitMs = (isStarved ? roomUntilMs : untilMs) - clock.monotonicMs()
      if (isEnough(gathered, request, context) || waitMs <= 0 || signal.aborted) {
        room.settle(room.lentBytes)
        countOut(gathered.responses, context)
        // The first answer of a session says everything, the later ones what is new.
        const changed = session?.changed(gathered.responses)
        const responses = changed && !isFull ? changed : gathered.responses
        return { sessionId: session?.id ?? 0, responses }
      }
      // Who waits holds nothing.
      room.empty()
      if (isStarved) await room.wait(gathered.missingBytes, waitMs, signal)
      else await nextRecords(gathered.seen, context, waitMs)
    }
  },
})

/** Whether the client is answered at once. */
function isEnough(
  { byteCount, hasError, isCut, missingBytes, seen }: Gathered,
  { minBytes, maxBytes }: FetchRequest,
  { broker }: RequestContext,
): boolean {
  if (hasError || seen.length === 0 || (isCut && byteCount > 0)) return true
  // As Kafka: more than may be answered is not waited for.
  const wanted = Math.min(minBytes, Math.max(maxBytes, 1), broker.options['fetch.max.bytes'])
  return byteCount >= wanted && missingBytes === 0
}

async function gather(
  topics: readonly FetchTopic[],
  request: FetchRequest,
  context: RequestContext,
): Promise<Gathered> {
  const { broker, room } = context
  const isCommitted = request.isolationLevel === readCommitted
  let rest = Math.min(request.maxBytes, broker.options['fetch.max.bytes'])
  let byteCount = 0
  let hasError = false
  let isCut = false
  let missingBytes = 0
  const isThereRoom = (bytes: number): boolean => {
    if (room.ensure(room.lentBytes + bytes)) return true
    isCut = true
    missingBytes = Math.max(missingBytes, bytes)
    return false
  }
  // One batch is given whatever its size, as in Kafka, where there is memory for it.
  const isLargerTaken = (bytes: number): boolean => byteCount === 0 && isThereRoom(bytes)
  const seen: Seen[] = []
  const responses: FetchableTopicResponseInput[] = []
  for (const wanted of topics) {
    const topic =
      context.version >= 13
        ? broker.topicsById.get(wanted.topicId)
        : broker.topics.get(wanted.topic)
    const partitions: PartitionDataInput[] = []
    for (const partition of wanted.partitions) {
      const log = topic?.partitions[partition.partition]
      const refusal = refusalOf(context, topic, wanted.topic, log, partition)
      if (refusal !== ErrorCode.none || !log) {
        hasError = true
        partitions.push(failed(partition, refusal, log))
        continue
      }
      seen.push({ log, changeCount: log.changeCount })
      try {
        const { fetchOffset } = partition
        const { lastStableOffset } = log
        const limitOffset = isCommitted ? lastStableOffset : log.highWatermark
        let limit = Math.min(partition.partitionMaxBytes, rest)
        if (byteCount === 0) limit = Math.max(limit, 1)
        const { readBytesMax } = room
        if (limit > readBytesMax) {
          limit = readBytesMax
          isCut ||= fetchOffset < limitOffset
        }
        let records: readonly Buffer[] = []
        const mayRead = fetchOffset >= limitOffset || limit <= 0 || isThereRoom(limit)
        if (mayRead) {
          const reading = log.read(fetchOffset, limit, room, { limitOffset, isLargerTaken })
          records = reading instanceof Promise ? await reading : reading
          for (const part of records) {
            byteCount += part.byteLength
            rest -= part.byteLength
          }
          room.settle(Math.max(room.lentBytes, room.heldBytes))
          if (request.minBytes > 1 && records.length > 0)
            isCut ||= endOffsetOf(records) < limitOffset
        }
        partitions.push({
          partitionIndex: partition.partition,
          highWatermark: log.highWatermark,
          lastStableOffset,
          logStartOffset: log.logStartOffset,
          abortedTransactions: isCommitted ? aborted(log, fetchOffset, records) : null,
          records,
        })
      } catch (error) {
        hasError = true
        partitions.push(failed(partition, wireError(error), log))
      }
    }
    responses.push({ topic: wanted.topic, topicId: wanted.topicId, partitions })
  }
  return { responses, byteCount, hasError, isCut, missingBytes, seen }
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
