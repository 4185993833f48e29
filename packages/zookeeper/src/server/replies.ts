import type { Writer } from '@khlong/core/bytes'
import { ErrorCode, OpCode } from '../protocol/codes.ts'
import { writeStat, writeString } from '../protocol/jute.ts'
import type { OpResult } from '../state/state.ts'

/** ReplyHeader: int xid, long zxid, int err. */
export function writeReplyHeader(writer: Writer, xid: number, zxid: number, code: number): void {
  writer.int32(xid).int64(zxid).int32(code)
}

/** MultiHeader: int type, boolean done, int err. */
export function writeMultiHeader(writer: Writer, type: number, code: number): void {
  writer.int32(type).boolean(false).int32(code)
}
export function writeMultiEnd(writer: Writer): void {
  writer.int32(-1).boolean(true).int32(-1)
}
export function writeMultiError(writer: Writer, code: number): void {
  writeMultiHeader(writer, OpCode.error, code)
  writer.int32(code)
}

/** The content of a reply to one write that succeeded. */
export function writeResult(writer: Writer, result: OpResult): void {
  if (result.path !== undefined) writeString(writer, result.path)
  if (result.stat !== undefined && result.type !== OpCode.create) writeStat(writer, result.stat)
}

export function writeMultiResults(writer: Writer, results: readonly OpResult[]): void {
  for (const result of results) {
    if (result.type === OpCode.error) writeMultiError(writer, result.code)
    else {
      writeMultiHeader(writer, result.type, ErrorCode.ok)
      writeResult(writer, result)
    }
  }
  writeMultiEnd(writer)
}
