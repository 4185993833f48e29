import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { FakeClock } from '@khlong/core/testing'
import { BatchBuilder, batchHeaders, decodeRecordsOf } from '@khlong/kafka-protocol/records'
import fc from 'fast-check'
import { cleanLog } from '../../src/log/cleaner.ts'
import { LogStore } from '../../src/log/log-store.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { abortedTransactions } from '../../src/log/segment-read.ts'
import { resolveKafkaOptions } from '../../src/options.ts'
import { resolveLogConfig } from '../../src/state/topic-configs.ts'
import { dataFolder } from '../helpers.ts'
import { memory, read } from './store.ts'

const clock = new FakeClock()
const config = {
  ...resolveLogConfig(resolveKafkaOptions({}), { 'cleanup.policy': 'compact' }),
  segmentBytes: 300,
  minCleanableDirtyRatio: 0,
}

function open(folder: string): Promise<LogStore> {
  return LogStore.open({
    folder,
    flushMode: 'none',
    tailBytesMax: 0,
    memory,
    openFilesMax: 8,
    journalBytesMax: 1_000_000,
    clock,
    logger: silentLogger,
    configOf: () => config,
    onFailure: (error) => {
      throw error
    },
  })
}

async function contents(log: PartitionLog): Promise<[number, string, string | undefined][]> {
  const found: [number, string, string | undefined][] = []
  for (let offset = log.logStartOffset; offset < log.highWatermark; ) {
    const bytes = await read(log, offset, 10_000)
    if (bytes.byteLength === 0) break
    for (const header of batchHeaders(bytes)) {
      offset = header.lastOffset + 1
      for (const record of decodeRecordsOf(bytes, header))
        found.push([record.offset, String(record.key), record.value?.toString()])
    }
  }
  return found
}

test('compaction keeps the last record of each key at its offset, also over a restart', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.option(fc.nat(99))), {
          minLength: 1,
          maxLength: 4,
        }),
        { minLength: 1, maxLength: 25 },
      ),
      async (batches) => {
        const folder = dataFolder()
        const store = await open(folder)
        const topicId = Buffer.alloc(16, 3).toString('base64url')
        const log = await store.create({ topic: 't', partition: 0, topicId })
        const last = new Map<string, [number, string | undefined]>()
        for (const records of batches) {
          const builder = new BatchBuilder()
          for (const [key, number] of records)
            builder.append(key, number === null ? null : `${number}`, [], clock.nowMs())
          const { baseOffset } = log.append(builder.build())
          await store.committer.enqueue(log).flushed
          for (const [index, [key, number]] of records.entries())
            last.set(key, [baseOffset + index, number === null ? undefined : `${number}`])
        }
        log.roll()
        await log.checkpoint()
        // Old enough for tombstones to go, too.
        clock.advance(config.deleteRetentionMs + 1)
        cleanLog(log, clock.nowMs())
        const expected = [...last]
          .map(([key, [offset, value]]): [number, string, string | undefined] => [
            offset,
            key,
            value,
          ])
          .filter(([, , value]) => value !== undefined)
          .sort(([a], [b]) => a - b)
        assert.deepEqual(await contents(log), expected)
        const endOffset = log.logEndOffset
        await store.close()
        const again = await open(folder)
        const found = again.get('t', 0)!
        assert.deepEqual(await contents(found), expected)
        assert.equal(found.logEndOffset, endOffset)
        await again.close()
      },
    ),
    { numRuns: 25 },
  )
})

test('compaction drops what was aborted, hides nothing that was committed, and drops markers in the end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          producer: fc.integer({ min: 1, max: 3 }),
          keys: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
          /** How the transaction ends after it; null where it goes on. */
          isCommit: fc.option(fc.boolean()),
        }),
        { minLength: 1, maxLength: 16 },
      ),
      async (steps) => {
        const folder = dataFolder()
        const store = await open(folder)
        const log = await store.create({
          topic: 't',
          partition: 0,
          topicId: Buffer.alloc(16, 3).toString('base64url'),
        })
        const sequences = new Map<number, number>()
        const unended = new Map<number, [string, string, number][]>()
        /** The last in the log, whenever its transaction ended. */
        const newest = new Map<string, [string, number]>()
        const end = (producer: number, isCommit: boolean): void => {
          const producerId = BigInt(producer)
          log.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, isCommit })
          if (isCommit)
            for (const [key, value, offset] of unended.get(producer) ?? [])
              if (offset >= (newest.get(key)?.[1] ?? 0)) newest.set(key, [value, offset])
          unended.delete(producer)
        }
        const write = async (): Promise<void> => {
          await store.committer.enqueue(log).flushed
        }
        for (const [at, { producer, keys, isCommit }] of steps.entries()) {
          const baseSequence = sequences.get(producer) ?? 0
          const builder = new BatchBuilder({
            producerId: BigInt(producer),
            producerEpoch: 0,
            baseSequence,
            isTransactional: true,
          })
          const mine = unended.get(producer) ?? []
          unended.set(producer, mine)
          for (const key of keys) {
            builder.append(key, `${at}`.padEnd(20), [], clock.nowMs())
            mine.push([key, `${at}`.padEnd(20), log.logEndOffset])
          }
          sequences.set(producer, baseSequence + keys.length)
          log.append(builder.build())
          if (isCommit !== null) end(producer, isCommit)
          await write()
          if (at % 7 === 6) cleanLog(log, clock.nowMs())
        }
        for (const producer of [...unended.keys()]) end(producer, producer === 2)
        await write()
        for (let round = 0; round < 3; round++) {
          await log.checkpoint()
          log.roll()
          await log.checkpoint()
          cleanLog(log, clock.nowMs())
          clock.advance(100_000_000)
          // Something must be dirty, or there is nothing to clean.
          const filler = new BatchBuilder()
          filler.append('filler', `${round}`, [], clock.nowMs())
          log.append(filler.build())
          await write()
          const found = new Map<string, string>()
          const bytes = Buffer.concat(await readCommitted(log))
          for (const header of batchHeaders(bytes))
            if (!header.isControl)
              for (const { key, value } of decodeRecordsOf(bytes, header))
                found.set(String(key), String(value))
          found.delete('filler')
          assert.deepEqual(
            [...found].sort(),
            [...newest].map(([key, [value]]) => [key, value]).sort(),
          )
        }
        const rest = Buffer.concat(await readCommitted(log))
        const markers = [...batchHeaders(rest)].filter(
          (header, index, all) =>
            header.isControl &&
            !all.slice(0, index).some((one) => one.producerId === header.producerId),
        )
        assert.deepEqual(markers, [])
        await store.close()
      },
    ),
    { numRuns: 8 },
  )
})

/** Every batch that a consumer with read_committed would give. */
async function readCommitted(log: PartitionLog): Promise<Buffer[]> {
  const found: Buffer[] = []
  for (let offset = log.logStartOffset; offset < log.lastStableOffset; ) {
    const bytes = await read(log, offset, 100_000, { limitOffset: log.lastStableOffset })
    if (bytes.byteLength === 0) break
    const all = [...batchHeaders(bytes)]
    const aborted = abortedTransactions(log, offset, all.at(-1)!.lastOffset + 1)
    for (const header of all) {
      offset = header.lastOffset + 1
      const isAborted = aborted.some(
        ({ producerId, firstOffset, lastOffset }) =>
          producerId === header.producerId &&
          firstOffset <= header.baseOffset &&
          header.baseOffset < lastOffset,
      )
      if (!isAborted)
        found.push(bytes.subarray(header.position, header.position + header.byteCount))
    }
  }
  return found
}

/** Segments of two batches each: one of many small records, and one that a short read cannot take whole. */
async function segmentsOfTwo(log: PartitionLog, store: LogStore, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const small = new BatchBuilder()
    for (const key of ['a', 'b', 'c', 'd']) small.append(key, `${index}`, [], clock.nowMs())
    const large = new BatchBuilder()
    large.append(`large ${index}`, 'x'.repeat(30_000), [], clock.nowMs())
    for (const batch of [small.build(), large.build()]) {
      log.append(batch)
      await store.committer.enqueue(log).flushed
    }
    log.roll()
  }
  await log.checkpoint()
}

test('a read under way is not touched by compaction', async () => {
  const store = await open(dataFolder())
  const topicId = Buffer.alloc(16, 4).toString('base64url')
  const log = await store.create({ topic: 't', partition: 0, topicId })
  log.config = { ...config, segmentBytes: 100_000 }
  await segmentsOfTwo(log, store, 3)
  // The large batch of the first segment takes a second read, which compaction comes before.
  const reading = read(log, 4, 100)
  assert.ok(cleanLog(log, clock.nowMs()) > 0)
  const found = await reading
  const [header] = [...batchHeaders(found)]
  assert.equal(decodeRecordsOf(found, header!)[0]?.key?.toString(), 'large 0')
  assert.deepEqual(
    (await contents(log)).filter(([, key]) => key.startsWith('large')).map(([offset]) => offset),
    [4, 9, 14],
  )
  await store.close()
})

test('what retention removes during a read neither comes back as a file nor makes the read skip records', async () => {
  const folder = dataFolder()
  const store = await open(folder)
  const topicId = Buffer.alloc(16, 5).toString('base64url')
  const log = await store.create({ topic: 't', partition: 0, topicId })
  log.config = { ...config, segmentBytes: 100_000 }
  await segmentsOfTwo(log, store, 4)
  const names = (): string[] => readdirSync(log.folder).filter((name) => name.endsWith('.log'))
  // The first segment is removed while its large batch is read, which is given all the same.
  const reading = read(log, 4, 100)
  log.deleteBefore(5)
  const found = await reading
  assert.equal([...batchHeaders(found)][0]?.baseOffset, 4)
  assert.deepEqual(names().length, log.segments.length)
  await assert.rejects(read(log, 4, 100), { code: 'KAFKA_OFFSET_OUT_OF_RANGE' })
  await store.close()
  assert.deepEqual(names().length, log.segments.length)
})
