import { openAcl, readOnlyAcl } from './acl.ts'
import { nameOf, parentOf } from './path.ts'
import type { Change } from './transaction.ts'
import { ownerKind, type Znode } from './znode.ts'

const encoder = new TextEncoder()
const noBytes = Buffer.alloc(0)

function newZnode(node: Partial<Znode>): Znode {
  return {
    data: node.data === undefined ? noBytes : node.data,
    acl: node.acl ?? openAcl,
    czxid: node.czxid ?? 0,
    mzxid: node.mzxid ?? node.czxid ?? 0,
    ctime: node.ctime ?? 0,
    mtime: node.mtime ?? node.ctime ?? 0,
    version: node.version ?? 0,
    createCount: node.createCount ?? 0,
    aversion: node.aversion ?? 0,
    ephemeralOwner: node.ephemeralOwner ?? 0n,
    pzxid: node.pzxid ?? node.czxid ?? 0,
    children: undefined,
  }
}

/** What undoes a change to the tree. */
export type Undo = () => void

/**
 * The znodes.
 *
 * Invariants: every znode but the root is named in its parent's `children`, and every such name is a
 * znode; `#ephemerals`, `#containers` and `#timed` hold exactly the paths whose owner is of that kind;
 * `dataBytes` is the sum of the lengths of paths and data.
 */
export class DataTree {
  readonly #nodes = new Map<string, Znode>()
  readonly #ephemerals = new Map<bigint, Set<string>>()
  readonly #containers = new Set<string>()
  readonly #timed = new Set<string>()
  dataBytes = 0

  /** A tree as a new server has it: the root and what the server keeps for itself. */
  static fresh(): DataTree {
    const tree = new DataTree()
    tree.restore('/', newZnode({}))
    tree.restore('/zookeeper', newZnode({}))
    tree.restore('/zookeeper/quota', newZnode({}))
    tree.restore('/zookeeper/config', newZnode({ acl: readOnlyAcl, aversion: -1 }))
    return tree
  }

  get size(): number {
    return this.#nodes.size
  }
  get ephemeralCount(): number {
    let count = 0
    for (const paths of this.#ephemerals.values()) count += paths.size
    return count
  }
  get containers(): Iterable<string> {
    return this.#containers
  }
  /** Paths of znodes with a time to live. */
  get timed(): Iterable<string> {
    return this.#timed
  }
  entries(): Iterable<[string, Znode]> {
    return this.#nodes
  }

  /** The znode of a path; `''` is the root, as in ZooKeeper. */
  get(path: string): Znode | undefined {
    return this.#nodes.get(path === '' ? '/' : path)
  }
  ephemeralsOf(sessionId: bigint): ReadonlySet<string> {
    return this.#ephemerals.get(sessionId) ?? new Set()
  }
  /** Sessions that own znodes. */
  owners(): Iterable<[bigint, ReadonlySet<string>]> {
    return this.#ephemerals
  }
  descendantCount(path: string): number {
    if (path === '/') return this.#nodes.size - 1
    // ZooKeeper takes `''` for a prefix here, not for the root.
    if (path === '') return this.#nodes.size
    let count = 0
    const open = [path]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const name of this.#nodes.get(at)?.children ?? []) {
        count++
        open.push(`${at}/${name}`)
      }
    }
    return count
  }

  /** Puts a znode under a parent that is there, without any count. */
  restore(path: string, node: Znode): void {
    this.#nodes.set(path, node)
    this.#index(path, node.ephemeralOwner)
    this.dataBytes += bytesOf(path, node)
    const parent = path === '/' ? undefined : this.get(parentOf(path))
    if (!parent) return
    parent.children ??= new Set()
    parent.children.add(nameOf(path))
  }

  /** Applies a change to znodes. Its conditions hold: a path that must be there is there. */
  apply(
    change: Exclude<Change, { kind: 'createSession' | 'closeSession' }>,
    zxid: number,
    timeMs: number,
  ): Undo {
    switch (change.kind) {
      case 'create':
        return this.#create(change, zxid, timeMs)
      case 'delete':
        return this.#delete(change.path, zxid)
      case 'setData': {
        const node = this.#existing(change.path)
        const { data, mzxid, mtime, version } = node
        const growth = (change.data?.byteLength ?? 0) - (data?.byteLength ?? 0)
        this.dataBytes += growth
        node.data = change.data
        node.mzxid = zxid
        node.mtime = timeMs
        node.version = nextVersion(version)
        return () => {
          this.dataBytes -= growth
          Object.assign(node, { data, mzxid, mtime, version })
        }
      }
      case 'setAcl': {
        const node = this.#existing(change.path)
        const { acl, aversion } = node
        node.acl = change.acl
        node.aversion = nextVersion(aversion)
        return () => Object.assign(node, { acl, aversion })
      }
    }
  }

  #create(change: Extract<Change, { kind: 'create' }>, zxid: number, timeMs: number): Undo {
    const { path, owner } = change
    const parent = this.#existing(parentOf(path))
    const { createCount, pzxid } = parent
    parent.createCount = (createCount + 1) | 0
    parent.pzxid = zxid
    const { data, acl } = change
    const node = newZnode({ data, acl, czxid: zxid, ctime: timeMs, ephemeralOwner: owner })
    this.restore(path, node)
    return () => {
      this.#remove(path, node, parent)
      Object.assign(parent, { createCount, pzxid })
    }
  }

  #delete(path: string, zxid: number): Undo {
    const node = this.#existing(path)
    const parent = this.#existing(parentOf(path))
    const { pzxid } = parent
    this.#remove(path, node, parent)
    parent.pzxid = zxid
    return () => {
      this.restore(path, node)
      parent.pzxid = pzxid
    }
  }

  #remove(path: string, node: Znode, parent: Znode): void {
    this.#nodes.delete(path)
    this.dataBytes -= bytesOf(path, node)
    parent.children?.delete(nameOf(path))
    if (parent.children?.size === 0) parent.children = undefined
    switch (ownerKind(node.ephemeralOwner)) {
      case 'session': {
        const paths = this.#ephemerals.get(node.ephemeralOwner)
        paths?.delete(path)
        if (paths?.size === 0) this.#ephemerals.delete(node.ephemeralOwner)
        break
      }
      case 'container':
        this.#containers.delete(path)
        break
      case 'ttl':
        this.#timed.delete(path)
        break
      case 'none':
        break
    }
  }

  #index(path: string, owner: bigint): void {
    const kind = ownerKind(owner)
    if (kind === 'container') this.#containers.add(path)
    else if (kind === 'ttl') this.#timed.add(path)
    else if (kind === 'session') {
      const paths = this.#ephemerals.get(owner)
      if (paths) paths.add(path)
      else this.#ephemerals.set(owner, new Set([path]))
    }
  }

  #existing(path: string): Znode {
    const node = this.get(path)
    if (!node) throw new Error(`a change was let through for ${path}, which is no znode`)
    return node
  }
}

// -1 means "any version" in requests, so no znode may have it.
function nextVersion(version: number): number {
  const next = (version + 1) | 0
  return next === -1 ? 0 : next
}

function bytesOf(path: string, node: Znode): number {
  return encoder.encode(path).byteLength + (node.data?.byteLength ?? 0)
}
