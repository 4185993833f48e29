import { isIPv6 } from 'node:net'

/** A client's address as Java writes it, which ACLs for a host are compared with: IPv6 in full. */
export function hostOf(address: string | undefined): string {
  if (address === undefined) return ''
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [bare = '', zone] = address.split('%')
  const [head = '', tail] = bare.split('::')
  const before = head.split(':').filter(Boolean)
  const after = (tail ?? '').split(':').filter(Boolean)
  const zeros = new Array<string>(tail === undefined ? 0 : 8 - before.length - after.length)
  const full = [...before, ...zeros.fill('0'), ...after].join(':')
  return zone === undefined ? full : `${full}%${zone}`
}
