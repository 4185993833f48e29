import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { isLoopback } from '../listen.ts'

/**
 * Whether a request that changes something may come from where it says it comes from.
 *
 * A browser always sends `Origin` with such a request. It must be this very server, so that no
 * other page can use the reader's browser and what it knows. Where nobody has to log in
 * (`ownNamesOnly`) the server's name must be an address or a name of this machine, too, so that no
 * foreign name that was pointed at it can. Programs send no `Origin`.
 */
export function mayChange(
  headers: {
    origin?: string | undefined
    host?: string | undefined
    'sec-fetch-site'?: string | string[] | undefined
  },
  options: { ownNamesOnly: boolean },
): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  if (headers.origin === undefined) return true
  if (!URL.canParse(headers.origin)) return false
  const { host, hostname: name } = new URL(headers.origin)
  return host === headers.host && (!options.ownNamesOnly || isOwnName(name))
}

function isOwnName(name: string): boolean {
  const bare = name.replace(/^\[|\]$/g, '').toLowerCase()
  const own = hostname().toLowerCase()
  return (
    isIP(bare) !== 0 ||
    bare === 'localhost' ||
    bare.endsWith('.localhost') ||
    bare === own ||
    bare === `${own}.local`
  )
}

/**
 * Whether a request comes from a person at this machine: not through a proxy that runs here, and
 * not under a foreign name that was pointed at 127.0.0.1.
 */
export function isFromHere(request: {
  headers: Readonly<Record<string, string | string[] | undefined>>
  socket: { remoteAddress?: string | undefined }
}): boolean {
  const { headers } = request
  const host = String(headers.host ?? '').replace(/:\d+$/, '')
  return (
    isLoopback(request.socket.remoteAddress) &&
    (isLoopback(host.replace(/^\[|\]$/g, '')) || host.endsWith('.localhost')) &&
    headers.forwarded === undefined &&
    headers['x-forwarded-for'] === undefined &&
    headers['x-real-ip'] === undefined
  )
}
