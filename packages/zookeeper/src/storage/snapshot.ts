import { Reader, Writer } from '@khlong/core/bytes'
import { ZooKeeperError } from '../errors.ts'
import { readString, writeAcl, writeBuffer, writeString } from '../protocol/jute.ts'
import { DataTree } from '../state/data-tree.ts'
import type { State } from '../state/state.ts'
import type { Znode } from '../state/znode.ts'
import { beginFrame, endFrame, frameAt, frameHeaderBytes } from './frame.ts'
import { checkHeader, fileHeaderBytes, snapshotMagic, writeHeader } from './header.ts'
import { readOwned, readStoredAcl } from './transaction-codec.ts'

/** What a snapshot file holds. */
export interface Snapshot {
  readonly tree: DataTree
  readonly lastZxid: number
  readonly lastSessionId: bigint
  /** With which the passwords of sessions are made. */
  readonly secret: Buffer
  readonly sessions: readonly { id: bigint; timeoutMs: number }[]
}

// Frames of about this size, so that neither writing nor reading needs one piece of memory for all.
const frameBytesAim = 1 << 20

/** The bytes of a snapshot file: one frame about the server and its sessions, then frames of znodes. */
export function encodeSnapshot(state: State, secret: Buffer): Buffer[] {
  const writer = new Writer(4096)
  const frames: Buffer[] = []
  writeHeader(writer, snapshotMagic)
  let at = beginFrame(writer)
  writer.int64(state.lastZxid).bigint64(state.lastSessionId)
  writeBuffer(writer, secret)
  writer.int32(state.sessions.count)
  for (const session of state.sessions.all()) writer.bigint64(session.id).int32(session.timeoutMs)
  writer.int64(state.tree.size)
  endFrame(writer, at)
  frames.push(writer.take())
  at = beginFrame(writer)
  // A parent stands before its children, for it was put into the map before them.
  for (const [path, node] of state.tree.entries()) {
    writeZnode(writer, path, node)
    if (writer.position < frameBytesAim) continue
    endFrame(writer, at)
    frames.push(writer.take())
    at = beginFrame(writer)
  }
  endFrame(writer, at)
  frames.push(writer.take())
  return frames
}

/** @throws ZooKeeperError `ZOOKEEPER_SNAPSHOT_DAMAGED`, `ZOOKEEPER_FORMAT_UNKNOWN` */
export function decodeSnapshot(bytes: Buffer, file: string): Snapshot {
  checkHeader(bytes, snapshotMagic, file)
  let position = fileHeaderBytes
  const next = (): Reader => {
    const payload = frameAt(bytes, position)
    if (!payload) throw damaged(file, position)
    position += frameHeaderBytes + payload.byteLength
    return new Reader(payload)
  }
  const head = next()
  const lastZxid = head.int64()
  const lastSessionId = head.bigint64()
  const secret = readOwned(head) ?? Buffer.alloc(0)
  const sessions: { id: bigint; timeoutMs: number }[] = []
  for (let left = head.count(head.int32(), 12); left > 0; left--)
    sessions.push({ id: head.bigint64(), timeoutMs: head.int32() })
  let left = head.int64()
  head.finish()
  const tree = new DataTree()
  while (left > 0) {
    const reader = next()
    while (reader.remaining > 0) {
      const path = readString(reader)
      tree.restore(path, readZnode(reader))
      left--
    }
    reader.finish()
  }
  if (left !== 0 || !tree.get('/')) throw damaged(file, position)
  return { tree, lastZxid, lastSessionId, secret, sessions }
}

function writeZnode(writer: Writer, path: string, node: Znode): void {
  writeString(writer, path)
  writeBuffer(writer, node.data)
  writeAcl(writer, node.acl)
  writer.int64(node.czxid).int64(node.mzxid).int64(node.ctime).int64(node.mtime)
  writer.int32(node.version).int32(node.createCount).int32(node.aversion)
  writer.bigint64(node.ephemeralOwner).int64(node.pzxid)
}

function readZnode(reader: Reader): Znode {
  return {
    data: readOwned(reader),
    acl: readStoredAcl(reader),
    czxid: reader.int64(),
    mzxid: reader.int64(),
    ctime: reader.int64(),
    mtime: reader.int64(),
    version: reader.int32(),
    createCount: reader.int32(),
    aversion: reader.int32(),
    ephemeralOwner: reader.bigint64(),
    pzxid: reader.int64(),
    children: undefined,
  }
}

function damaged(file: string, position: number): ZooKeeperError {
  return new ZooKeeperError(
    'ZOOKEEPER_SNAPSHOT_DAMAGED',
    `${file} is damaged at byte ${position}; an older snapshot with its logs may be sound`,
    { fields: { file, position } },
  )
}
