import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '@khlong/core'
import type { ResolvedListener } from '../listener-options.ts'
import { Reason } from '../protocol/reason.ts'
import type { AccessRules } from './access-rules.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { PasswordChecks } from './password-checks.ts'
import { isSamePassword, type StoredPassword } from './stored-password.ts'
import { type Identity, internalRealm } from './topic-access.ts'

/** The other end of a connection. */
export interface Peer {
  /** Without a port. */
  readonly address: string
  readonly isLoopback: boolean
  /** From its certificate, where the listener takes the username from there. */
  readonly certificateName: string | undefined
}

/** Who wants to come in. */
export interface LoginRequest {
  readonly listener: ResolvedListener
  readonly peer: Peer
  readonly username: string | undefined
  readonly password: Buffer | undefined
}

/** What became of a login. */
export interface Verdict {
  /** 0, or why not. */
  readonly reason: number
  readonly identity: Identity
  /** The stored password that was the right one; a change of it ends the connection. */
  readonly proof: StoredPassword | undefined
}

/** What logins are decided with. */
export interface LoginDesk {
  /** Those of now: they may change while a login waits. */
  readonly rules: AccessRules
  readonly internal: { readonly username: string; readonly password: string } | undefined
  readonly throttle: LoginThrottle
  readonly checks: PasswordChecks
  readonly clock: Clock
  /** Comes back after so long, or when the broker stops. */
  wait(delayMs: number): Promise<void>
}

/**
 * Decides who may come in; at once where no password has to be looked at.
 *
 * As Mosquitto does: without a username it is for `allow_anonymous` to say; with one, a password
 * file that is there decides, and where there is none the name is taken as it is, if anonymous
 * clients may come in too.
 */
export function login(request: LoginRequest, desk: LoginDesk): Verdict | Promise<Verdict> {
  const { listener, peer, username } = request
  const { realm, allow_anonymous: isAnonymousAllowed } = listener.access
  const decided = (reason: number, proof?: StoredPassword): Verdict => ({
    reason,
    identity: { realm, username },
    proof,
  })
  if (listener.use_identity_as_username || listener.use_subject_as_username) {
    const { certificateName } = peer
    return certificateName === undefined
      ? decided(Reason.badUserNameOrPassword)
      : { reason: 0, identity: { realm, username: certificateName }, proof: undefined }
  }
  const { internal } = desk
  if (username === undefined) return decided(isAnonymousAllowed ? 0 : Reason.notAuthorized)
  if (username === internal?.username) {
    if (!peer.isLoopback || !isEqual(request.password, internal.password))
      return checkPassword(request, desk)
    return { reason: 0, identity: { realm: internalRealm, username }, proof: undefined }
  }
  const rules = desk.rules.realm(realm)
  if (rules?.passwords === undefined && isAnonymousAllowed) return decided(0)
  return checkPassword(request, desk)
}

async function checkPassword(request: LoginRequest, desk: LoginDesk): Promise<Verdict> {
  const { listener, peer, username = '', password } = request
  const { throttle, checks, clock } = desk
  const { address } = peer
  const { realm } = listener.access
  const decided = (reason: number, proof?: StoredPassword): Verdict => ({
    reason,
    identity: { realm, username },
    proof,
  })
  let waitedMs = 0
  const delayMs = (): number => throttle.delayMs(address, username, clock.nowMs())
  for (;;) {
    const leftMs = delayMs() - waitedMs
    if (leftMs > 0) {
      const done = throttle.wait(address)
      if (!done) return decided(Reason.serverBusy)
      await desk.wait(leftMs)
      done()
      waitedMs += leftMs
    }
    const stored = storedPassword(request, desk)
    const checked = stored ?? desk.rules.realm(realm)?.nobody
    // Of many guesses that come at once the first ones slow all others.
    const isRight =
      checked === undefined
        ? false
        : await checks.check(checked, password ?? Buffer.alloc(0), () => delayMs() <= waitedMs)
    if (isRight === 'busy') return decided(Reason.serverBusy)
    if (isRight === 'later') continue
    // The file may have changed meanwhile.
    const isCurrent = stored !== undefined && storedPassword(request, desk) === stored
    if (!isRight || !isCurrent || password === undefined) {
      throttle.failed(address, username, clock.nowMs())
      return decided(Reason.notAuthorized)
    }
    throttle.succeeded(address, username)
    return decided(0, stored)
  }
}

function storedPassword(
  { listener, username = '' }: LoginRequest,
  { rules, internal }: LoginDesk,
): StoredPassword | undefined {
  if (username === internal?.username) return undefined
  return rules.realm(listener.access.realm)?.passwords?.get(username)
}

/** Whether a client who came in by `verdict` could come in by the rules of now. */
export function isStillWelcome(
  { identity, proof }: Verdict,
  listener: ResolvedListener,
  rules: AccessRules,
): boolean {
  const { realm, username } = identity
  if (realm === internalRealm || listener.use_identity_as_username) return true
  if (listener.use_subject_as_username) return true
  if (username === undefined) return listener.access.allow_anonymous
  const passwords = rules.realm(realm)?.passwords
  if (passwords === undefined) return listener.access.allow_anonymous
  const stored = passwords.get(username)
  return stored !== undefined && proof !== undefined && isSamePassword(stored, proof)
}

function isEqual(given: Buffer | undefined, expected: string): boolean {
  const wanted = Buffer.from(expected)
  // A buffer of the right size is compared in any case.
  const isLong = given?.length === wanted.length
  return timingSafeEqual(isLong ? given : wanted, wanted) && isLong
}
