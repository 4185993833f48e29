import { createHash } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { Permission } from '../protocol/codes.ts'
import type { Acl, AclEntry, AuthId } from '../protocol/jute.ts'

/** Everybody may do everything: what most znodes have. */
export const openAcl: Acl = Object.freeze([
  { perms: Permission.all, scheme: 'world', id: 'anyone' },
])
export const readOnlyAcl: Acl = Object.freeze([
  { perms: Permission.read, scheme: 'world', id: 'anyone' },
])

/** Who may pass every check. */
export const superId: AuthId = { scheme: 'super', id: '' }

/** The identity that `user:password` gives: `user:base64(sha1(user:password))`. */
export function digestId(userAndPassword: string): string {
  const user = userAndPassword.split(':', 1)[0]!
  return `${user}:${createHash('sha1').update(userAndPassword, 'utf8').digest('base64')}`
}

/** Whether one of `ids` has one of the permissions in `perms`. */
export function isAllowed(acl: Acl, perms: number, ids: readonly AuthId[]): boolean {
  if (acl === openAcl || acl.length === 0) return true
  for (const id of ids) if (id.scheme === 'super') return true
  for (const entry of acl) {
    if ((entry.perms & perms) === 0) continue
    if (entry.scheme === 'world' && entry.id === 'anyone') return true
    for (const id of ids) if (id.scheme === entry.scheme && matches(id, entry)) return true
  }
  return false
}

function matches(id: AuthId, entry: AclEntry): boolean {
  if (entry.scheme === 'digest') return id.id === entry.id
  return entry.scheme === 'ip' && addressMatches(id.id, entry.id)
}

/**
 * The ACL that a request means: without repetitions, `auth` replaced by the caller's own identities.
 * Undefined where it is empty or has an entry that cannot be.
 */
export function resolveAcl(acl: Acl, ids: readonly AuthId[]): Acl | undefined {
  const first = acl[0]
  if (!first) return undefined
  if (acl.length === 1 && isOpen(first)) return openAcl
  const resolved: AclEntry[] = []
  const add = (entry: AclEntry): void => {
    if (!resolved.some((known) => isSame(known, entry))) resolved.push(entry)
  }
  for (const entry of acl) {
    if (entry.scheme === 'world' && entry.id === 'anyone') add(entry)
    else if (entry.scheme === 'auth') {
      const own = ids.filter((id) => id.scheme === 'digest')
      if (own.length === 0) return undefined
      for (const id of own) add({ perms: entry.perms, scheme: id.scheme, id: id.id })
    } else if (isValidId(entry)) add(entry)
    else return undefined
  }
  return resolved
}

/** The ACL with the digests of passwords hidden, for those who may read but not administer. */
export function hideDigests(acl: Acl): Acl {
  return acl.map((entry) =>
    entry.scheme === 'digest' ? { ...entry, id: entry.id.replace(/:.*/s, ':x') } : entry,
  )
}

const isOpen = (entry: AclEntry): boolean =>
  entry.perms === Permission.all && entry.scheme === 'world' && entry.id === 'anyone'
const isSame = (a: AclEntry, b: AclEntry): boolean =>
  a.perms === b.perms && a.scheme === b.scheme && a.id === b.id

function isValidId({ scheme, id }: AuthId): boolean {
  if (scheme === 'digest') return /^[^:]*:[^:]+$/.test(id)
  if (scheme !== 'ip') return false
  const [address = '', bits] = splitMask(id)
  const bytes = addressBytes(address)
  if (!bytes) return false
  return bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= bytes.length * 8)
}

function splitMask(id: string): [string, string | undefined] {
  const slash = id.indexOf('/')
  return slash < 0 ? [id, undefined] : [id.slice(0, slash), id.slice(slash + 1)]
}

function addressMatches(address: string, pattern: string): boolean {
  const [wantedAddress, mask] = splitMask(pattern)
  const own = addressBytes(address)
  const wanted = addressBytes(wantedAddress)
  if (!own || !wanted || own.length !== wanted.length) return false
  let bits = mask === undefined ? own.length * 8 : Number(mask)
  for (let index = 0; bits > 0; index++, bits -= 8) {
    const shift = bits >= 8 ? 0 : 8 - bits
    if (own[index]! >> shift !== wanted[index]! >> shift) return false
  }
  return true
}

function addressBytes(address: string): number[] | undefined {
  if (isIPv4(address)) return address.split('.').map(Number)
  if (!isIPv6(address) || address.includes('%') || address.includes('.')) return undefined
  const [head = '', tail] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const front = groups(head)
  const back = groups(tail ?? '')
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length
  const all = [...front, ...Array<string>(zeros).fill('0'), ...back]
  return all.flatMap((group) => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
