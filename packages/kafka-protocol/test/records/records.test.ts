import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  BatchBuilder,
  batchHeaderBytes,
  batchHeaders,
  Compression,
  type CompressionName,
  checkBatch,
  compressionName,
  decodeControlRecord,
  decodeRecords,
  noProducerId,
  type RecordHeaderInput,
  RecordsError,
  readBatchHeader,
  stampBatch,
} from '@khlong/kafka-protocol/records'
import fc from 'fast-check'

const vectors = new Map(
  readFileSync(new URL('vectors/batches-kafka-clients-3.9.1.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [name = '', hex = ''] = line.split(' ')
      return [name, Buffer.from(hex, 'hex')]
    }),
)
const compressions = Object.keys(Compression) as CompressionName[]

for (const name of compressions)
  test(`a ${name} batch of the Java client is read`, () => {
    const batch = vectors.get(name)!
    const header = readBatchHeader(batch)
    checkBatch(batch, header)
    assert.equal(compressionName(header.compression), name)
    assert.deepEqual(
      [header.baseOffset, header.lastOffset, header.producerId, header.producerEpoch],
      [1000, 1002, 4242n, 3],
    )
    assert.deepEqual([header.baseSequence, header.partitionLeaderEpoch], [17, 5])
    assert.equal(header.maxTimestamp, 1_769_846_460_000)
    const records = decodeRecords(batch)
    assert.deepEqual(
      records.map((record) => [record.offset, record.timestamp, record.key?.toString()]),
      [
        [1000, 1_769_846_400_000, 'sensor-1'],
        [1001, 1_769_846_399_000, undefined],
        [1002, 1_769_846_460_000, 'gone'],
      ],
    )
    assert.equal(records[0]?.value?.toString(), '{"temperature":21.5}')
    assert.deepEqual(records[0]?.headers.entries, [
      ['h', Buffer.from('v')],
      ['n', null],
    ])
    assert.equal(records[1]?.value?.byteLength, 300)
    assert.equal(records[2]?.value, null)
  })

test('an uncompressed batch has the very bytes of the Java client', () => {
  const builder = new BatchBuilder({
    baseOffset: 1000,
    partitionLeaderEpoch: 5,
    producerId: 4242n,
    producerEpoch: 3,
    baseSequence: 17,
  })
  const headers: RecordHeaderInput[] = [
    ['h', 'v'],
    ['n', null],
  ]
  builder.append('sensor-1', Buffer.from('{"temperature":21.5}'), headers, 1_769_846_400_000)
  builder.append(null, 'x'.repeat(300), [], 1_769_846_399_000)
  builder.append('gone', null, [], 1_769_846_460_000)
  assert.deepEqual(builder.build(), vectors.get('none'))
})

test('a commit marker has the very bytes of the Java broker', () => {
  const batch = vectors.get('commit')!
  const builder = new BatchBuilder({
    baseOffset: 77,
    partitionLeaderEpoch: 2,
    producerId: 4242n,
    producerEpoch: 3,
    isTransactional: true,
    isControl: true,
  })
  builder.appendControl('commit', 9, 1_769_846_400_000)
  assert.deepEqual(builder.build(), batch)
  assert.deepEqual(decodeControlRecord(decodeRecords(batch)[0]!), {
    type: 'commit',
    coordinatorEpoch: 9,
  })
})

const bytes = fc.option(fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)))
const plain = { noNullPrototype: true }
const record = fc.record(
  {
    key: bytes,
    value: bytes,
    headers: fc.array(fc.tuple(fc.string({ maxLength: 10 }), bytes), { maxLength: 3 }),
    timestamp: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  },
  plain,
)

test('what is built is read back, whatever the compression', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(...compressions),
      (records, name) => {
        const builder = new BatchBuilder({ compression: Compression[name] })
        for (const { key, value, headers, timestamp } of records) {
          const before = builder.byteCount
          builder.append(key, value, headers, timestamp)
          assert.ok(builder.byteCount - before <= BatchBuilder.recordBytesMax(key, value, headers))
        }
        const batch = builder.build()
        const header = readBatchHeader(batch)
        checkBatch(batch, header)
        assert.equal(header.producerId, noProducerId)
        assert.deepEqual(
          decodeRecords(batch).map((one) => ({ ...one, headers: one.headers.entries })),
          records.map((input, index) => ({ offset: index, ...input })),
        )
      },
    ),
    { numRuns: 200 },
  )
})

test('headers that only pass through arrive as they were', () => {
  fc.assert(
    fc.property(record, ({ key, value, headers, timestamp }) => {
      const first = new BatchBuilder()
      first.append(key, value, headers, timestamp)
      const read = decodeRecords(first.build())[0]!
      const second = new BatchBuilder()
      second.append(read.key, read.value, read.headers, read.timestamp)
      assert.equal(
        second.byteCount - batchHeaderBytes <=
          BatchBuilder.recordBytesMax(key, value, read.headers),
        true,
      )
      assert.deepEqual(second.build(), first.build())
      assert.deepEqual(read.headers.entries, headers)
    }),
  )
})

test('a batch is stamped in place, and its checksum is done again only for a new time', () => {
  const builder = new BatchBuilder({ compression: Compression.zstd })
  for (let index = 0; index < 5; index++) builder.append(`${index}`, 'value', [], 1000 + index)
  const batch = builder.build()
  stampBatch(batch, readBatchHeader(batch), { baseOffset: 2 ** 40, leaderEpoch: 7 })
  checkBatch(batch, readBatchHeader(batch))
  assert.equal(decodeRecords(batch)[4]?.offset, 2 ** 40 + 4)
  assert.equal(decodeRecords(batch)[4]?.timestamp, 1004)
  stampBatch(batch, readBatchHeader(batch), {
    baseOffset: 3,
    leaderEpoch: 8,
    logAppendTimeMs: 99_000,
  })
  const header = readBatchHeader(batch)
  checkBatch(batch, header)
  assert.deepEqual([header.partitionLeaderEpoch, header.isLogAppendTime], [8, true])
  assert.equal(decodeRecords(batch)[0]?.timestamp, 99_000)
})

test('the walk over batches ends before the one that is cut, wherever it is cut', () => {
  const one = new BatchBuilder()
  one.append('a', 'b')
  const batch = one.build()
  const bytes = Buffer.concat([batch, batch, batch])
  for (let end = 0; end <= bytes.byteLength; end++)
    assert.equal(
      [...batchHeaders(bytes.subarray(0, end))].length,
      Math.floor(end / batch.byteLength),
    )
})

test('a flipped bit anywhere under the checksum is seen', () => {
  const batch = Buffer.from(vectors.get('gzip')!)
  for (let position = 21; position < batch.byteLength; position++) {
    batch[position]! ^= 0x40
    assert.throws(
      () => checkBatch(batch, readBatchHeader(batch)),
      (error) => error instanceof RecordsError,
    )
    batch[position]! ^= 0x40
  }
})

test('an old format is refused by name', () => {
  const batch = Buffer.from(vectors.get('none')!)
  batch[16] = 1
  assert.throws(() => readBatchHeader(batch), { code: 'RECORDS_MAGIC_UNSUPPORTED' })
})

for (const name of compressions.slice(1))
  test(`${name} records never take more memory than is allowed`, () => {
    const builder = new BatchBuilder({ compression: Compression[name] })
    builder.append(null, Buffer.alloc(4_000_000))
    const batch = builder.build()
    assert.ok(batch.byteLength < 400_000)
    assert.throws(() => decodeRecords(batch, 0, { outputBytesMax: 100_000 }), {
      code: 'RECORDS_TOO_LARGE',
    })
    assert.equal(decodeRecords(batch)[0]?.value?.byteLength, 4_000_000)
  })

test('a bare snappy block, as librdkafka may write it, is read', async () => {
  const { compressSync } = await import('snappy')
  const plain = new BatchBuilder()
  plain.append('key', 'value', [], 5)
  const batch = plain.build()
  const records = compressSync(batch.subarray(61))
  const framed = Buffer.concat([batch.subarray(0, 61), records])
  framed.writeInt32BE(framed.byteLength - 12, 8)
  framed.writeInt16BE(Compression.snappy, 21)
  assert.equal(decodeRecords(framed)[0]?.value?.toString(), 'value')
})

test('any damage gives an error or records, never anything else', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...vectors.values()),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.nat(),
      (vector, changes, cut) => {
        const batch = Buffer.from(vector)
        for (const [at, value] of changes) batch[at % batch.byteLength] = value
        const bytes = batch.subarray(0, batch.byteLength - (cut % 5))
        try {
          for (const header of batchHeaders(bytes))
            assert.ok(decodeRecords(bytes, header.position, { outputBytesMax: 1_000_000 }))
        } catch (error) {
          assert.ok(error instanceof RecordsError, String(error))
        }
      },
    ),
    { numRuns: 1_000 },
  )
})
