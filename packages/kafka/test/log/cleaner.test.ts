import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { FakeClock } from '@khlong/core/testing'
import { BatchBuilder, batchHeaders, decodeRecordsOf } from '@khlong/kafka-protocol/records'
import fc from 'fast-check'
import { cleanLog } from '../../src/log/cleaner.ts'
import { LogStore } from '../../src/log/log-store.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { resolveKafkaOptions } from '../../src/options.ts'
import { resolveLogConfig } from '../../src/state/topic-configs.ts'
import { dataFolder } from '../helpers.ts'

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
    const bytes = Buffer.concat(await log.read(offset, 10_000, true))
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
        const log = store.create({ topic: 't', partition: 0, topicId })
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
