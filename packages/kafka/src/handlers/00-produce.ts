// Produce v3–13: 3 record batches v2 · 5 log start offset · 8 record errors · 9 flexible · 10 current
// leader · 12 adds its partitions to the transaction · 13 topic ids. Versions 0–2 are listed, as Kafka 4
// does, and refused when used.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type BatchIndexAndErrorMessageInput,
  decodeProduceRequest,
  encodeProduceResponse,
  type PartitionProduceData,
  type ProduceRequest,
  type ProduceResponseInput,
} from '@khlong/kafka-protocol/messages/produce'
import type { BatchHeader } from '@khlong/kafka-protocol/records'
import { KafkaError, RefusedRecordsError } from '../errors.ts'
import type { CommitRound } from '../log/commit-round.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { isInternalTopic, type Topic } from '../state/topic.ts'
import { mayTopic, mayTransact } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

/** Of a batch: where its attributes stand, and which of their bits says that it is transactional. */
const attributesPosition = 21
const transactionalBit = 0x10

interface PartitionResponse {
  index: number
  errorCode: number
  baseOffset: number
  logAppendTimeMs: number
  logStartOffset: number
  recordErrors: BatchIndexAndErrorMessageInput[]
  errorMessage: string | null
}

interface Appended {
  readonly log: PartitionLog
  readonly response: PartitionResponse
}

export const produce: Handler = defineHandler({
  key: ApiKey.produce,
  decode: decodeProduceRequest,
  encode: encodeProduceResponse,
  handle(request, context) {
    const appended: Appended[] = []
    const { committer } = context.broker.logs
    const mayWrite = mayWriteTransaction(request, context)
    const responses = request.topicData.map((data) => {
      const topic =
        context.version >= 13
          ? context.broker.topicsById.get(data.topicId)
          : context.broker.topics.get(data.name)
      return {
        name: data.name,
        topicId: data.topicId,
        partitionResponses: data.partitionData.map((partition) =>
          appendPartition(request, context, topic, data.name, partition, appended, mayWrite),
        ),
      }
    })
    let round: CommitRound | undefined
    for (const { log } of appended) round = committer.enqueue(log)
    // Batches are written as they lie in the request, whether its client waits for that or not.
    if (round) void context.memory?.holdUntil(round.flushed)
    if (request.acks === 0) {
      const failed = responses.some((topic) => topic.partitionResponses.some((p) => p.errorCode))
      // There is no other way to tell such a producer (as Kafka does).
      if (failed)
        throw new KafkaError('KAFKA_RECORD_INVALID', 'a produce request with acks=0 failed')
      return undefined
    }
    const response = { responses }
    return round ? settle(request.acks, context, round, appended, response) : response
  },
})

function appendPartition(
  request: ProduceRequest,
  context: RequestContext,
  topic: Topic | undefined,
  name: string,
  data: PartitionProduceData,
  appended: Appended[],
  mayWrite: boolean,
): PartitionResponse {
  const response: PartitionResponse = {
    index: data.index,
    errorCode: ErrorCode.none,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage: null,
  }
  const refusal = mayWrite
    ? refusalOf(request, context, topic, name, data.index)
    : ErrorCode.transactionalIdAuthorizationFailed
  if (refusal !== ErrorCode.none || !topic) {
    response.errorCode = refusal
    return response
  }
  const log = topic.partitions[data.index]
  if (!log || !data.records) {
    response.errorCode = log ? ErrorCode.invalidRecord : ErrorCode.kafkaStorageError
    return response
  }
  if (request.acks === -1 && log.config.minInSyncReplicas > 1) {
    response.errorCode = ErrorCode.notEnoughReplicas
    return response
  }
  try {
    const result = log.append(data.records, 'client', verifier(request, context, log))
    response.baseOffset = result.baseOffset
    response.logAppendTimeMs = result.logAppendTimeMs
    response.logStartOffset = log.logStartOffset
    if (!result.isDuplicate) topic.recordsIn += result.recordCount
    // A repeated batch may still be on its way to the disk: its answer waits for the round too.
    appended.push({ log, response })
  } catch (error) {
    response.errorCode = wireError(error)
    response.errorMessage = wireMessage(error)
    if (error instanceof RefusedRecordsError) {
      response.logStartOffset = log.logStartOffset
      for (const { batchIndex, reason } of error.records)
        response.recordErrors.push({ batchIndex, batchIndexErrorMessage: reason })
    }
  }
  return response
}

/** Refuses batches that do not belong to the transaction of the request. */
function verifier(
  { transactionalId }: ProduceRequest,
  { broker, version }: RequestContext,
  { identity }: PartitionLog,
): (header: BatchHeader) => void {
  if (transactionalId === null) return refuseTransactional
  return (header) => {
    if (!header.isTransactional) return
    // Clients of the second transaction protocol do not ask for it beforehand.
    if (version >= 12) broker.transactions.add(transactionalId, header, [identity])
    broker.transactions.verify(transactionalId, header, identity)
  }
}

/** Only batches that are transactional need the right to the id, and then the whole request does. */
function mayWriteTransaction(
  { transactionalId, topicData }: ProduceRequest,
  context: RequestContext,
): boolean {
  if (transactionalId === null || mayTransact(context, AclOperation.write, transactionalId))
    return true
  return !topicData.some(({ partitionData }) =>
    partitionData.some(({ records }) => records && isTransactional(records)),
  )
}

function isTransactional(records: Buffer): boolean {
  return (
    records.byteLength >= attributesPosition + 2 &&
    (records.readInt16BE(attributesPosition) & transactionalBit) !== 0
  )
}

function refuseTransactional({ isTransactional, producerId }: BatchHeader): void {
  if (isTransactional)
    throw new KafkaError(
      'KAFKA_TRANSACTIONAL_ID_MISSING',
      `a transactional batch of producer ${producerId} came without a transactional id`,
    )
}

function refusalOf(
  request: ProduceRequest,
  context: RequestContext,
  topic: Topic | undefined,
  name: string,
  partition: number,
): number {
  if (request.acks < -1 || request.acks > 1) return ErrorCode.invalidRequiredAcks
  const topicName = topic?.name ?? name
  if (topicName !== '' && !mayTopic(context, AclOperation.write, topicName))
    return ErrorCode.topicAuthorizationFailed
  if (!topic)
    return context.version >= 13 ? ErrorCode.unknownTopicId : ErrorCode.unknownTopicOrPartition
  if (partition < 0 || partition >= topic.partitions.length)
    return ErrorCode.unknownTopicOrPartition
  return isInternalTopic(topic.name) ? ErrorCode.invalidTopicException : ErrorCode.none
}

async function settle(
  acks: number,
  context: RequestContext,
  round: CommitRound,
  appended: readonly Appended[],
  response: ProduceResponseInput,
): Promise<ProduceResponseInput> {
  const isWrittenEnough = acks === 1 && context.broker.options['ack.flush'] === 'leader'
  await (isWrittenEnough ? round.written : round.flushed)
  for (const { log, response: partition } of appended)
    if (round.failures.has(log)) {
      partition.errorCode = ErrorCode.kafkaStorageError
      partition.baseOffset = -1
    }
  return response
}
