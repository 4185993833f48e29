import type { Reader } from '@khlong/core/bytes'
import { OpCode } from './codes.ts'
import { type AclEntry, readAcl, readBuffer, readPath, readString, readStrings } from './jute.ts'

/** The first packet of a connection. */
export interface ConnectRequest {
  readonly protocolVersion: number
  readonly lastZxidSeen: bigint
  readonly timeoutMs: number
  readonly sessionId: bigint
  /** Borrowed. */
  readonly password: Buffer | null
  /** Undefined where the client is so old that it does not send the flag, and expects none back. */
  readonly readOnly: boolean | undefined
}

export interface CreateOp {
  readonly kind: 'create'
  readonly type: number
  readonly path: string
  readonly data: Buffer | null
  readonly acl: readonly AclEntry[]
  readonly flags: number
  /** -1 where the request has none. */
  readonly ttlMs: number
}
export interface DeleteOp {
  readonly kind: 'delete'
  readonly path: string
  readonly version: number
}
export interface SetDataOp {
  readonly kind: 'setData'
  readonly path: string
  readonly data: Buffer | null
  readonly version: number
}
export interface SetAclOp {
  readonly kind: 'setAcl'
  readonly path: string
  readonly acl: readonly AclEntry[]
  readonly version: number
}
export interface CheckOp {
  readonly kind: 'check'
  readonly path: string
  readonly version: number
}
/** One change, or a condition for others. Its data is borrowed. */
export type WriteOp = CreateOp | DeleteOp | SetDataOp | SetAclOp | CheckOp
export interface ReadOp {
  readonly type: typeof OpCode.getData | typeof OpCode.getChildren
  readonly path: string
  readonly watch: boolean
}

export interface SetWatchesRequest {
  readonly relativeZxid: bigint
  readonly data: readonly string[]
  readonly exist: readonly string[]
  readonly child: readonly string[]
  readonly persistent: readonly string[]
  readonly persistentRecursive: readonly string[]
}

/** ConnectRequest: int version, long lastZxidSeen, int timeOut, long sessionId, buffer passwd, [boolean readOnly]. */
export function readConnectRequest(reader: Reader): ConnectRequest {
  return {
    protocolVersion: reader.int32(),
    lastZxidSeen: reader.bigint64(),
    timeoutMs: reader.int32(),
    sessionId: reader.bigint64(),
    password: readBuffer(reader),
    readOnly: reader.remaining > 0 ? reader.boolean() : undefined,
  }
}

/** CreateRequest: ustring path, buffer data, vector<ACL> acl, int flags; CreateTTLRequest adds long ttl. */
export function readCreate(reader: Reader, type: number): CreateOp {
  return {
    kind: 'create',
    type,
    path: readPath(reader),
    data: readBuffer(reader),
    acl: readAcl(reader),
    flags: reader.int32(),
    ttlMs: type === OpCode.createTtl ? clampTtl(reader.bigint64()) : -1,
  }
}

// Far above any time to live that is allowed; the exact value of a refused one does not matter.
const ttlOutOfRange = Number.MAX_SAFE_INTEGER
const clampTtl = (ttl: bigint): number =>
  ttl > BigInt(ttlOutOfRange) || ttl < 0n ? ttlOutOfRange : Number(ttl)

export function readDelete(reader: Reader): DeleteOp {
  return { kind: 'delete', path: readPath(reader), version: reader.int32() }
}
export function readSetData(reader: Reader): SetDataOp {
  return {
    kind: 'setData',
    path: readPath(reader),
    data: readBuffer(reader),
    version: reader.int32(),
  }
}
export function readSetAcl(reader: Reader): SetAclOp {
  return { kind: 'setAcl', path: readPath(reader), acl: readAcl(reader), version: reader.int32() }
}
export function readCheck(reader: Reader): CheckOp {
  return { kind: 'check', path: readPath(reader), version: reader.int32() }
}

/**
 * The operations of a multi: MultiHeader (int type, boolean done, int err) and a request each, and a
 * last header that is done. An operation that cannot be part of one is a problem of the reader.
 */
export function readMulti(reader: Reader): WriteOp[] {
  const ops: WriteOp[] = []
  for (;;) {
    const type = reader.int32()
    const done = reader.boolean()
    reader.int32()
    if (done || reader.failed) return ops
    if (isCreate(type)) ops.push(readCreate(reader, type))
    else if (type === OpCode.delete) ops.push(readDelete(reader))
    else if (type === OpCode.setData) ops.push(readSetData(reader))
    else if (type === OpCode.check) ops.push(readCheck(reader))
    else reader.fail(`operation ${type} in a multi`)
  }
}

export function readMultiRead(reader: Reader): ReadOp[] {
  const ops: ReadOp[] = []
  for (;;) {
    const type = reader.int32()
    const done = reader.boolean()
    reader.int32()
    if (done || reader.failed) return ops
    if (type === OpCode.getData || type === OpCode.getChildren)
      ops.push({ type, path: readPath(reader), watch: reader.boolean() })
    else reader.fail(`operation ${type} in a multi of reads`)
  }
}

/** SetWatches: long relativeZxid and three vectors of paths; SetWatches2 adds two. */
export function readSetWatches(reader: Reader, type: number): SetWatchesRequest {
  const extended = type === OpCode.setWatches2
  return {
    relativeZxid: reader.bigint64(),
    data: readStrings(reader),
    exist: readStrings(reader),
    child: readStrings(reader),
    persistent: extended ? readStrings(reader) : [],
    persistentRecursive: extended ? readStrings(reader) : [],
  }
}

/** AuthPacket: int type, ustring scheme, buffer auth. */
export function readAuth(reader: Reader): { scheme: string; auth: Buffer } {
  reader.int32()
  return { scheme: readString(reader), auth: readBuffer(reader) ?? Buffer.alloc(0) }
}

export const isCreate = (type: number): boolean =>
  type === OpCode.create ||
  type === OpCode.create2 ||
  type === OpCode.createContainer ||
  type === OpCode.createTtl
