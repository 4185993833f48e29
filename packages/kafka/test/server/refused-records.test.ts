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
      const partitionData = [{ index: 0, records: builder.build() }]
      const reader = await wire.send(ApiKey.produce, 9, (writer) =>
        encodeProduceRequest(
          writer,
          { acks: -1, timeoutMs: 30_000, topicData: [{ name, partitionData }] },
          9,
        ),
      )
      const [answer] = decodeProduceResponse(reader, 9).responses[0]!.partitionResponses
      return {
        errorCode: answer!.errorCode,
        indexes: answer!.recordErrors.map(({ batchIndex }) => batchIndex),
        texts: answer!.recordErrors.map((one) => one.batchIndexErrorMessage),
      }
    }
    const late = nowMs + 2 * hourMs
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
        texts: ['a compacted topic needs a key', 'a compacted topic needs a key'],
      },
    )
    assert.deepEqual(await send('compacted', [['b', nowMs]]), {
      errorCode: ErrorCode.none,
      indexes: [],
      texts: [],
    })
  })
