import { digestOf, type Random } from '@khlong/core'
import type { User } from '@khlong/core/access'

/*
 * Who is logged in at which browser. The browser holds 256 random bits; here lies their digest, so
 * that a copy of the file opens no session. A login always makes a new one: an id that somebody
 * planted in a browser before is worth nothing after.
 */

export interface Session {
  readonly digest: string
  readonly user: string
  readonly startedMs: number
  /** When it was used last; the file may be a minute behind. */
  seenMs: number
}

export interface SessionLimits {
  /** A session that was not used for so long is over. */
  readonly idleMs: number
  /** So is one that is this old. */
  readonly lifetimeMs: number
}

const sessionsMax = 2_000
const sessionsPerUserMax = 50

export class SessionBook {
  readonly #limits: SessionLimits
  readonly #random: Random
  readonly #sessions = new Map<string, Session>()

  constructor(limits: SessionLimits, random: Random) {
    this.#limits = limits
    this.#random = random
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Begins a session and gives what the browser shall keep. */
  start(user: string, nowMs: number): string {
    this.#forgetOver(nowMs)
    const own = [...this.#sessions.values()].filter((session) => session.user === user)
    const tooMany = own.length >= sessionsPerUserMax ? own : [...this.#sessions.values()]
    if (own.length >= sessionsPerUserMax || this.#sessions.size >= sessionsMax) {
      const oldest = tooMany.reduce((a, b) => (b.seenMs < a.seenMs ? b : a))
      this.#sessions.delete(oldest.digest)
    }
    const id = this.#random.bytes(32).toString('base64url')
    const digest = digestOf(id)
    this.#sessions.set(digest, { digest, user, startedMs: nowMs, seenMs: nowMs })
    return id
  }

  /** The session that the browser's id stands for; using it keeps it from going idle. */
  use(id: string, nowMs: number): Session | undefined {
    const session = this.#sessions.get(digestOf(id))
    if (!session) return undefined
    if (this.#isOver(session, nowMs)) {
      this.#sessions.delete(session.digest)
      return undefined
    }
    session.seenMs = nowMs
    return session
  }

  end(id: string): void {
    this.#sessions.delete(digestOf(id))
  }

  /** Ends the sessions whose users are gone or have another password since. */
  keepOnly(findUser: (name: string) => User | undefined): void {
    for (const session of this.#sessions.values()) {
      const user = findUser(session.user)
      if (!user || user.passwordChangedMs > session.startedMs) this.#sessions.delete(session.digest)
    }
  }

  /** What the next start shall know. */
  toJson(nowMs: number): object {
    this.#forgetOver(nowMs)
    return { format: 'khlong-sessions', version: 1, sessions: [...this.#sessions.values()] }
  }

  /** Takes up what `toJson` gave; what is not of that form counts as no sessions. */
  restore(json: unknown, nowMs: number): void {
    const { format, version, sessions } = (json ?? {}) as Record<string, unknown>
    if (format !== 'khlong-sessions' || version !== 1 || !Array.isArray(sessions)) return
    for (const session of sessions.slice(0, sessionsMax) as Partial<Session>[]) {
      const { digest, user, startedMs, seenMs } = session
      if (typeof digest !== 'string' || typeof user !== 'string') continue
      if (typeof startedMs !== 'number' || typeof seenMs !== 'number') continue
      const taken = { digest, user, startedMs, seenMs }
      if (!this.#isOver(taken, nowMs)) this.#sessions.set(digest, taken)
    }
  }

  #isOver(session: Session, nowMs: number): boolean {
    return (
      nowMs - session.seenMs >= this.#limits.idleMs ||
      nowMs - session.startedMs >= this.#limits.lifetimeMs
    )
  }

  #forgetOver(nowMs: number): void {
    for (const session of this.#sessions.values())
      if (this.#isOver(session, nowMs)) this.#sessions.delete(session.digest)
  }
}
