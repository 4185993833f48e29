import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'

/** A name per port, since browsers share cookies between the ports of one host. */
export function cookieName(request: IncomingMessage): string {
  return `khlong_session_${request.socket.localPort ?? 0}`
}

/** The session id that the browser sent. */
export function readSessionId(request: IncomingMessage): string | undefined {
  const name = cookieName(request)
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at < 0 || pair.slice(0, at).trim() !== name) continue
    const value = pair.slice(at + 1).trim()
    return /^[\w-]{43}$/.test(value) ? value : undefined
  }
  return undefined
}

/** The header that gives a browser its session, or with no id takes it away. */
export function sessionCookie(
  request: IncomingMessage,
  id: string | undefined,
  options: { lifetimeMs: number; isSecure: boolean },
): string {
  const isEncrypted =
    options.isSecure ||
    (request.socket as Partial<TLSSocket>).encrypted === true ||
    request.headers['x-forwarded-proto'] === 'https'
  return [
    `${cookieName(request)}=${id ?? ''}`,
    'Path=/',
    `Max-Age=${id === undefined ? 0 : Math.floor(options.lifetimeMs / 1_000)}`,
    'HttpOnly',
    'SameSite=Strict',
    ...(isEncrypted ? ['Secure'] : []),
  ].join('; ')
}
