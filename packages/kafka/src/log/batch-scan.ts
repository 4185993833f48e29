import { readSync } from 'node:fs'
import {
  type BatchHeader,
  batchHeaderBytes,
  checkBatch,
  RecordsError,
  readBatchHeader,
} from '@khlong/kafka-protocol/records'

const chunkBytes = 256 * 1024
/** A batch larger than this cannot have been accepted; a length beyond it is damage. */
const batchBytesMax = 1024 * 1024 * 1024

/** How a walk over a segment file ended. */
export interface ScanEnd {
  /** Where the first byte lies that is not part of a whole, valid batch. */
  readonly position: number
  /** What was wrong there; undefined at the end of the file. */
  readonly problem?: string
}

export interface ScanOptions {
  readonly fd: number
  readonly position: number
  readonly fileBytes: number
  /** Verify checksums; else only the headers are looked at. */
  readonly isVerified: boolean
}

/**
 * Walks the batches of a segment file. `visit` gets each header with its position in the file, and the
 * batch's bytes, borrowed until it returns (only its header where checksums are not verified and it is no
 * control batch); it may end the walk by giving false.
 */
export function scanBatches(
  options: ScanOptions,
  visit: (header: BatchHeader, batch: Buffer) => boolean | undefined,
): ScanEnd {
  const { fd, fileBytes } = options
  let position = options.position
  let buffer: Buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(1, fileBytes - position)))
  let bufferPosition = position
  let bufferEnd = position
  const have = (byteCount: number): boolean => {
    if (position + byteCount <= bufferEnd) return true
    if (position + byteCount > fileBytes) return false
    if (byteCount > buffer.byteLength) buffer = Buffer.allocUnsafe(byteCount)
    bufferPosition = position
    bufferEnd = position + readFully(fd, buffer, position, fileBytes)
    return position + byteCount <= bufferEnd
  }
  while (position < fileBytes) {
    if (!have(batchHeaderBytes)) return { position, problem: 'the last batch is cut' }
    try {
      const relative = readBatchHeader(buffer, position - bufferPosition)
      if (relative.byteCount > batchBytesMax)
        return { position, problem: `batch of ${relative.byteCount} bytes` }
      if (position + relative.byteCount > fileBytes)
        return { position, problem: 'the last batch is cut' }
      if (options.isVerified || relative.isControl) have(relative.byteCount)
      const at = position - bufferPosition
      const header = { ...relative, position: at }
      if (options.isVerified) checkBatch(buffer, header)
      const goesOn = visit(
        { ...header, position },
        buffer.subarray(at, Math.min(at + header.byteCount, bufferEnd - bufferPosition)),
      )
      position += header.byteCount
      if (goesOn === false) return { position }
    } catch (error) {
      if (error instanceof RecordsError) return { position, problem: error.message }
      throw error
    }
  }
  return { position }
}

function readFully(fd: number, buffer: Buffer, position: number, fileBytes: number): number {
  const wanted = Math.min(buffer.byteLength, fileBytes - position)
  let read = 0
  while (read < wanted) {
    const count = readSync(fd, buffer, read, wanted - read, position + read)
    if (count === 0) break
    read += count
  }
  return read
}
