import type { Acl, Stat } from '../protocol/jute.ts'

/**
 * A node of the tree. `createCount` counts the children that were ever created: it names sequential
 * children, and never goes back.
 */
export interface Znode {
  data: Buffer | null
  acl: Acl
  readonly czxid: number
  mzxid: number
  readonly ctime: number
  mtime: number
  version: number
  createCount: number
  aversion: number
  readonly ephemeralOwner: bigint
  pzxid: number
  /** Names; undefined while there are none. */
  children: Set<string> | undefined
}

/** `ephemeralOwner` of a container. */
export const containerOwner: bigint = -(1n << 63n)
const ttlBits = -(1n << 56n)
/** A time to live fits in 40 bits. */
export const ttlMsMax = 0xff_ffff_ffff

/** `ephemeralOwner` of a znode with a time to live: the highest byte is 0xff. */
export const ttlOwner = (ttlMs: number): bigint => ttlBits | BigInt(ttlMs)

export type OwnerKind = 'none' | 'session' | 'container' | 'ttl'

export function ownerKind(owner: bigint): OwnerKind {
  if (owner === 0n) return 'none'
  if (owner === containerOwner) return 'container'
  return owner < 0n && owner >= ttlBits ? 'ttl' : 'session'
}

/** The time to live that {@link ttlOwner} put into an owner. */
export const ttlMsOf = (owner: bigint): number => Number(owner & BigInt(ttlMsMax))

/** What clients see: creations and deletions both count in `cversion`, and only sessions are owners. */
export function statOf(node: Znode): Stat {
  const numChildren = node.children?.size ?? 0
  return {
    czxid: node.czxid,
    mzxid: node.mzxid,
    ctime: node.ctime,
    mtime: node.mtime,
    version: node.version,
    cversion: (node.createCount * 2 - numChildren) | 0,
    aversion: node.aversion,
    ephemeralOwner: ownerKind(node.ephemeralOwner) === 'session' ? node.ephemeralOwner : 0n,
    dataLength: node.data?.byteLength ?? 0,
    numChildren,
    pzxid: node.pzxid,
  }
}
