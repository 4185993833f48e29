import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Peer } from '../access/login.ts'
import type { ResolvedListener } from '../listener-options.ts'

/** Who is at the other end, as far as the connection itself says. */
export function peerOf(socket: Socket, listener: ResolvedListener): Peer {
  const address = socket.remoteAddress ?? ''
  return {
    address,
    isLoopback: /^(?:::ffff:)?127\./.test(address) || address === '::1',
    certificateName: certificateName(socket, listener),
  }
}

function certificateName(socket: Socket, listener: ResolvedListener): string | undefined {
  if (!isSecure(socket) || !socket.authorized) return undefined
  if (listener.use_identity_as_username) {
    const { CN: name } = socket.getPeerCertificate().subject as { CN?: string | string[] }
    const first = Array.isArray(name) ? name[0] : name
    return first === '' ? undefined : first
  }
  if (!listener.use_subject_as_username) return undefined
  const subject = socket.getPeerX509Certificate()?.subject
  return subject ? rfc2253(subject) : undefined
}

/** Tells without loading TLS where nobody speaks it. */
function isSecure(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket
}

/**
 * A subject as RFC 2253 writes it, from what Node gives: one part a line, the last one first,
 * `\XX` for bytes beyond ASCII.
 */
export function rfc2253(subject: string): string {
  return subject
    .split('\n')
    .reverse()
    .map((part) => part.replace(/ \+ (?=[A-Za-z][\w.]*=)/g, '+'))
    .join(',')
    .replace(/[\u0080-\u{10ffff}]/gu, (character) =>
      [...Buffer.from(character)]
        .map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    )
}
