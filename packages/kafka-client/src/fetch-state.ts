import type { FetchedChunk } from './fetched-chunk.ts'
import type { OffsetSpec } from './offsets.ts'

/**
 * One partition that is read.
 *
 * Invariants: `position` is what the reader has been given up to, `fetchOffset` what was fetched up
 * to, and the chunks hold what lies between. A seek begins a new `epoch`; what comes back from a
 * fetch of an older one is dropped.
 */
export class FetchState {
  readonly topic: string
  readonly partition: number
  position = -1
  /** -1 while it has to be found by `reset`. */
  fetchOffset = -1
  reset: OffsetSpec | undefined
  epoch = 0
  isPaused = false
  isFetching = false
  /** Nothing is fetched before this time. */
  pausedUntilMs = 0
  failures = 0
  chunks: FetchedChunk[] = []
  bufferedBytes = 0
  highWatermark = -1
  logStartOffset = -1

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  seek(target: OffsetSpec, isOffset: boolean): void {
    this.epoch++
    for (const chunk of this.chunks) chunk.release()
    this.chunks = []
    this.bufferedBytes = 0
    this.pausedUntilMs = 0
    if (isOffset) {
      this.position = target as number
      this.fetchOffset = target as number
      this.reset = undefined
    } else {
      this.position = -1
      this.fetchOffset = -1
      this.reset = target
    }
  }

  push(chunk: FetchedChunk, nextOffset: number): void {
    this.chunks.push(chunk)
    this.bufferedBytes += chunk.byteCount
    this.fetchOffset = nextOffset
  }

  /** Drops the first chunk and gives the bytes that are free again. */
  shift(): number {
    const chunk = this.chunks.shift()
    if (!chunk) return 0
    this.bufferedBytes -= chunk.byteCount
    chunk.release()
    return chunk.byteCount
  }
}

/** The offset behind the last whole batch in `bytes`; -1 where there is none. */
export function endOffsetOf(bytes: Buffer): number {
  let end = -1
  let at = 0
  while (bytes.byteLength - at >= 61) {
    const next = at + 12 + bytes.readInt32BE(at + 8)
    if (next > bytes.byteLength || next <= at) break
    end = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1
    at = next
  }
  return end
}
