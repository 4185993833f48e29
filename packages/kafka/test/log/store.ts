import assert from 'node:assert/strict'
import { type Logger, silentLogger } from '@khlong/core'
import { BufferPool } from '@khlong/core/bytes'
import { FakeClock } from '@khlong/core/testing'
import { batchHeaders } from '@khlong/kafka-protocol/records'
import type { FlushMode } from '../../src/log/committer.ts'
import { HeldMemory } from '../../src/log/held-memory.ts'
import type { LogConfig } from '../../src/log/log-config.ts'
import { LogStore } from '../../src/log/log-store.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import type { ReadOptions } from '../../src/log/segment-read.ts'

// A log store on a clock that stands still.

const config: LogConfig = {
  segmentBytes: 1_000_000,
  segmentMs: 7 * 86_400_000,
  indexIntervalBytes: 4096,
  indexBytesMax: 10_000_000,
  retentionMs: -1,
  retentionBytes: -1,
  isCompacted: false,
  isDeleted: true,
  deleteRetentionMs: 86_400_000,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  minCleanableDirtyRatio: 0.5,
  maxMessageBytes: 1_048_588,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  compression: undefined,
  compressionLevel: undefined,
  minInSyncReplicas: 1,
  isLogAppendTime: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
}
export const clock: FakeClock = new FakeClock()

export const memory: BufferPool = new BufferPool({
  keptBytesMax: 1 << 20,
  stepBytes: 16_384,
  largeStepBytes: 65_536,
  pooledBytesMin: 0,
})

/** Batches from an offset on, in memory of their own. */
export async function read(
  log: PartitionLog,
  offset: number,
  byteCount: number,
  options: Partial<ReadOptions> = {},
): Promise<Buffer> {
  const held = new HeldMemory()
  try {
    return Buffer.concat(await log.read(offset, byteCount, held, options))
  } finally {
    held.release()
  }
}

export interface Opening {
  config?: Partial<LogConfig>
  flushMode?: FlushMode
  tailBytesMax?: number
  logger?: Logger
  onFailure?: (error: unknown) => void
}

export function open(folder: string, opening: Opening = {}): Promise<LogStore> {
  return LogStore.open({
    folder,
    flushMode: opening.flushMode ?? 'all',
    tailBytesMax: opening.tailBytesMax ?? 1_000_000,
    memory,
    openFilesMax: 8,
    journalBytesMax: 20_000,
    clock,
    logger: opening.logger ?? silentLogger,
    configOf: () => ({ ...config, ...opening.config }),
    onFailure:
      opening.onFailure ??
      ((error) => {
        throw error
      }),
  })
}

export const topicId: string = Buffer.alloc(16, 7).toString('base64url')

export async function append(store: LogStore, log: PartitionLog, records: Buffer): Promise<number> {
  const { baseOffset } = log.append(records)
  const round = store.committer.enqueue(log)
  await round.flushed
  assert.equal(round.failures.size, 0)
  return baseOffset
}

export async function offsetsFrom(log: PartitionLog, from: number): Promise<number[]> {
  const offsets: number[] = []
  for (let next = from; next < log.highWatermark; ) {
    const bytes = await read(log, next, 1_000)
    assert.ok(bytes.byteLength > 0, `nothing at offset ${next}`)
    for (const header of batchHeaders(bytes))
      for (let offset = header.baseOffset; offset <= header.lastOffset; offset++)
        if (offset >= next) offsets.push(offset)
    next = offsets.at(-1)! + 1
  }
  return offsets
}
export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)
