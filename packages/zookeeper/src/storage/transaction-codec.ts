import type { Reader, Writer } from '@khlong/core/bytes'
import {
  type Acl,
  readAcl,
  readBuffer,
  readString,
  writeAcl,
  writeBuffer,
  writeString,
} from '../protocol/jute.ts'
import { openAcl } from '../state/acl.ts'
import type { Change, Transaction } from '../state/transaction.ts'

// A transaction in the log: int64 zxid, int64 time, int32 count of changes, and each change as a kind
// (one byte) and its fields in jute's forms. See docs/formats/zookeeper.md.
const Kind = {
  create: 1,
  delete: 2,
  setData: 3,
  setAcl: 4,
  createSession: 5,
  closeSession: 6,
} as const

export function writeTransaction(writer: Writer, transaction: Transaction): void {
  writer.int64(transaction.zxid).int64(transaction.timeMs).int32(transaction.changes.length)
  for (const change of transaction.changes) writeChange(writer, change)
}

function writeChange(writer: Writer, change: Change): void {
  writer.uint8(Kind[change.kind])
  switch (change.kind) {
    case 'create':
      writeString(writer, change.path)
      writeBuffer(writer, change.data)
      writeAcl(writer, change.acl)
      writer.bigint64(change.owner)
      break
    case 'delete':
      writeString(writer, change.path)
      break
    case 'setData':
      writeString(writer, change.path)
      writeBuffer(writer, change.data)
      break
    case 'setAcl':
      writeString(writer, change.path)
      writeAcl(writer, change.acl)
      break
    case 'createSession':
      writer.bigint64(change.sessionId).int32(change.timeoutMs)
      break
    case 'closeSession':
      writer.bigint64(change.sessionId)
      break
  }
}

/** Reads a transaction; what it holds is owned. A kind that is unknown is a problem of the reader. */
export function readTransaction(reader: Reader): Transaction {
  const zxid = reader.int64()
  const timeMs = reader.int64()
  const changes: Change[] = []
  for (let left = reader.count(reader.int32(), 5); left > 0 && !reader.failed; left--) {
    const change = readChange(reader)
    if (change) changes.push(change)
  }
  return { zxid, timeMs, changes }
}

function readChange(reader: Reader): Change | undefined {
  const kind = reader.uint8()
  switch (kind) {
    case Kind.create:
      return {
        kind: 'create',
        path: readString(reader),
        data: readOwned(reader),
        acl: readStoredAcl(reader),
        owner: reader.bigint64(),
      }
    case Kind.delete:
      return { kind: 'delete', path: readString(reader) }
    case Kind.setData:
      return { kind: 'setData', path: readString(reader), data: readOwned(reader) }
    case Kind.setAcl:
      return { kind: 'setAcl', path: readString(reader), acl: readStoredAcl(reader) }
    case Kind.createSession:
      return { kind: 'createSession', sessionId: reader.bigint64(), timeoutMs: reader.int32() }
    case Kind.closeSession:
      return { kind: 'closeSession', sessionId: reader.bigint64() }
    default:
      reader.fail(`change of kind ${kind}`)
      return undefined
  }
}

export function readOwned(reader: Reader): Buffer | null {
  const data = readBuffer(reader)
  return data === null ? null : Buffer.from(data)
}

/** An ACL; the most frequent one is shared by all znodes that have it. */
export function readStoredAcl(reader: Reader): Acl {
  const acl = readAcl(reader)
  const [only] = acl
  const isOpen =
    acl.length === 1 && only?.perms === 31 && only.scheme === 'world' && only.id === 'anyone'
  return isOpen ? openAcl : acl
}
