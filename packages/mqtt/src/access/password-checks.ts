import { isPassword, type StoredPassword } from './stored-password.ts'

/** Checks that wait beyond this are turned away. */
const waitingMax = 1_000

/**
 * Checks passwords a few at a time, so that a flood of logins leaves the threads and cores that the
 * journal's flushes and the messages need.
 */
export class PasswordChecks {
  readonly #concurrency: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(concurrency = 2) {
    this.#concurrency = concurrency
  }

  /** Whether `password` is the stored one; undefined where too many checks wait. */
  async check(stored: StoredPassword, password: Buffer): Promise<boolean | undefined> {
    if (this.#running >= this.#concurrency) {
      if (this.#waiting.length >= waitingMax) return undefined
      // Whoever ends hands its place over, so that the count stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#running++
    try {
      return await isPassword(stored, password)
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
