import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import { endOffsetOf } from '../src/fetch-state.ts'
import { FetchedChunk } from '../src/fetched-chunk.ts'
import type { ConsumerRecord } from '../src/record.ts'

interface BatchOptions {
  readonly producerId?: bigint
  readonly end?: 'abort' | 'commit'
}

function batch(baseOffset: number, values: readonly string[], options: BatchOptions = {}): Buffer {
  const builder = new BatchBuilder({
    baseOffset,
    ...(options.producerId === undefined
      ? {}
      : { producerId: options.producerId, producerEpoch: 0, isTransactional: true }),
    isControl: options.end !== undefined,
  })
  if (options.end) builder.appendControl(options.end, 0, 1_000)
  for (const value of values) builder.append(null, value, undefined, 1_000)
  return builder.build()
}

const chunkOf = (
  bytes: Buffer,
  position: number,
  aborted?: { producerId: bigint; firstOffset: number }[],
): FetchedChunk =>
  new FetchedChunk({
    topic: 't',
    partition: 0,
    bytes,
    position,
    highWatermark: 100,
    abortedTransactions: aborted,
    isChecked: true,
  })

function readAll(chunk: FetchedChunk, each = 2): string[] {
  const values: string[] = []
  for (;;) {
    const records: ConsumerRecord[] = []
    if (chunk.read(records, each) === 0) return values
    values.push(...records.map((record) => `${record.offset}:${record.value}`))
  }
}

test('records are given from the position on, in pieces of any size, across batches', () => {
  const bytes = Buffer.concat([batch(10, ['a', 'b', 'c']), batch(13, ['d']), batch(14, ['e', 'f'])])
  for (const each of [1, 2, 3, 100]) {
    const chunk = chunkOf(bytes, 11)
    assert.deepEqual(readAll(chunk, each), ['11:b', '12:c', '13:d', '14:e', '15:f'])
    assert.equal(chunk.position, 16)
    assert.ok(chunk.isEnded)
  }
  assert.equal(endOffsetOf(bytes), 16)
})

test('a batch that is cut at the end is left for the next fetch', () => {
  const bytes = Buffer.concat([batch(0, ['a']), batch(1, ['b'.repeat(200)])])
  const cut = bytes.subarray(0, bytes.byteLength - 1)
  const chunk = chunkOf(cut, 0)
  assert.deepEqual(readAll(chunk), ['0:a'])
  assert.equal(chunk.position, 1)
  assert.equal(endOffsetOf(cut), 1)
  assert.equal(endOffsetOf(cut.subarray(0, 50)), -1)
})

test('records of aborted transactions are left out, those of others in between are given', () => {
  const bytes = Buffer.concat([
    batch(0, ['a0', 'a1'], { producerId: 1n }),
    batch(2, ['c0'], { producerId: 2n }),
    batch(3, ['plain']),
    batch(4, [], { producerId: 1n, end: 'abort' }),
    batch(5, [], { producerId: 2n, end: 'commit' }),
    batch(6, ['c1'], { producerId: 1n }),
    batch(7, [], { producerId: 1n, end: 'commit' }),
    batch(8, ['a2'], { producerId: 1n }),
  ])
  const aborted = [
    { producerId: 1n, firstOffset: 8 },
    { producerId: 1n, firstOffset: 0 },
  ]
  const chunk = chunkOf(bytes, 0, aborted)
  assert.deepEqual(readAll(chunk), ['2:c0', '3:plain', '6:c1'])
  assert.equal(chunk.position, 9)
  assert.deepEqual(readAll(chunkOf(bytes, 0)), ['0:a0', '1:a1', '2:c0', '3:plain', '6:c1', '8:a2'])
})

test('an aborted transaction whose marker comes in a later fetch stays out, and so does its rest', () => {
  const first = batch(0, ['a0'], { producerId: 1n })
  const rest = Buffer.concat([
    batch(1, ['a1'], { producerId: 1n }),
    batch(2, [], { producerId: 1n, end: 'abort' }),
    batch(3, ['c'], { producerId: 1n }),
  ])
  const aborted = [{ producerId: 1n, firstOffset: 0 }]
  assert.deepEqual(readAll(chunkOf(first, 0, aborted)), [])
  assert.deepEqual(readAll(chunkOf(rest, 1, aborted)), ['3:c'])
  const fromMarker = rest.subarray(batch(1, ['a1'], { producerId: 1n }).byteLength)
  assert.deepEqual(readAll(chunkOf(fromMarker, 2, aborted)), ['3:c'])
})

test('raw batches are those with data, and the position is behind them', () => {
  const bytes = Buffer.concat([
    batch(0, ['a'], { producerId: 1n }),
    batch(1, [], { producerId: 1n, end: 'abort' }),
    batch(2, ['b', 'c']),
  ])
  const chunk = chunkOf(bytes, 0, [{ producerId: 1n, firstOffset: 0 }])
  assert.deepEqual(
    [...chunk.rawBatches()].map(({ header }) => [header.baseOffset, header.recordCount]),
    [[2, 2]],
  )
  assert.equal(chunk.position, 4)
})

test('a batch whose checksum does not hold is refused', () => {
  const bytes = batch(0, ['value'])
  bytes[bytes.byteLength - 2]! ^= 1
  assert.throws(() => readAll(chunkOf(bytes, 0)), { code: 'RECORDS_CRC_MISMATCH' })
})
