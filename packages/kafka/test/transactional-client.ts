import assert from 'node:assert/strict'
import { ApiKey } from '@khlong/kafka-protocol'
import {
  decodeAddOffsetsToTxnResponse,
  encodeAddOffsetsToTxnRequest,
} from '@khlong/kafka-protocol/messages/add-offsets-to-txn'
import {
  decodeAddPartitionsToTxnResponse,
  encodeAddPartitionsToTxnRequest,
} from '@khlong/kafka-protocol/messages/add-partitions-to-txn'
import { encodeCreateTopicsRequest } from '@khlong/kafka-protocol/messages/create-topics'
import { decodeEndTxnResponse, encodeEndTxnRequest } from '@khlong/kafka-protocol/messages/end-txn'
import { decodeFetchResponse, encodeFetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import {
  decodeInitProducerIdResponse,
  encodeInitProducerIdRequest,
} from '@khlong/kafka-protocol/messages/init-producer-id'
import {
  decodeOffsetFetchResponse,
  encodeOffsetFetchRequest,
} from '@khlong/kafka-protocol/messages/offset-fetch'
import {
  decodeProduceResponse,
  encodeProduceRequest,
} from '@khlong/kafka-protocol/messages/produce'
import {
  decodeTxnOffsetCommitResponse,
  encodeTxnOffsetCommitRequest,
} from '@khlong/kafka-protocol/messages/txn-offset-commit'
import {
  BatchBuilder,
  batchHeaders,
  checkBatch,
  decodeControlRecord,
  decodeRecordsOf,
} from '@khlong/kafka-protocol/records'
import type { Wire } from './wire.ts'

/** A transactional producer that asks for each step by itself, and so can do it wrong. */
export class TransactionalClient {
  readonly wire: Wire
  readonly transactionalId: string
  producerId = -1n
  producerEpoch = -1
  /** The next sequence of each partition, by `topic-partition`. */
  readonly sequences: Map<string, number> = new Map()

  constructor(wire: Wire, transactionalId: string) {
    this.wire = wire
    this.transactionalId = transactionalId
  }

  async init(
    options: { timeoutMs?: number; isExpected?: boolean; version?: number } = {},
  ): Promise<number> {
    const { timeoutMs = 60_000, isExpected = false, version = 4 } = options
    const reader = await this.wire.send(ApiKey.initProducerId, version, (writer) =>
      encodeInitProducerIdRequest(
        writer,
        {
          transactionalId: this.transactionalId,
          transactionTimeoutMs: timeoutMs,
          ...(isExpected ? this.#producer : {}),
        },
        version,
      ),
    )
    const answer = decodeInitProducerIdResponse(reader, version)
    reader.finish()
    if (answer.errorCode !== 0) return answer.errorCode
    this.producerId = answer.producerId
    this.producerEpoch = answer.producerEpoch
    this.sequences.clear()
    return 0
  }

  async add(topic: string, partitions: readonly number[], version = 3): Promise<number[]> {
    const topics = [{ name: topic, partitions }]
    const who = { transactionalId: this.transactionalId, ...this.#producer }
    const reader = await this.wire.send(ApiKey.addPartitionsToTxn, version, (writer) =>
      encodeAddPartitionsToTxnRequest(
        writer,
        version >= 4
          ? { transactions: [{ ...who, topics }] }
          : {
              v3AndBelowTransactionalId: this.transactionalId,
              v3AndBelowProducerId: this.producerId,
              v3AndBelowProducerEpoch: this.producerEpoch,
              v3AndBelowTopics: topics,
            },
        version,
      ),
    )
    const answer = decodeAddPartitionsToTxnResponse(reader, version)
    reader.finish()
    const results = answer.resultsByTransaction[0]?.topicResults ?? answer.resultsByTopicV3AndBelow
    return results[0]!.resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode)
  }

  async produce(
    topic: string,
    batches: readonly (readonly [partition: number, values: readonly string[]])[],
    options: {
      version?: number
      isTransactional?: boolean
      transactionalId?: string | null
      time?: number
    } = {},
  ): Promise<number[]> {
    const { version = 9, isTransactional = true, transactionalId = this.transactionalId } = options
    const { time = Date.now() } = options
    const partitionData = batches.map(([index, values]) => ({
      index,
      records: this.#batch(`${topic}-${index}`, values, isTransactional, time),
    }))
    const reader = await this.wire.send(ApiKey.produce, version, (writer) =>
      encodeProduceRequest(
        writer,
        {
          transactionalId,
          acks: -1,
          timeoutMs: 5_000,
          topicData: [{ name: topic, partitionData }],
        },
        version,
      ),
    )
    const answer = decodeProduceResponse(reader, version)
    reader.finish()
    const codes = answer.responses[0]!.partitionResponses.map(({ errorCode }) => errorCode)
    for (const [at, [index, values]] of batches.entries()) {
      const key = `${topic}-${index}`
      if (codes[at] === 0) this.sequences.set(key, (this.sequences.get(key) ?? 0) + values.length)
    }
    return codes
  }

  async addOffsets(groupId: string, version = 3): Promise<number> {
    const request = { transactionalId: this.transactionalId, ...this.#producer, groupId }
    const reader = await this.wire.send(ApiKey.addOffsetsToTxn, version, (writer) =>
      encodeAddOffsetsToTxnRequest(writer, request, version),
    )
    return decodeAddOffsetsToTxnResponse(reader, version).errorCode
  }

  async commitOffset(
    groupId: string,
    topic: string,
    partition: number,
    offset: number,
    options: { version?: number; memberId?: string; generationId?: number } = {},
  ): Promise<number> {
    const { version = 3, memberId = '', generationId = -1 } = options
    const partitions = [
      { partitionIndex: partition, committedOffset: offset, committedMetadata: '' },
    ]
    const reader = await this.wire.send(ApiKey.txnOffsetCommit, version, (writer) =>
      encodeTxnOffsetCommitRequest(
        writer,
        {
          transactionalId: this.transactionalId,
          ...this.#producer,
          groupId,
          memberId,
          generationId,
          topics: [{ name: topic, partitions }],
        },
        version,
      ),
    )
    return decodeTxnOffsetCommitResponse(reader, version).topics[0]!.partitions[0]!.errorCode
  }

  async end(committed: boolean, version = 3): Promise<number> {
    const request = { transactionalId: this.transactionalId, ...this.#producer, committed }
    const reader = await this.wire.send(ApiKey.endTxn, version, (writer) =>
      encodeEndTxnRequest(writer, request, version),
    )
    return decodeEndTxnResponse(reader, version).errorCode
  }

  get #producer(): { producerId: bigint; producerEpoch: number } {
    return { producerId: this.producerId, producerEpoch: this.producerEpoch }
  }

  #batch(key: string, values: readonly string[], isTransactional: boolean, time: number): Buffer {
    const builder = new BatchBuilder({
      ...this.#producer,
      baseSequence: this.sequences.get(key) ?? 0,
      isTransactional,
    })
    for (const value of values) builder.append(null, value, [], time)
    return builder.build()
  }
}

/** The values that a consumer sees from offset 0 on, and where it must stop. */
export async function readAll(
  wire: Wire,
  topic: string,
  partition: number,
  isCommitted = true,
): Promise<{ values: string[]; offset: number; lastStableOffset: number }> {
  const values: string[] = []
  for (let offset = 0; ; ) {
    const reader = await wire.send(ApiKey.fetch, 11, (writer) =>
      encodeFetchRequest(
        writer,
        {
          maxWaitMs: 0,
          minBytes: 1,
          isolationLevel: isCommitted ? 1 : 0,
          topics: [
            { topic, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 50_000 }] },
          ],
        },
        11,
      ),
    )
    const found = decodeFetchResponse(reader, 11).responses[0]!.partitions[0]!
    assert.equal(found.errorCode, 0)
    const bytes = found.records!
    if (bytes.byteLength === 0) return { values, offset, lastStableOffset: found.lastStableOffset }
    // As the Java client does it: an abort begins at its first offset and ends at its marker.
    const waiting = [...(found.abortedTransactions ?? [])]
    const aborted = new Set<bigint>()
    for (const header of batchHeaders(bytes)) {
      checkBatch(bytes, header)
      for (const one of waiting)
        if (one.firstOffset <= header.lastOffset) aborted.add(one.producerId)
      const left = waiting.filter(({ firstOffset }) => firstOffset > header.lastOffset)
      waiting.splice(0, waiting.length, ...left)
      const records = decodeRecordsOf(bytes, header)
      if (header.isControl) {
        if (decodeControlRecord(records[0]!)?.type === 'abort') aborted.delete(header.producerId)
      } else if (!(header.isTransactional && aborted.has(header.producerId)))
        values.push(...records.map(({ value }) => String(value)))
      offset = header.lastOffset + 1
    }
  }
}

/** The committed offset of a group, or the negated error code. */
export async function committedOffset(
  wire: Wire,
  groupId: string,
  topic: string,
  requireStable: boolean,
): Promise<number> {
  const reader = await wire.send(ApiKey.offsetFetch, 7, (writer) =>
    encodeOffsetFetchRequest(
      writer,
      { groupId, topics: [{ name: topic, partitionIndexes: [0] }], requireStable },
      7,
    ),
  )
  const found = decodeOffsetFetchResponse(reader, 7).topics[0]!.partitions[0]!
  return found.errorCode === 0 ? found.committedOffset : -found.errorCode
}

export async function createTopic(
  wire: Wire,
  name: string,
  numPartitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
  const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs }
  await wire.send(ApiKey.createTopics, 5, (writer) =>
    encodeCreateTopicsRequest(writer, { topics: [topic], timeoutMs: 5_000 }, 5),
  )
}
