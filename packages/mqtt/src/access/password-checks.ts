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

  /**
   * Whether `password` is the stored one. `busy` where too many checks wait; `later` where `mayGo`
   * says no when its turn has come.
   */
  async check(
    stored: StoredPassword,
    password: Buffer,
    mayGo: () => boolean = () => true,
  ): Promise<boolean | 'busy' | 'later'> {
    if (this.#running >= this.#concurrency) {
      if (this.#waiting.length >= waitingMax) return 'busy'
      // Whoever ends hands its place over, so that the count stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#running++
    try {
      return mayGo() ? await isPassword(stored, password) : 'later'
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
