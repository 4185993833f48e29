import { isIPv6 } from 'node:net'

/*
 * Slows those who guess. Each attempt counts as wrong before its password is looked at, so that
 * many at once do not slip through; the right one takes its count back.
 */

interface Tally {
  failures: number
  lastMs: number
  blockedUntilMs: number
}

/** After so many wrong ones the wait begins with a second and doubles up to `delayMsMax`. */
interface Limit {
  readonly free: number
  readonly delayMsMax: number
}

// A user is only slowed a little by failures from elsewhere: a stranger must not lock somebody out.
const pairLimit: Limit = { free: 5, delayMsMax: 300_000 }
const addressLimit: Limit = { free: 20, delayMsMax: 300_000 }
const userLimit: Limit = { free: 50, delayMsMax: 10_000 }
const forgetMs = 15 * 60_000

export class LoginLimiter {
  readonly #tallies = new Map<string, Tally>()
  readonly #talliesMax: number
  /** Attempts that were wrong, and that were refused unseen. */
  failed = 0
  refused = 0

  constructor(options: { talliesMax?: number } = {}) {
    this.#talliesMax = options.talliesMax ?? 10_000
  }

  /** How many are remembered now; never above the limit. */
  get size(): number {
    return this.#tallies.size
  }

  /**
   * Asks for one attempt. Gives 0 where it may be made (it is counted then), otherwise how many
   * milliseconds to wait.
   */
  attempt(address: string, user: string, nowMs: number): number {
    const keys = keysOf(address, user)
    const waitMs = Math.max(
      ...keys.map(({ key }) => (this.#tallies.get(key)?.blockedUntilMs ?? 0) - nowMs),
    )
    if (waitMs > 0) {
      this.refused++
      return waitMs
    }
    for (const { key, limit } of keys) this.#count(key, limit, nowMs)
    this.failed++
    return 0
  }

  /** The attempt was right, or could not be judged: it does not count. */
  succeeded(address: string, user: string): void {
    this.failed--
    for (const { key, limit } of keysOf(address, user)) {
      const tally = this.#tallies.get(key)
      if (!tally) continue
      tally.failures--
      tally.blockedUntilMs = 0
      // Who knows the password may begin anew; an address keeps what it did with other names.
      if (limit === pairLimit || tally.failures <= 0) this.#tallies.delete(key)
    }
  }

  #count(key: string, limit: Limit, nowMs: number): void {
    const known = this.#tallies.get(key)
    const tally =
      known && nowMs - known.lastMs < forgetMs
        ? known
        : { failures: 0, lastMs: nowMs, blockedUntilMs: 0 }
    tally.failures++
    tally.lastMs = nowMs
    const beyond = tally.failures - limit.free
    if (beyond >= 0) tally.blockedUntilMs = nowMs + Math.min(1_000 * 2 ** beyond, limit.delayMsMax)
    // Put at the end: the map's order is the order of the last attempt.
    this.#tallies.delete(key)
    this.#tallies.set(key, tally)
    if (this.#tallies.size > this.#talliesMax) {
      const [oldest] = this.#tallies.keys()
      if (oldest !== undefined) this.#tallies.delete(oldest)
    }
  }
}

function keysOf(address: string, user: string): { key: string; limit: Limit }[] {
  const from = networkOf(address)
  const name = user.slice(0, 64).toLowerCase()
  return [
    { key: `pair ${from} ${name}`, limit: pairLimit },
    { key: `address ${from}`, limit: addressLimit },
    { key: `user ${name}`, limit: userLimit },
  ]
}

/** An IPv6 host has 2^64 addresses of its own: they count as one. */
function networkOf(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (!isIPv6(bare)) return bare
  const [head = '', rest] = bare.split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = rest === undefined || rest === '' ? [] : rest.split(':')
  const whole =
    rest === undefined
      ? groups
      : [...groups, ...Array<string>(8 - groups.length - after.length).fill('0'), ...after]
  return `${whole.slice(0, 4).join(':')}::/64`
}
