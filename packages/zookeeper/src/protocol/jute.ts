import type { Reader, Writer } from '@khlong/core/bytes'

// Jute, ZooKeeper's serialisation: big-endian integers; a string, buffer or vector is an int32 length
// and its content; the length -1 stands for null.

/** One identity of a scheme: `{scheme: 'world', id: 'anyone'}`. */
export interface AuthId {
  readonly scheme: string
  readonly id: string
}

/** What one identity may do: bits of `Permission`. */
export interface AclEntry {
  readonly perms: number
  readonly scheme: string
  readonly id: string
}
export type Acl = readonly AclEntry[]

/** What a client sees of a znode beside its data. Zxids and times are safe integers. */
export interface Stat {
  readonly czxid: number
  readonly mzxid: number
  readonly ctime: number
  readonly mtime: number
  readonly version: number
  readonly cversion: number
  readonly aversion: number
  readonly ephemeralOwner: bigint
  readonly dataLength: number
  readonly numChildren: number
  readonly pzxid: number
}

/** A string; null is read as an empty one. */
export function readString(reader: Reader): string {
  const byteCount = reader.int32()
  return byteCount < 0 ? '' : reader.utf8(byteCount)
}

/** A znode's path, which must not be null. */
export function readPath(reader: Reader): string {
  const byteCount = reader.int32()
  if (byteCount < 0) reader.fail('null instead of a path')
  return byteCount < 0 ? '' : reader.utf8(byteCount)
}

/** A buffer, borrowed from the reader's bytes. */
export function readBuffer(reader: Reader): Buffer | null {
  const byteCount = reader.int32()
  return byteCount < 0 ? null : reader.slice(byteCount)
}

export function readStrings(reader: Reader): string[] {
  const length = reader.int32()
  const strings: string[] = []
  for (let left = reader.count(Math.max(0, length), 4); left > 0; left--)
    strings.push(readString(reader))
  return strings
}

export function readAcl(reader: Reader): AclEntry[] {
  const length = reader.int32()
  const acl: AclEntry[] = []
  for (let left = reader.count(Math.max(0, length), 12); left > 0; left--)
    acl.push({ perms: reader.int32(), scheme: readString(reader), id: readString(reader) })
  return acl
}

export function writeString(writer: Writer, text: string): void {
  const at = writer.reserve(4)
  writer.setInt32(at, writer.utf8(text))
}

export function writeBuffer(writer: Writer, bytes: Uint8Array | null): void {
  if (bytes === null) writer.int32(-1)
  else writer.int32(bytes.byteLength).raw(bytes)
}

export function writeStrings(writer: Writer, strings: Iterable<string>): void {
  const at = writer.reserve(4)
  let length = 0
  for (const text of strings) {
    writeString(writer, text)
    length++
  }
  writer.setInt32(at, length)
}

export function writeAcl(writer: Writer, acl: Acl): void {
  writer.int32(acl.length)
  for (const entry of acl) {
    writer.int32(entry.perms)
    writeString(writer, entry.scheme)
    writeString(writer, entry.id)
  }
}

export function writeStat(writer: Writer, stat: Stat): void {
  writer.int64(stat.czxid).int64(stat.mzxid).int64(stat.ctime).int64(stat.mtime)
  writer.int32(stat.version).int32(stat.cversion).int32(stat.aversion)
  writer.bigint64(stat.ephemeralOwner).int32(stat.dataLength).int32(stat.numChildren)
  writer.int64(stat.pzxid)
}
