import { createHmac, randomBytes } from 'node:crypto'
import type { Refusal } from './access-guard.ts'
import type { User } from './accounts.ts'

const keepMs = 5 * 60_000
const entriesMax = 500

/**
 * Remembers for minutes that a password was right, since scripts send it with each request and one
 * check takes a fifth of a second. Holds no password: entries are known by a keyed hash, which the
 * stored hash is part of, so that a changed password or a removed user ends them at once.
 */
export class CredentialCache {
  readonly #key = randomBytes(32)
  readonly #entries = new Map<string, { answer: Promise<User | Refusal>; untilMs: number }>()

  /** The user as it is now, or what `check` says; equal credentials at once are checked once. */
  async use(
    user: User | undefined,
    password: string,
    check: () => Promise<User | Refusal>,
  ): Promise<User | Refusal> {
    if (!user) return check()
    const key = createHmac('sha256', this.#key)
      .update(JSON.stringify([user.name, user.password.hash, password]))
      .digest('base64')
    const nowMs = performance.now()
    const known = this.#entries.get(key)
    if (known && known.untilMs > nowMs) {
      const answer = await known.answer
      return 'status' in answer ? answer : user
    }
    const answer = check()
    this.#entries.delete(key)
    this.#entries.set(key, { answer, untilMs: nowMs + keepMs })
    if (this.#entries.size > entriesMax) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    const forget = (): void => {
      if (this.#entries.get(key)?.answer === answer) this.#entries.delete(key)
    }
    return answer.then(
      (result) => {
        // What was wrong is checked, and slowed, each time anew.
        if ('status' in result) forget()
        return result
      },
      (error: unknown) => {
        forget()
        throw error
      },
    )
  }
}
