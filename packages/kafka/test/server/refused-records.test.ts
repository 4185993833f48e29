import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@khlong/core/testing'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeProduceResponse,
  encodeProduceRequest,
} from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder, Compression } from '@khlong/kafka-protocol/records'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

// KIP-467: a producer is told which records of a batch are at fault.

const nowMs = Date.UTC(2026, 10, 30)
const hourMs = 3_600_000

for (const compression of [Compression.none, Compression.gzip])
  test(`the records at fault are named, compression ${compression}`, async (t) => {
    const { address } = await startBroker(t, {}, { clock: new FakeClock(nowMs) })
    const wire = await Wire.open(address)
    t.after(() => wire.close())
    await createTopic(wire, 'plain', 1)
    await createTopic(wire, 'compacted', 1, { 'cleanup.policy': 'compact' })
    const send = async (name: string, records: readonly [key: string | null, ms: number][]) => {
      const builder = new BatchBuilder({ compression })
      for (const [key, ms] of records)
        builder.append(key === null ? null : Buffer.from(key), Buffer.from('v'), [], ms)
      const answer = await produce(wire, name, builder.build())
      return {
        errorCode: answer.errorCode,
        indexes: answer.recordErrors.map(({ batchIndex }) => batchIndex),
        texts: answer.recordErrors.map((one) => one.batchIndexErrorMessage),
      }
    }
    const late = nowMs + 2 * hourMs
    const keyless =
      'Compacted topic cannot accept message without key in topic partition compacted-0'
    const untimely = `Timestamp ${late} of message with offset 1 is out of range. The timestamp should be within [${nowMs - Number.MAX_SAFE_INTEGER}, ${nowMs + hourMs}]`
    assert.deepEqual(
      await send('plain', [
        ['a', nowMs],
        ['b', late],
        ['c', nowMs],
        ['d', late + 1],
      ]).then(({ errorCode, indexes }) => ({ errorCode, indexes })),
      { errorCode: ErrorCode.invalidTimestamp, indexes: [1, 3] },
    )
    assert.deepEqual(
      await send('compacted', [
        [null, nowMs],
        ['b', nowMs],
        [null, nowMs],
      ]),
      {
        errorCode: ErrorCode.invalidRecord,
        indexes: [0, 2],
        texts: [keyless, keyless],
      },
    )
    // Whatever is wrong is told at once, and of a record what comes first.
    assert.deepEqual(
      await send('compacted', [
        [null, nowMs],
        ['b', late],
        [null, late],
        ['d', nowMs],
      ]),
      {
        errorCode: ErrorCode.invalidTimestamp,
        indexes: [0, 1, 2],
        texts: [keyless, untimely, keyless],
      },
    )
    assert.deepEqual(await send('compacted', [['b', nowMs]]), {
      errorCode: ErrorCode.none,
      indexes: [],
      texts: [],
    })
  })

test('a record is too early by itself, whatever the first of its batch says', async (t) => {
  const { address } = await startBroker(t, {}, { clock: new FakeClock(nowMs) })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'young', 1, { 'message.timestamp.before.max.ms': String(hourMs) })
  const builder = new BatchBuilder({})
  for (const ms of [nowMs, nowMs - 2 * hourMs, nowMs - 1]) builder.append(null, 'v', [], ms)
  const answer = await produce(wire, 'young', builder.build())
  assert.equal(answer.errorCode, ErrorCode.invalidTimestamp)
  assert.deepEqual(
    answer.recordErrors.map(({ batchIndex }) => batchIndex),
    [1],
  )
  // As Kafka says it beside records that were refused.
  assert.equal(answer.logStartOffset, 0)
})

test('a batch larger than segment.bytes is refused with RECORD_LIST_TOO_LARGE', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'short', 1, {
    'segment.bytes': '1048576',
    'max.message.bytes': '5000000',
  })
  const batchOf = (valueBytes: number): Buffer => {
    const builder = new BatchBuilder({})
    builder.append(null, Buffer.alloc(valueBytes, 1), [], Date.now())
    return builder.build()
  }
  const errorOf = async (valueBytes: number) =>
    (await produce(wire, 'short', batchOf(valueBytes))).errorCode
  assert.equal(await errorOf(1_500_000), ErrorCode.recordListTooLarge)
  assert.equal(await errorOf(6_000_000), ErrorCode.messageTooLarge)
  assert.equal(await errorOf(1_048_000), ErrorCode.none)
})

async function produce(wire: Wire, name: string, records: Buffer) {
  const topicData = [{ name, partitionData: [{ index: 0, records }] }]
  const reader = await wire.send(ApiKey.produce, 9, (writer) =>
    encodeProduceRequest(writer, { acks: -1, timeoutMs: 30_000, topicData }, 9),
  )
  return decodeProduceResponse(reader, 9).responses[0]!.partitionResponses[0]!
}
