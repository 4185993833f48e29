import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import {
  BatchBuilder,
  batchHeaders,
  Compression,
  checkBatch,
  decodeRecordsOf,
  noTimestamp,
} from '@khlong/kafka-protocol/records'
import { cleanLog } from '../../src/log/cleaner.ts'
import { CommitJournal } from '../../src/log/commit-journal.ts'
import { append, clock, offsetsFrom, open, range, read, topicId } from './store.ts'

function batch(values: readonly string[], options: { timestamp?: number } = {}): Buffer {
  const builder = new BatchBuilder()
  for (const value of values) builder.append(null, value, [], options.timestamp ?? clock.nowMs())
  return builder.build()
}

for (const tailBytesMax of [0, 2_000, 1_000_000])
  test(`every record is read back from every offset with ${tailBytesMax} bytes of tail`, async (t) => {
    const store = await open(await temporaryFolder(t), {
      tailBytesMax,
      config: { segmentBytes: 3_000, indexIntervalBytes: 200 },
    })
    const log = await store.create({ topic: 't', partition: 0, topicId })
    const random = new SeededRandom(7)
    for (let count = 0; count < 60; count++)
      await append(
        store,
        log,
        batch(range(0, 1 + Math.floor(random.next() * 5)).map((i) => 'x'.repeat(i * 40))),
      )
    assert.ok(log.segments.length > 3)
    for (let from = 0; from < log.logEndOffset; from += 13)
      assert.deepEqual(await offsetsFrom(log, from), range(from, log.logEndOffset))
    await store.close()
  })

test('appends that come together share one flush, whatever their partition', async (t) => {
  const store = await open(await temporaryFolder(t))
  const logs = await Promise.all(
    range(0, 12).map((partition) => store.create({ topic: 't', partition, topicId })),
  )
  for (const log of logs) log.append(batch(['a', 'b']))
  const rounds = logs.map((log) => store.committer.enqueue(log))
  assert.equal(logs[0]?.highWatermark, 0)
  await Promise.all(rounds.map((round) => round.flushed))
  assert.equal(store.committer.roundCount, 1)
  assert.deepEqual(
    logs.map((log) => log.highWatermark),
    logs.map(() => 2),
  )
  await store.close()
})

test('after a flush that failed nothing is acknowledged any more, and nobody waits for ever', async (t) => {
  const failures: unknown[] = []
  const store = await open(await temporaryFolder(t), { onFailure: (error) => failures.push(error) })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  await append(store, log, batch(['kept']))
  t.mock.method(CommitJournal.prototype, 'flush', () => Promise.reject(new Error('EIO')))
  for (let count = 0; count < 3; count++) {
    log.append(batch(['lost']))
    const round = store.committer.enqueue(log)
    await round.flushed
    assert.ok(round.failures.has(log))
  }
  await store.committer.idle()
  assert.equal(log.highWatermark, 1)
  assert.equal(failures.length, 1)
})

test('a stop writes nothing for a partition that nothing came to', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder)
  const log = await store.create({ topic: 't', partition: 0, topicId })
  for (let count = 0; count < 20; count++) await append(store, log, batch(['x'.repeat(1_000)]))
  await store.close()
  const files = (): string[] =>
    readdirSync(log.folder).map((name) => {
      const { ino, size, mtimeNs } = statSync(path.join(log.folder, name), { bigint: true })
      return `${name} ${ino} ${size} ${mtimeNs}`
    })
  const before = files()
  for (let restart = 0; restart < 2; restart++) {
    const again = await open(folder)
    assert.deepEqual(await offsetsFrom(again.get('t', 0)!, 0), range(0, 20))
    await again.close()
  }
  assert.deepEqual(files(), before)
  const again = await open(folder)
  await append(again, again.get('t', 0)!, batch(['more']))
  await again.close()
  assert.notDeepEqual(files(), before)
  const last = await open(folder)
  assert.deepEqual(await offsetsFrom(last.get('t', 0)!, 0), range(0, 21))
  await last.close()
})

test('what only the journal kept is in the log after a loss of power', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder)
  const logs = await Promise.all(
    range(0, 4).map((partition) => store.create({ topic: 't', partition, topicId })),
  )
  // More rounds than one journal file holds, so that both files and the turn between them are used.
  for (let round = 0; round < 60; round++) {
    for (const log of logs) log.append(batch([`${round}`, 'x'.repeat(100)]))
    const [first] = logs.map((log) => store.committer.enqueue(log))
    await first?.flushed
    // The checkpoint of the last turn ends here, and leaves ten rounds to the journal.
    if (round === 49) await store.committer.idle()
  }
  store.saveCheckpoints()
  const points = logs.map((log) => log.recoveryPoint)
  const copy = await temporaryFolder(t)
  cpSync(folder, copy, { recursive: true })
  // A file system that kept only what was flushed: the segments end somewhere after the recovery point.
  for (const [partition, log] of logs.entries()) {
    assert.ok(points[partition]! > 0 && points[partition]! <= 100)
    const file = path.join(copy, log.name, '00000000000000000000.log')
    const kept = log.segments[0]!.positionOf(points[partition]!) + 5
    truncateSync(file, kept)
    writeFileSync(file, Buffer.alloc(64), { flag: 'a' })
  }
  const again = await open(copy)
  assert.equal(again.offline.size, 0)
  for (const log of again.logs.values()) assert.deepEqual(await offsetsFrom(log, 0), range(0, 120))
  await again.close()
  await store.close()
})

test('a checkpoint is written where it says something new, and once by each run', async (t) => {
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'recovery-point-offset-checkpoint')
  const store = await open(folder)
  assert.ok(!existsSync(file), 'without partitions there is nothing to say')
  const log = await store.create({ topic: 't', partition: 0, topicId })
  await append(store, log, batch(['one']))
  await store.checkpoint()
  const { ino } = statSync(file)
  await store.checkpoint()
  assert.equal(statSync(file).ino, ino)
  await append(store, log, batch(['two']))
  await store.checkpoint()
  assert.equal(readFileSync(file, 'utf8'), '0\n1\nt 0 2\n')
  await store.close()
  // A run that was killed may have left what no loss of power would have kept.
  const before = statSync(file).ino
  const again = await open(folder)
  assert.notEqual(statSync(file).ino, before)
  await again.close()
})

test('a torn tail is cut off at every byte, and nothing else', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder, { flushMode: 'none' })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  for (let count = 0; count < 4; count++) await append(store, log, batch(['one', 'two']))
  const bytes = readFileSync(log.segments[0]!.logPath)
  const batchBytes = bytes.byteLength / 4
  for (let end = 0; end <= bytes.byteLength; end += 7) {
    const copy = await temporaryFolder(t)
    cpSync(folder, copy, { recursive: true })
    truncateSync(path.join(copy, 't-0', '00000000000000000000.log'), end)
    const again = await open(copy, { flushMode: 'none' })
    const found = again.get('t', 0)!
    assert.equal(found.logEndOffset, Math.floor(end / batchBytes) * 2)
    assert.equal(
      statSync(found.segments[0]!.logPath).size,
      Math.floor(end / batchBytes) * batchBytes,
    )
    await append(again, found, batch(['three']))
    assert.deepEqual(await offsetsFrom(found, 0), range(0, found.logEndOffset))
    await again.close()
  }
  await store.close()
})

test('bytes that are missing below the recovery point are an error with file and position', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder)
  const log = await store.create({ topic: 't', partition: 0, topicId })
  for (let count = 0; count < 4; count++) await append(store, log, batch(['one', 'two']))
  await store.close()
  truncateSync(path.join(folder, 't-0', '00000000000000000000.log'), 100)
  const again = await open(folder)
  const error = again.offline.get('t-0') as { code: string; fields: { position: number } }
  assert.equal(error.code, 'KAFKA_LOG_DAMAGED')
  assert.equal(typeof error.fields.position, 'number')
  await again.close()
})

test('retention removes whole segments by time and by size, and moves the log start', async (t) => {
  const store = await open(await temporaryFolder(t), {
    config: { segmentBytes: 300, retentionMs: 10_000 },
  })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  for (let count = 0; count < 9; count++) {
    await append(store, log, batch(['x'.repeat(100)]))
    clock.advance(2_000)
  }
  store.retain(clock.nowMs())
  assert.ok(log.logStartOffset > 0 && log.logStartOffset < log.logEndOffset)
  await assert.rejects(read(log, 0, 100), { code: 'KAFKA_OFFSET_OUT_OF_RANGE' })
  assert.deepEqual(
    await offsetsFrom(log, log.logStartOffset),
    range(log.logStartOffset, log.logEndOffset),
  )
  log.config = { ...log.config, retentionMs: -1, retentionBytes: 300 }
  store.retain(clock.nowMs())
  assert.ok(log.byteCount <= 600)
  await store.close()
})

test('segments whose records have no time expire by the time of their files, cleaned or not', async (t) => {
  const folder = await temporaryFolder(t)
  const config = { segmentBytes: 300, retentionMs: 10_000, isCompacted: true, isDeleted: true }
  const store = await open(folder, { config })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  const timeless = (): Buffer => {
    const builder = new BatchBuilder({})
    builder.append('key', 'x'.repeat(100), [], noTimestamp)
    return builder.build()
  }
  for (let count = 0; count < 9; count++) await append(store, log, timeless())
  assert.ok(log.segments.length > 3)
  const nowMs = clock.nowMs()
  const [first, second] = log.segments
  const files = log.segments.map(({ logPath }) => logPath)
  for (const file of files) utimesSync(file, nowMs / 1_000, nowMs / 1_000)
  for (const file of files.slice(0, 2)) utimesSync(file, nowMs / 1_000 - 60, nowMs / 1_000 - 60)
  await log.checkpoint()
  cleanLog(log, nowMs)
  assert.ok(log.segments[1] !== second, 'the second segment was not cleaned')
  store.retain(nowMs)
  assert.ok(log.logStartOffset > first!.baseOffset)
  assert.equal(log.segments[0]!.logPath, files[2])
  await store.close()
})

test('an idempotent producer is told of gaps and repeats, also after a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const sequenced = (baseSequence: number, producerEpoch = 0): Buffer => {
    const builder = new BatchBuilder({ producerId: 9n, producerEpoch, baseSequence })
    builder.append(null, 'a', [], clock.nowMs())
    builder.append(null, 'b', [], clock.nowMs())
    return builder.build()
  }
  const store = await open(folder, { flushMode: 'none' })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  for (const sequence of [0, 2, 4]) await append(store, log, sequenced(sequence))
  const copy = await temporaryFolder(t)
  cpSync(folder, copy, { recursive: true })
  await store.close()
  for (const place of [folder, copy]) {
    const again = await open(place, { flushMode: 'none' })
    const found = again.get('t', 0)!
    assert.equal(found.append(sequenced(4)).isDuplicate, true)
    assert.equal(found.append(sequenced(4)).baseOffset, 4)
    assert.throws(() => found.append(sequenced(8)), { code: 'KAFKA_OUT_OF_ORDER_SEQUENCE' })
    assert.equal(found.append(sequenced(6)).baseOffset, 6)
    assert.throws(() => found.append(sequenced(3, 1)), { code: 'KAFKA_OUT_OF_ORDER_SEQUENCE' })
    assert.equal(found.append(sequenced(0, 1)).baseOffset, 8)
    assert.throws(() => found.append(sequenced(8, 0)), { code: 'KAFKA_PRODUCER_EPOCH_STALE' })
    again.committer.enqueue(found)
    await again.close()
  }
})

test('batches that are too large, damaged, miscounted or of the future are refused', async (t) => {
  const store = await open(await temporaryFolder(t))
  const log = await store.create({ topic: 't', partition: 0, topicId })
  assert.throws(() => log.append(batch(['x'.repeat(1_100_000)])), {
    code: 'KAFKA_MESSAGE_TOO_LARGE',
  })
  const flipped = batch(['abc'])
  flipped[flipped.byteLength - 2]! ^= 1
  assert.throws(() => log.append(flipped), { code: 'RECORDS_CRC_MISMATCH' })
  const future = batch(['abc'], { timestamp: clock.nowMs() + 7_200_000 })
  assert.throws(() => log.append(future), { code: 'KAFKA_TIMESTAMP_INVALID' })
  const two = Buffer.concat([batch(['a']), batch(['b'])])
  assert.throws(() => log.append(two), { code: 'KAFKA_RECORD_INVALID' })
  const gaps = new BatchBuilder({ compression: Compression.gzip })
  gaps.append(null, 'a')
  assert.throws(() => log.append(gaps.build({ lastOffsetDelta: 4 })), {
    code: 'KAFKA_RECORD_INVALID',
  })
  assert.equal(log.logEndOffset, 0)
  await store.close()
})

test('without flushes at each acknowledgement, flush.messages and flush.ms are followed', async (t) => {
  const store = await open(await temporaryFolder(t), {
    flushMode: 'none',
    config: { flushMessages: 3, flushMs: 500 },
  })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  const flushed: number[] = []
  for (const values of [['a'], ['b'], ['c', 'd'], ['e']]) {
    await append(store, log, batch(values))
    flushed.push(log.flushedOffset)
  }
  assert.deepEqual(flushed, [0, 0, 4, 4])
  await store.flushDue()
  assert.equal(log.flushedOffset, 4)
  clock.advance(500)
  await store.flushDue()
  assert.equal(log.flushedOffset, 5)
  clock.advance(10_000)
  await append(store, log, batch(['f']))
  await store.flushDue()
  assert.equal(log.flushedOffset, 5)
  await store.close()
})

test("a batch that the topic's compression.type makes too large is refused", async (t) => {
  const config = { compression: Compression.none, maxMessageBytes: 10_000 }
  const store = await open(await temporaryFolder(t), { config })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  const zipped = (byteCount: number): Buffer => {
    const builder = new BatchBuilder({ compression: Compression.gzip })
    builder.append(null, Buffer.alloc(byteCount), [], clock.nowMs())
    return builder.build()
  }
  assert.throws(() => log.append(zipped(20_000)), { code: 'KAFKA_MESSAGE_TOO_LARGE' })
  assert.equal(log.append(zipped(9_000)).baseOffset, 0)
  await store.close()
})

for (const to of [Compression.gzip, Compression.zstd])
  test(`a topic's compression.${to === Compression.gzip ? 'gzip' : 'zstd'}.level is followed`, async (t) => {
    const store = await open(await temporaryFolder(t), { config: { compression: to } })
    const log = await store.create({ topic: 't', partition: 0, topicId })
    const words = range(0, 4_000).map((i) => `word ${(i * 7_919) % 1_009} of ${i % 13}`)
    const sizes: number[] = []
    for (const compressionLevel of [1, 9]) {
      log.config = { ...log.config, compressionLevel }
      const offset = await append(store, log, batch(words))
      const bytes = await read(log, offset, 1)
      checkBatch(bytes, [...batchHeaders(bytes)][0]!)
      sizes.push(bytes.byteLength)
    }
    assert.ok(sizes[1]! < sizes[0]!, `${sizes}`)
    await store.close()
  })

for (const from of [Compression.none, Compression.lz4])
  for (const to of [Compression.none, Compression.gzip, Compression.snappy, Compression.zstd])
    test(`a topic's compression.type is followed, from ${from} to ${to}`, async (t) => {
      const store = await open(await temporaryFolder(t), { config: { compression: to } })
      const log = await store.create({ topic: 't', partition: 0, topicId })
      const builder = new BatchBuilder({
        compression: from,
        producerId: 3n,
        producerEpoch: 1,
        baseSequence: 0,
      })
      const headers = [['h', 'v']] as const
      builder.append('a', 'x'.repeat(500), headers, 1_000)
      builder.append(null, null, [], 2_000)
      const sent = builder.build()
      const again = Buffer.from(sent)
      await append(store, log, sent)
      assert.equal(log.append(again).isDuplicate, true)
      const bytes = await read(log, 0, 10_000)
      const [header] = [...batchHeaders(bytes)]
      assert.equal(header?.compression, to)
      checkBatch(bytes, header!)
      const [first, second] = decodeRecordsOf(bytes, header!)
      assert.deepEqual(
        [String(first?.key), first?.value?.byteLength, first?.timestamp],
        ['a', 500, 1_000],
      )
      assert.equal(String(first?.headers.entries[0]?.[1]), 'v')
      assert.deepEqual([second?.key, second?.value, second?.timestamp], [null, null, 2_000])
      await store.close()
    })
