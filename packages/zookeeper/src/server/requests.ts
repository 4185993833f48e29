import { Reader, type Writer } from '@khlong/core/bytes'
import { AddWatchMode, ErrorCode, OpCode, Permission, WatcherType } from '../protocol/codes.ts'
import {
  readPath,
  readString,
  writeAcl,
  writeBuffer,
  writeStat,
  writeString,
  writeStrings,
} from '../protocol/jute.ts'
import {
  readAuth,
  readCheck,
  readCreate,
  readDelete,
  readMulti,
  readMultiRead,
  readSetAcl,
  readSetData,
  readSetWatches,
  type WriteOp,
} from '../protocol/requests.ts'
import { digestId, hideDigests, superId } from '../state/acl.ts'
import type { State } from '../state/state.ts'
import { WatchMode } from '../state/watches.ts'
import { statOf, type Znode } from '../state/znode.ts'
import type { Connection } from './connection.ts'
import {
  writeMultiEnd,
  writeMultiError,
  writeMultiHeader,
  writeMultiResults,
  writeReplyHeader,
  writeResult,
} from './replies.ts'

/** What the handlers need of the server. */
export interface RequestContext {
  readonly state: State
  readonly superDigest: string | undefined
  nowMs(): number
  onAuthFailure(connection: Connection): void
}

type Body = (writer: Writer) => void
/** What a request comes to: an error, or the content of its reply. */
type Outcome = ErrorCode | Body
interface Handler {
  /** As `cons` names it. */
  readonly name: string
  handle(context: RequestContext, connection: Connection, reader: Reader): Outcome
}

const nothing: Body = () => {}

/** Thrown by nothing else than {@link complete}: the request's bytes do not fit its kind. */
class MalformedRequest extends Error {}

function complete(reader: Reader): void {
  if (reader.failed) throw new MalformedRequest()
}

/**
 * Handles a packet of a connection that has a session, and puts the reply behind what it sends.
 * A kind of request that is unknown, or needs an ensemble, is refused by its code.
 */
export function handleRequest(
  context: RequestContext,
  connection: Connection,
  packet: Buffer,
): void {
  const reader = new Reader(packet)
  const xid = reader.int32()
  const type = reader.int32()
  if (reader.failed) {
    connection.destroy()
    return
  }
  const reply = (outcome: Outcome): void => {
    const code = typeof outcome === 'number' ? outcome : ErrorCode.ok
    const { lastZxid } = context.state
    connection.lastZxid = lastZxid
    connection.send((writer) => {
      writeReplyHeader(writer, xid, lastZxid, code)
      if (typeof outcome !== 'number') outcome(writer)
    })
  }
  if (type === OpCode.closeSession) {
    connection.lastOperation = 'CLOS'
    context.state.closeSession(connection.sessionId, context.nowMs())
    reply(nothing)
    connection.close()
    return
  }
  if (type === OpCode.auth) {
    const { scheme, auth } = readAuth(reader)
    const isKnown = !reader.failed && authenticate(context, connection, scheme, auth)
    reply(isKnown ? nothing : ErrorCode.authFailed)
    if (isKnown) return
    context.onAuthFailure(connection)
    connection.close()
    return
  }
  const handler = handlers.get(type)
  if (!handler) {
    reply(ErrorCode.unimplemented)
    connection.close()
    return
  }
  connection.lastOperation = handler.name
  reply(outcomeOf(handler, context, connection, reader))
}

function outcomeOf(
  handler: Handler,
  context: RequestContext,
  connection: Connection,
  reader: Reader,
): Outcome {
  try {
    return handler.handle(context, connection, reader)
  } catch (error) {
    if (error instanceof MalformedRequest) return ErrorCode.marshallingError
    throw error
  }
}

function authenticate(
  context: RequestContext,
  connection: Connection,
  scheme: string,
  auth: Buffer,
): boolean {
  const add = (id: { scheme: string; id: string }): void => {
    if (!connection.ids.some((own) => own.scheme === id.scheme && own.id === id.id))
      connection.ids.push(id)
  }
  if (scheme === 'ip') return true
  if (scheme !== 'digest') return false
  const id = digestId(auth.toString('utf8'))
  if (id === context.superDigest) add(superId)
  add({ scheme: 'digest', id })
  return true
}

const handlers = new Map<number, Handler>()
function register(
  type: number,
  name: string,
  handle: (context: RequestContext, connection: Connection, reader: Reader) => Outcome,
): void {
  handlers.set(type, { name, handle })
}

register(OpCode.ping, 'PING', () => nothing)

// Changes.

function registerWrite(type: number, name: string, read: (reader: Reader) => WriteOp): void {
  register(type, name, (context, connection, reader) => {
    const op = read(reader)
    complete(reader)
    const result = context.state.write(connection, op, context.nowMs())
    return result.code === ErrorCode.ok ? (writer) => writeResult(writer, result) : result.code
  })
}
for (const type of [OpCode.create, OpCode.create2, OpCode.createContainer, OpCode.createTtl])
  registerWrite(type, 'CREA', (reader) => readCreate(reader, type))
registerWrite(OpCode.delete, 'DELE', readDelete)
registerWrite(OpCode.setData, 'SETD', readSetData)
registerWrite(OpCode.setAcl, 'SETA', readSetAcl)
registerWrite(OpCode.check, 'CHEC', readCheck)

register(OpCode.multi, 'MULT', (context, connection, reader) => {
  const ops = readMulti(reader)
  complete(reader)
  const results = context.state.multi(connection, ops, context.nowMs())
  return (writer) => writeMultiResults(writer, results)
})

// Reads. A body is written before the next request is handled, so it may look at the znode itself.

/** The znode of a path if the caller has one of the permissions on it. */
function permitted(
  context: RequestContext,
  connection: Connection,
  path: string,
  perms: number,
): Znode | ErrorCode {
  const node = context.state.tree.get(path)
  if (!node) return ErrorCode.noNode
  return context.state.isAllowed(connection, node.acl, perms) ? node : ErrorCode.noAuth
}

function getData(
  context: RequestContext,
  connection: Connection,
  path: string,
  watch: boolean,
): Outcome {
  const node = permitted(context, connection, path, Permission.read)
  if (typeof node === 'number') return node
  if (watch) context.state.dataWatches.add(path, connection, WatchMode.once)
  return (writer) => {
    writeBuffer(writer, node.data)
    writeStat(writer, statOf(node))
  }
}

function getChildren(
  context: RequestContext,
  connection: Connection,
  path: string,
  watch: boolean,
  withStat: boolean,
): Outcome {
  const node = permitted(context, connection, path, Permission.read)
  if (typeof node === 'number') return node
  if (watch) context.state.childWatches.add(path, connection, WatchMode.once)
  return (writer) => {
    writeStrings(writer, node.children ?? [])
    if (withStat) writeStat(writer, statOf(node))
  }
}

register(OpCode.exists, 'EXIS', (context, connection, reader) => {
  const path = readPath(reader)
  const watch = reader.boolean()
  complete(reader)
  if (path.includes('\0')) return ErrorCode.badArguments
  const node = permitted(context, connection, path, Permission.read)
  if (node === ErrorCode.noAuth) return node
  // A watch on a path where nothing is tells of its creation.
  if (watch) context.state.dataWatches.add(path, connection, WatchMode.once)
  return typeof node === 'number' ? node : (writer) => writeStat(writer, statOf(node))
})

register(OpCode.getData, 'GETD', (context, connection, reader) => {
  const path = readPath(reader)
  const watch = reader.boolean()
  complete(reader)
  return getData(context, connection, path, watch)
})

for (const type of [OpCode.getChildren, OpCode.getChildren2])
  register(type, 'GETC', (context, connection, reader) => {
    const path = readPath(reader)
    const watch = reader.boolean()
    complete(reader)
    return getChildren(context, connection, path, watch, type === OpCode.getChildren2)
  })

register(OpCode.multiRead, 'MLTR', (context, connection, reader) => {
  const ops = readMultiRead(reader)
  complete(reader)
  const outcomes = ops.map(({ type, path, watch }) =>
    type === OpCode.getData
      ? getData(context, connection, path, watch)
      : getChildren(context, connection, path, watch, false),
  )
  return (writer) => {
    for (const [index, outcome] of outcomes.entries()) {
      if (typeof outcome === 'number') writeMultiError(writer, outcome)
      else {
        writeMultiHeader(writer, ops[index]!.type, ErrorCode.ok)
        outcome(writer)
      }
    }
    writeMultiEnd(writer)
  }
})

register(OpCode.getAcl, 'GETA', (context, connection, reader) => {
  const path = readPath(reader)
  complete(reader)
  const node = permitted(context, connection, path, Permission.read | Permission.admin)
  if (typeof node === 'number') return node
  const isAdmin = context.state.isAllowed(connection, node.acl, Permission.admin)
  return (writer) => {
    writeAcl(writer, isAdmin ? node.acl : hideDigests(node.acl))
    writeStat(writer, statOf(node))
  }
})

register(OpCode.getAllChildrenNumber, 'GETACN', (context, connection, reader) => {
  const path = readPath(reader)
  complete(reader)
  const node = permitted(context, connection, path, Permission.read)
  if (typeof node === 'number') return node
  return (writer) => writer.int32(context.state.tree.descendantCount(path))
})

register(OpCode.getEphemerals, 'GETE', (context, connection, reader) => {
  const prefix = readString(reader)
  complete(reader)
  const all = [...context.state.tree.ephemeralsOf(connection.sessionId)]
  const isAny = prefix.trim() === '' || prefix.trim() === '/'
  const found = isAny ? all : all.filter((path) => path.startsWith(prefix))
  return (writer) => writeStrings(writer, found)
})

register(OpCode.sync, 'SYNC', (_context, _connection, reader) => {
  const path = readString(reader)
  complete(reader)
  return (writer) => writeString(writer, path)
})

register(OpCode.whoAmI, 'HOMI', (_context, connection) => {
  return (writer) => {
    writer.int32(connection.ids.length)
    for (const { scheme, id } of connection.ids) {
      writeString(writer, scheme)
      writeString(writer, scheme === 'digest' ? id.slice(0, id.indexOf(':')) : id)
    }
  }
})

// Watches.

for (const type of [OpCode.setWatches, OpCode.setWatches2])
  register(type, 'SETW', (context, connection, reader) => {
    const request = readSetWatches(reader, type)
    complete(reader)
    context.state.setWatches(connection, request)
    return nothing
  })

register(OpCode.addWatch, 'ADDW', (context, connection, reader) => {
  const path = readPath(reader)
  const mode = reader.int32()
  complete(reader)
  if (mode === AddWatchMode.persistent)
    context.state.addWatch(connection, path, WatchMode.persistent)
  else if (mode === AddWatchMode.persistentRecursive)
    context.state.addWatch(connection, path, WatchMode.recursive)
  else return ErrorCode.marshallingError
  // ZooKeeper answers with an ErrorResponse of 0.
  return (writer) => writer.int32(ErrorCode.ok)
})

/** The modes that a type of watcher means, in the table of data and in that of children. */
const modesByWatcherType: ReadonlyMap<number, readonly [data: number, child: number]> = new Map([
  [WatcherType.children, [0, WatchMode.once | WatchMode.persistent]],
  [WatcherType.data, [WatchMode.once | WatchMode.persistent | WatchMode.recursive, 0]],
  [WatcherType.any, [7, 7]],
  [WatcherType.persistent, [WatchMode.persistent, WatchMode.persistent]],
  [WatcherType.persistentRecursive, [WatchMode.recursive, WatchMode.recursive]],
])

function registerWatches(
  type: number,
  name: string,
  act: (state: State, path: string, connection: Connection, data: number, child: number) => boolean,
): void {
  register(type, name, (context, connection, reader) => {
    const path = readPath(reader)
    const modes = modesByWatcherType.get(reader.int32())
    complete(reader)
    if (!modes) return ErrorCode.marshallingError
    const isFound = act(context.state, path, connection, modes[0], modes[1])
    return isFound ? nothing : ErrorCode.noWatcher
  })
}

registerWatches(OpCode.checkWatches, 'CHKW', (state, path, connection, data, child) => {
  const found =
    (state.dataWatches.modes(path, connection) & data) |
    (state.childWatches.modes(path, connection) & child)
  return found !== 0
})

registerWatches(OpCode.removeWatches, 'REMW', (state, path, connection, data, child) => {
  const isInData = state.dataWatches.remove(path, connection, data)
  return state.childWatches.remove(path, connection, child) || isInData
})

// What is known and refused.

register(OpCode.reconfig, 'RECO', () => ErrorCode.reconfigDisabled)
register(OpCode.sasl, 'SASL', (context, connection) => {
  context.onAuthFailure(connection)
  return ErrorCode.authFailed
})
