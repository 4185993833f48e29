import assert from 'node:assert/strict'
import test from 'node:test'
import {
  BatchBuilder,
  batchHeaders,
  Compression,
  type CompressionType,
  decodeRecords,
  readBatchHeader,
  stampBatch,
} from '@khlong/kafka-protocol/records'
import fc from 'fast-check'
import { batchOffsets, type RawBatch, repackBatches } from '../src/index.ts'

interface Stored {
  readonly offset: number
  readonly key: string
  readonly valueBytes: number
}

/** A batch as a log has it: at its offsets, with gaps where compaction has been. */
function stored(records: readonly Stored[], compression: CompressionType = 0): RawBatch {
  const base = records[0]!.offset
  const builder = new BatchBuilder({ compression, isTransactional: true, producerId: 7n })
  for (const { offset, key, valueBytes } of records)
    builder.append(key, Buffer.alloc(valueBytes, key), [['h', key]], 1_000 + offset, offset - base)
  const bytes = builder.build()
  stampBatch(bytes, readBatchHeader(bytes), { baseOffset: base, leaderEpoch: 0 })
  return { header: readBatchHeader(bytes), bytes }
}

const record = (offset: number, valueBytes = 10): Stored => ({
  offset,
  key: `k${offset}`,
  valueBytes,
})

test('a large batch without gaps keeps its bytes', () => {
  const batch = stored([record(5, 40_000), record(6, 40_000)])
  const [repacked, ...rest] = repackBatches([batch], { from: 0, bytesMax: 1_000_000 })
  assert.deepEqual(rest, [])
  assert.equal(repacked?.bytes.buffer, batch.bytes.buffer)
  assert.deepEqual([repacked?.recordCount, repacked?.firstOffset, repacked?.nextOffset], [2, 5, 7])
})

test('small batches become one, with their compression', () => {
  const batches = [1, 2, 3].map((offset) => stored([record(offset)], Compression.lz4))
  const repacked = [...repackBatches(batches, { from: 2, bytesMax: 1_000_000 })]
  assert.equal(repacked.length, 1)
  const header = readBatchHeader(repacked[0]!.bytes)
  assert.equal(header.compression, Compression.lz4)
  assert.deepEqual(
    decodeRecords(repacked[0]!.bytes).map(({ key }) => String(key)),
    ['k2', 'k3'],
  )
})

test('a batch ends where gaps take more than the lead', () => {
  const batches = [stored([record(10), record(13), record(14), record(20)])]
  const firsts = (lead: number): number[] =>
    [...repackBatches(batches, { from: 10, lead, bytesMax: 1_000_000 })].map(
      ({ firstOffset }) => firstOffset,
    )
  assert.deepEqual(firsts(7), [10])
  assert.deepEqual(firsts(6), [10, 20])
  assert.deepEqual(firsts(0), [10, 13, 20])
})

test('the time that the log gave its records stays, and is their own from then on', () => {
  const bytes = stored([record(3)]).bytes
  stampBatch(bytes, readBatchHeader(bytes), { baseOffset: 3, leaderEpoch: 0, logAppendTimeMs: 99 })
  const [repacked] = repackBatches([{ header: readBatchHeader(bytes), bytes }], {
    from: 0,
    bytesMax: 1_000_000,
  })
  assert.equal(readBatchHeader(repacked!.bytes).isLogAppendTime, false)
  assert.deepEqual(
    decodeRecords(repacked!.bytes).map(({ timestamp }) => timestamp),
    [99],
  )
})

test('whatever a log holds, the same records come out in their order, in batches that a broker takes', () => {
  const log = fc.array(
    fc.record({
      gap: fc.integer({ min: 0, max: 5 }),
      valueBytes: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(70_000)),
      isNewBatch: fc.boolean(),
      compression: fc.constantFrom<CompressionType>(0, 1, 3),
    }),
    { minLength: 1, maxLength: 30 },
  )
  fc.assert(
    fc.property(log, fc.nat(40), fc.nat(20), (entries, from, lead) => {
      const batches: RawBatch[] = []
      const offsets: number[] = []
      let open: Stored[] = []
      let offset = 0
      for (const { gap, valueBytes, isNewBatch, compression } of entries) {
        offset += gap
        if (isNewBatch && open.length > 0) {
          batches.push(stored(open, compression))
          open = []
        }
        offsets.push(offset)
        open.push(record(offset++, valueBytes))
      }
      batches.push(stored(open))
      assert.deepEqual(batches.flatMap(batchOffsets), offsets)
      const repacked = [...repackBatches(batches, { from, lead, bytesMax: 1_000_000 })]
      const keys = repacked.flatMap(({ bytes, recordCount }) => {
        const [header, ...rest] = batchHeaders(bytes)
        assert.deepEqual(rest, [])
        assert.equal(header!.lastOffsetDelta, header!.recordCount - 1)
        assert.equal(header!.recordCount, recordCount)
        return decodeRecords(bytes).map(({ key }) => String(key))
      })
      assert.deepEqual(
        keys,
        offsets.filter((one) => one >= from).map((one) => `k${one}`),
      )
    }),
  )
})
