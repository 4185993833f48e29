import type { Peer, Verdict } from '../access/login.ts'
import { ProtocolError } from '../errors.ts'
import { type Admission, admit } from '../handlers/connect.ts'
import { connectLevel, decodeControlPacket } from '../protocol/control-packets.ts'
import type { ProtocolVersion } from '../protocol/publish.ts'
import { Reason } from '../protocol/reason.ts'
import type { ConnectionHost } from './connection-host.ts'

/** What became of a CONNECT. */
export type Entrance =
  | { readonly kind: 'refused'; readonly version: ProtocolVersion; readonly reason: number }
  | { readonly kind: 'entered'; readonly admission: Admission; readonly verdict: Verdict }

/**
 * Decides on a CONNECT, at once where no password has to be looked at.
 *
 * @throws ProtocolError where there is nobody to answer to
 */
export function enter(
  host: ConnectionHost,
  peer: Peer,
  packet: Buffer,
  body: Buffer,
): Entrance | Promise<Entrance> {
  const level = connectLevel(body) & 0x7f
  if (level !== 3 && level !== 4 && level !== 5) {
    const version = level >= 5 ? 5 : 4
    return { kind: 'refused', version, reason: Reason.unsupportedProtocolVersion }
  }
  const decoded = decodeControlPacket(packet, 0)
  if (decoded.cmd !== 'connect') throw new ProtocolError(Reason.protocolError, 'no CONNECT')
  const { username, password } = decoded
  if (level < 5 && username === undefined && password !== undefined)
    throw new ProtocolError(Reason.protocolError, 'a password without a username')
  const { options, listener, state } = host
  let asked: Admission
  try {
    asked = admit(decoded, options, listener, host.newClientId)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    state.counters.connectionsRefused++
    return { kind: 'refused', version: level, reason: error.reason }
  }
  const verdict = host.login({ listener, peer, username, password })
  return verdict instanceof Promise
    ? verdict.then((decided) => settle(host, peer, asked, decided))
    : settle(host, peer, asked, verdict)
}

/** The login is decided. */
function settle(host: ConnectionHost, peer: Peer, asked: Admission, verdict: Verdict): Entrance {
  const { use_username_as_clientid: isRenamed } = host.listener
  const { version } = asked
  const { username } = verdict.identity
  const isNameless = isRenamed && username === undefined
  const reason = isNameless ? Reason.notAuthorized : verdict.reason
  if (reason !== Reason.success) {
    const { counters } = host.state
    counters.connectionsRefused++
    counters.loginsRefused++
    host.refused({ address: peer.address, clientId: asked.clientId, username, reason })
    return { kind: 'refused', version, reason }
  }
  const clientId = isRenamed && username !== undefined ? username : asked.clientId
  return { kind: 'entered', admission: { ...asked, clientId, username }, verdict }
}
