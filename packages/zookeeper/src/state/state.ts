import { ErrorCode, EventType, OpCode, Permission } from '../protocol/codes.ts'
import type { Acl, AuthId, Stat } from '../protocol/jute.ts'
import type { CreateOp, SetWatchesRequest, WriteOp } from '../protocol/requests.ts'
import { isAllowed, resolveAcl } from './acl.ts'
import { DataTree, type Undo } from './data-tree.ts'
import { isValidPath, parentOf } from './path.ts'
import { type Session, Sessions } from './sessions.ts'
import type { Change, Transaction } from './transaction.ts'
import { type Watcher, WatchMode, WatchTable } from './watches.ts'
import {
  containerOwner,
  ownerKind,
  statOf,
  ttlMsMax,
  ttlMsOf,
  ttlOwner,
  type Znode,
} from './znode.ts'

/** Who asks: the session and what its connection has proven. */
export interface Caller {
  readonly sessionId: bigint
  readonly ids: readonly AuthId[]
}

/** What one operation of a write came to. `type` is the kind of its result in a multi's reply. */
export interface OpResult {
  readonly type: number
  readonly code: ErrorCode
  readonly path?: string
  readonly stat?: Stat
}

export interface StateOptions {
  /** Called with each transaction, after it was applied and before anybody is told of it. */
  readonly onTransaction: (transaction: Transaction) => void
  /** Whether znodes with a time to live may be made. */
  readonly extendedTypesEnabled: boolean
  readonly skipAcl: boolean
}

type TreeChange = Exclude<Change, { kind: 'createSession' | 'closeSession' }>

/** A change that was applied, with the ACLs that decide who is told. */
interface Applied {
  readonly change: TreeChange
  readonly acl: Acl
  readonly parentAcl: Acl
}

const specialPaths = new Set(['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'])

/**
 * All that the server knows: tree, sessions and watches. Everything that changes the tree or the
 * sessions uses one zxid, also a failed request and a multi of many operations.
 *
 * Invariants: `lastZxid` only grows, by one; each ephemeral znode's owner is a session that lives.
 */
export class State {
  readonly tree: DataTree
  readonly sessions: Sessions = new Sessions()
  readonly dataWatches: WatchTable = new WatchTable()
  readonly childWatches: WatchTable = new WatchTable()
  readonly #options: StateOptions
  lastZxid: number
  lastSessionId: bigint

  constructor(
    options: StateOptions,
    restored: { tree: DataTree; lastZxid: number; lastSessionId: bigint } = {
      tree: DataTree.fresh(),
      lastZxid: 0,
      lastSessionId: 0n,
    },
  ) {
    this.#options = options
    this.tree = restored.tree
    this.lastZxid = restored.lastZxid
    this.lastSessionId = restored.lastSessionId
  }

  /** Opens a session; its id is larger than all before it, also those of an earlier run. */
  createSession(timeoutMs: number, nowMs: number, monotonicMs: number): Session {
    // As ZooKeeper forms them: server 1 in the highest byte, the time, and a count.
    const byTime = (1n << 56n) | (BigInt.asUintN(40, BigInt(nowMs)) << 16n)
    this.lastSessionId = this.lastSessionId < byTime ? byTime : this.lastSessionId + 1n
    const sessionId = this.lastSessionId
    this.#commit([{ kind: 'createSession', sessionId, timeoutMs }], nowMs)
    return this.sessions.open(sessionId, timeoutMs, monotonicMs)
  }

  /** Ends a session: its ephemeral znodes go with it, under one zxid. */
  closeSession(sessionId: bigint, nowMs: number): void {
    const zxid = this.lastZxid + 1
    const applied = this.#applyEndOfSession(sessionId, zxid, nowMs)
    this.#commit([{ kind: 'closeSession', sessionId }], nowMs)
    for (const one of applied) this.#tell(one, zxid)
  }

  /** One operation with a zxid of its own. */
  write(caller: Caller, op: WriteOp, nowMs: number): OpResult {
    return this.multi(caller, [op], nowMs)[0]!
  }

  /**
   * Operations that all happen or none, each seeing those before it. Where one fails, its result has
   * the cause, those before it say ok and those after it {@link ErrorCode.runtimeInconsistency}.
   */
  multi(caller: Caller, ops: readonly WriteOp[], nowMs: number): OpResult[] {
    const zxid = this.lastZxid + 1
    const applied: Applied[] = []
    const undos: Undo[] = []
    const results: OpResult[] = []
    for (const op of ops) {
      const change = this.#check(caller, op)
      if (typeof change === 'number') {
        for (let undo = undos.pop(); undo; undo = undos.pop()) undo()
        this.#commit([], nowMs)
        return ops.map((_, index) => ({
          type: OpCode.error,
          code:
            index < results.length
              ? ErrorCode.ok
              : index === results.length
                ? change
                : ErrorCode.runtimeInconsistency,
        }))
      }
      if (change) {
        applied.push(this.#before(change))
        undos.push(this.tree.apply(change, zxid, nowMs))
      }
      results.push(this.#result(op, change))
    }
    this.#commit(
      applied.map((one) => one.change),
      nowMs,
    )
    for (const one of applied) this.#tell(one, zxid)
    return results
  }

  /** Deletes an empty container, or a znode whose time is over; nothing where it is no longer due. */
  deleteDue(path: string, nowMs: number): boolean {
    const node = this.tree.get(path)
    if (!node || !isDue(node, nowMs)) return false
    const zxid = this.lastZxid + 1
    const one = this.#before({ kind: 'delete', path })
    this.tree.apply(one.change, zxid, nowMs)
    this.#commit([one.change], nowMs)
    this.#tell(one, zxid)
    return true
  }

  /** Empty containers that once had children, and znodes whose time to live is over. */
  due(nowMs: number): string[] {
    const isDuePath = (path: string): boolean => {
      const node = this.tree.get(path)
      return node !== undefined && isDue(node, nowMs)
    }
    return [...this.tree.containers, ...this.tree.timed].filter(isDuePath)
  }

  /** Applies a transaction from the log. Its zxid follows the last one. */
  replay(transaction: Transaction, monotonicMs: number): void {
    const { zxid, timeMs, changes } = transaction
    for (const change of changes) {
      if (change.kind === 'createSession') {
        this.sessions.open(change.sessionId, change.timeoutMs, monotonicMs)
        if (change.sessionId > this.lastSessionId) this.lastSessionId = change.sessionId
      } else if (change.kind === 'closeSession')
        this.#applyEndOfSession(change.sessionId, zxid, timeMs)
      else this.tree.apply(change, zxid, timeMs)
    }
    this.lastZxid = zxid
  }

  /** Watches again after a reconnect; what changed since `relativeZxid` is told at once. */
  setWatches(watcher: Watcher, request: SetWatchesRequest): void {
    const tell = (type: EventType, path: string): void =>
      watcher.notify(type, path, this.lastZxid, this.tree.get(path)?.acl)
    for (const path of request.data) {
      const node = this.tree.get(path)
      if (!node) tell(EventType.nodeDeleted, path)
      else if (BigInt(node.mzxid) > request.relativeZxid) tell(EventType.nodeDataChanged, path)
      else this.dataWatches.add(path, watcher, WatchMode.once)
    }
    for (const path of request.exist) {
      if (this.tree.get(path)) tell(EventType.nodeCreated, path)
      else this.dataWatches.add(path, watcher, WatchMode.once)
    }
    for (const path of request.child) {
      const node = this.tree.get(path)
      if (!node) tell(EventType.nodeDeleted, path)
      else if (BigInt(node.pzxid) > request.relativeZxid) tell(EventType.nodeChildrenChanged, path)
      else this.childWatches.add(path, watcher, WatchMode.once)
    }
    for (const path of request.persistent) this.addWatch(watcher, path, WatchMode.persistent)
    for (const path of request.persistentRecursive)
      this.addWatch(watcher, path, WatchMode.recursive)
  }

  /** A watch that stays until it is removed. */
  addWatch(watcher: Watcher, path: string, mode: number): void {
    this.dataWatches.add(path, watcher, mode)
    if (mode === WatchMode.persistent) this.childWatches.add(path, watcher, mode)
  }

  removeWatcher(watcher: Watcher): void {
    this.dataWatches.removeWatcher(watcher)
    this.childWatches.removeWatcher(watcher)
  }

  isAllowed(caller: Caller, acl: Acl, perms: number): boolean {
    return this.#options.skipAcl || isAllowed(acl, perms, caller.ids)
  }

  /** The change that an operation means, nothing for a mere condition, or why it cannot be. */
  #check(caller: Caller, op: WriteOp): TreeChange | undefined | ErrorCode {
    if (op.kind === 'create') return this.#checkCreate(caller, op)
    const { path } = op
    if (op.kind === 'delete') {
      if (!path.includes('/') || path.includes('\0') || specialPaths.has(path))
        return ErrorCode.badArguments
      const parent = this.tree.get(parentOf(path))
      if (!parent) return ErrorCode.noNode
      if (!this.isAllowed(caller, parent.acl, Permission.delete)) return ErrorCode.noAuth
      const node = this.tree.get(path)
      if (!node) return ErrorCode.noNode
      if (op.version !== -1 && op.version !== node.version) return ErrorCode.badVersion
      return node.children ? ErrorCode.notEmpty : { kind: 'delete', path }
    }
    if (!isValidPath(path)) return ErrorCode.badArguments
    if (op.kind === 'setAcl') {
      const acl = resolveAcl(op.acl, caller.ids)
      if (!acl) return ErrorCode.invalidAcl
      const node = this.tree.get(path)
      if (!node) return ErrorCode.noNode
      if (!this.isAllowed(caller, node.acl, Permission.admin)) return ErrorCode.noAuth
      if (op.version !== -1 && op.version !== node.aversion) return ErrorCode.badVersion
      return { kind: 'setAcl', path, acl }
    }
    const node = this.tree.get(path)
    if (!node) return ErrorCode.noNode
    const perms = op.kind === 'check' ? Permission.read : Permission.write
    if (!this.isAllowed(caller, node.acl, perms)) return ErrorCode.noAuth
    if (op.version !== -1 && op.version !== node.version) return ErrorCode.badVersion
    return op.kind === 'check' ? undefined : { kind: 'setData', path, data: copyOf(op.data) }
  }

  #checkCreate(caller: Caller, op: CreateOp): TreeChange | ErrorCode {
    const mode = createModes[op.flags]
    if (!mode) return ErrorCode.badArguments
    if (mode.owner === 'ttl' && !this.#options.extendedTypesEnabled) return ErrorCode.unimplemented
    const isTtl = mode.owner === 'ttl'
    if (isTtl ? op.ttlMs <= 0 || op.ttlMs > ttlMsMax : op.ttlMs >= 0) return ErrorCode.badArguments
    if (!op.path.includes('/') || op.path.includes('\0')) return ErrorCode.badArguments
    const acl = resolveAcl(op.acl, caller.ids)
    if (!acl) return ErrorCode.invalidAcl
    const parent = this.tree.get(parentOf(op.path))
    if (!parent) return ErrorCode.noNode
    if (!this.isAllowed(caller, parent.acl, Permission.create)) return ErrorCode.noAuth
    const path = mode.isSequential ? op.path + sequence(parent.createCount) : op.path
    if (!isValidPath(path)) return ErrorCode.badArguments
    if (this.tree.get(path)) return ErrorCode.nodeExists
    if (ownerKind(parent.ephemeralOwner) === 'session') return ErrorCode.noChildrenForEphemerals
    let owner = 0n
    if (op.type === OpCode.createContainer) owner = containerOwner
    else if (isTtl) owner = ttlOwner(op.ttlMs)
    else if (mode.owner === 'session') owner = caller.sessionId
    return { kind: 'create', path, data: copyOf(op.data), acl, owner }
  }

  #result(op: WriteOp, change: TreeChange | undefined): OpResult {
    const code = ErrorCode.ok
    if (op.kind === 'check') return { type: OpCode.check, code }
    if (op.kind === 'delete') return { type: OpCode.delete, code }
    const path = change?.path ?? op.path
    const stat = statOf(this.tree.get(path)!)
    if (op.kind === 'setData') return { type: OpCode.setData, code, stat }
    if (op.kind === 'setAcl') return { type: OpCode.setAcl, code, stat }
    const type = op.type === OpCode.create ? OpCode.create : OpCode.create2
    return { type, code, path, stat }
  }

  #commit(changes: readonly Change[], timeMs: number): void {
    this.lastZxid++
    this.#options.onTransaction({ zxid: this.lastZxid, timeMs, changes })
  }

  #applyEndOfSession(sessionId: bigint, zxid: number, timeMs: number): Applied[] {
    this.sessions.close(sessionId)
    const applied: Applied[] = []
    for (const path of [...this.tree.ephemeralsOf(sessionId)]) {
      const one = this.#before({ kind: 'delete', path })
      this.tree.apply(one.change, zxid, timeMs)
      applied.push(one)
    }
    return applied
  }

  #before(change: TreeChange): Applied {
    const acl = change.kind === 'create' ? change.acl : this.tree.get(change.path)!.acl
    return { change, acl, parentAcl: this.tree.get(parentOf(change.path))!.acl }
  }

  #tell({ change, acl, parentAcl }: Applied, zxid: number): void {
    const { path } = change
    if (change.kind === 'setAcl') return
    if (change.kind === 'setData') {
      this.dataWatches.trigger(path, EventType.nodeDataChanged, zxid, acl, false)
      return
    }
    if (change.kind === 'create')
      this.dataWatches.trigger(path, EventType.nodeCreated, zxid, acl, false)
    else {
      const told = this.dataWatches.trigger(path, EventType.nodeDeleted, zxid, acl, false)
      this.childWatches.trigger(path, EventType.nodeDeleted, zxid, acl, false, told)
    }
    const parent = parentOf(path) || '/'
    this.childWatches.trigger(parent, EventType.nodeChildrenChanged, zxid, parentAcl, true)
  }
}

const createModes: readonly {
  readonly owner: 'none' | 'session' | 'container' | 'ttl'
  readonly isSequential: boolean
}[] = [
  { owner: 'none', isSequential: false },
  { owner: 'session', isSequential: false },
  { owner: 'none', isSequential: true },
  { owner: 'session', isSequential: true },
  { owner: 'container', isSequential: false },
  { owner: 'ttl', isSequential: false },
  { owner: 'ttl', isSequential: true },
]

/** Ten digits with zeros in front, the sign of an overflow among them as in Java's `%010d`. */
function sequence(count: number): string {
  return count < 0 ? `-${String(-count).padStart(9, '0')}` : String(count).padStart(10, '0')
}

function isDue(node: Znode, nowMs: number): boolean {
  if (node.children) return false
  const kind = ownerKind(node.ephemeralOwner)
  if (kind === 'container') return node.createCount > 0
  return kind === 'ttl' && nowMs - node.mtime > ttlMsOf(node.ephemeralOwner)
}

/** Outside Node's pool: a node that stays would keep 64 KiB of what has long been forgotten. */
function copyOf(data: Buffer | null): Buffer | null {
  if (data === null) return null
  const copy = Buffer.allocUnsafeSlow(data.byteLength)
  copy.set(data)
  return copy
}
