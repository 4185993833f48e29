import { isIP } from 'node:net'
import { hostname } from 'node:os'

/**
 * Whether a request that changes something may come from where it says it comes from.
 *
 * A browser always sends `Origin` with such a request. It must be this very server (so no other
 * page can use the reader's browser), and the server's name must be an address or a name of this
 * machine (so no foreign name that was pointed at it can, either). Programs send no `Origin`.
 */
export function mayChange(headers: {
  origin?: string | undefined
  host?: string | undefined
  'sec-fetch-site'?: string | string[] | undefined
}): boolean {
  const site = headers['sec-fetch-site']
  if (site === 'cross-site' || site === 'same-site') return false
  if (headers.origin === undefined) return true
  if (!URL.canParse(headers.origin)) return false
  const { host, hostname: name } = new URL(headers.origin)
  return host === headers.host && isOwnName(name)
}

function isOwnName(name: string): boolean {
  const bare = name.replace(/^\[|\]$/g, '')
  return (
    isIP(bare) !== 0 ||
    bare === 'localhost' ||
    bare.endsWith('.localhost') ||
    bare.toLowerCase() === hostname().toLowerCase() ||
    bare.toLowerCase() === `${hostname().toLowerCase()}.local`
  )
}
