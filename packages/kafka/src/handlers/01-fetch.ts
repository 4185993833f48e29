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
import type { AnswerBudget } from '../server/answer-budget.ts'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import type { Topic } from '../state/topic.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

const readCommitted = 1
const batchPrefixBytes = 12

interface Gathered {
  readonly responses: readonly FetchableTopicResponseInput[]
  /** Of all batches; the budget of answers counts them until they are let go or are an answer. */
  readonly byteCount: number
  readonly hasError: boolean
  readonly logs: readonly PartitionLog[]
}

export const fetch: Handler = defineHandler({
  key: ApiKey.fetch,
  decode: decodeFetchRequest,
  encode: encodeFetchResponse,
  async handle(request, context) {
    const { broker } = context
    const { errorCode, session, isFull } = broker.fetchSessions.of(request, context.version >= 13)
    if (errorCode !== ErrorCode.none) return { errorCode, sessionId: 0, responses: [] }
    const untilMs = context.broker.clock.monotonicMs() + request.maxWaitMs
    for (;;) {
      const gathered = await gather(session?.wanted() ?? request.topics, request, context)
      context.answers.release(gathered.byteCount)
      const isEnough =
        gathered.byteCount >= request.minBytes || gathered.hasError || gathered.logs.length === 0
      const waitMs = untilMs - context.broker.clock.monotonicMs()
      if (isEnough || waitMs <= 0 || context.signal.aborted) {
        countOut(gathered.responses, context)
        // The first answer of a session says everything, the later ones what is new.
        const changed = session?.changed(gathered.responses)
        const responses = changed && !isFull ? changed : gathered.responses
        return { sessionId: session?.id ?? 0, responses }
      }
      await nextRecords(gathered.logs, context, waitMs)
    }
  },
})

async function gather(
  topics: readonly FetchTopic[],
  request: FetchRequest,
  context: RequestContext,
): Promise<Gathered> {
  const { broker, answers } = context
  const isCommitted = request.isolationLevel === readCommitted
  let rest = Math.min(request.maxBytes, broker.options['fetch.max.bytes'])
  let byteCount = 0
  let hasError = false
  const logs: PartitionLog[] = []
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
      logs.push(log)
      try {
        // What is left for all may have become less since the partition before.
        const limit = Math.min(partition.partitionMaxBytes, rest, answers.answerBytesMax)
        const { fetchOffset } = partition
        const lastStableOffset = log.lastStableOffset
        const limitOffset = isCommitted ? lastStableOffset : log.highWatermark
        const reading = log.read(fetchOffset, limit, byteCount === 0, limitOffset)
        const records =
          reading instanceof Promise ? await reserved(answers, limit, reading) : reading
        let bytes = 0
        for (const part of records) bytes += part.byteLength
        answers.hold(bytes)
        rest -= bytes
        byteCount += bytes
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
  return { responses, byteCount, hasError, logs }
}

/**
 * A read from a file, whose memory is taken already: while it is under way the others must know, or a thousand
 * consumers that come at once are each told that there is room.
 */
async function reserved(
  answers: AnswerBudget,
  byteCount: number,
  reading: Promise<Buffer[]>,
): Promise<Buffer[]> {
  answers.hold(byteCount)
  try {
    return await reading
  } finally {
    answers.release(byteCount)
  }
}

/** The aborted transactions that a client must leave out of what it gets. */
function aborted(
  log: PartitionLog,
  fetchOffset: number,
  records: readonly Buffer[],
): readonly { producerId: bigint; firstOffset: number }[] {
  const last = records.at(-1)
  if (!last) return []
  let position = 0
  for (let next = 0; next < last.byteLength; ) {
    position = next
    next += last.readInt32BE(position + 8) + batchPrefixBytes
  }
  const endOffset = readBatchHeader(last, position).lastOffset + 1
  return abortedTransactions(log, fetchOffset, endOffset)
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
function nextRecords(
  logs: readonly PartitionLog[],
  context: RequestContext,
  waitMs: number,
): Promise<void> {
  const { clock } = context.broker
  return new Promise((resolve) => {
    const wake = (): void => {
      clock.clearTimer(timer)
      for (const log of logs) log.waiters.delete(wake)
      context.signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.setTimer(wake, waitMs)
    for (const log of logs) log.waiters.add(wake)
    context.signal.addEventListener('abort', wake)
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
