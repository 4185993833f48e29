/** A client's session, which outlives its connections. */
export interface Session {
  readonly id: bigint
  timeoutMs: number
  /** When it was last heard of, on the monotonic clock. */
  lastHeardMs: number
}

/** The sessions that live. A session is dead only when its end is in the log. */
export class Sessions {
  readonly #byId = new Map<bigint, Session>()

  get count(): number {
    return this.#byId.size
  }
  all(): Iterable<Session> {
    return this.#byId.values()
  }
  get(id: bigint): Session | undefined {
    return this.#byId.get(id)
  }
  open(id: bigint, timeoutMs: number, nowMs: number): Session {
    const session = { id, timeoutMs, lastHeardMs: nowMs }
    this.#byId.set(id, session)
    return session
  }
  close(id: bigint): void {
    this.#byId.delete(id)
  }
  /** Those that were silent for longer than their timeout. */
  overdue(nowMs: number): Session[] {
    const found: Session[] = []
    for (const session of this.#byId.values())
      if (nowMs - session.lastHeardMs >= session.timeoutMs) found.push(session)
    return found
  }
  /** Gives every session `byMs` more: the server itself stood still and heard nobody. */
  extend(byMs: number): void {
    for (const session of this.#byId.values()) session.lastHeardMs += byMs
  }
}
