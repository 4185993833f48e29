/** Failures of one address. */
interface Failures {
  count: number
  lastMs: number
  /** Logins of this address that wait for their turn. */
  waiting: number
}

/** Failures that cost nothing: a person who mistypes is not an attack. */
const freeFailures = 3
const firstDelayMs = 250
/** An address without failures for so long begins anew. */
const forgetMs = 15 * 60_000
const addressesMax = 10_000
const goodMax = 10_000
const waitingMax = 16

/** Limits of {@link LoginThrottle}. */
export interface ThrottleOptions {
  /** The longest delay; 0 for none at all. */
  readonly delayMsMax: number
}

/**
 * Says how long a login waits before its password is looked at: the more wrong ones came from its
 * address, the longer. A user who has logged in from there before does not wait.
 *
 * Invariants: what it remembers is bounded; the address whose failures are the oldest is forgotten
 * first. IPv6 addresses count by their network of 64 bits, which one customer has to himself.
 */
export class LoginThrottle {
  readonly #delayMsMax: number
  /** In the order of the last failure. */
  readonly #failures = new Map<string, Failures>()
  /** Addresses and users that logged in, in the order of when. */
  readonly #good = new Set<string>()

  constructor(options: ThrottleOptions) {
    this.#delayMsMax = options.delayMsMax
  }

  /** How many addresses wait after wrong logins. */
  slowedCount(nowMs: number): number {
    let count = 0
    for (const failures of this.#failures.values()) if (this.#delayMs(failures, nowMs) > 0) count++
    return count
  }

  /** How long a login of this user from there has to have waited by now. */
  delayMs(address: string, username: string, nowMs: number): number {
    const network = networkOf(address)
    const failures = this.#failures.get(network)
    if (!failures || this.#good.has(pair(network, username))) return 0
    return this.#delayMs(failures, nowMs)
  }

  /**
   * A login of this address begins to wait; the function is to be called when it no longer does.
   * Undefined where so many wait already that it is turned away.
   */
  wait(address: string): (() => void) | undefined {
    const failures = this.#failures.get(networkOf(address))
    if (!failures) return () => {}
    if (failures.waiting >= waitingMax) return undefined
    failures.waiting++
    return () => {
      failures.waiting--
    }
  }

  failed(address: string, username: string, nowMs: number): void {
    if (this.#delayMsMax === 0) return
    const network = networkOf(address)
    this.#good.delete(pair(network, username))
    const former = this.#failures.get(network)
    const isFresh = former === undefined || nowMs - former.lastMs > forgetMs
    const failures = former ?? { count: 0, lastMs: nowMs, waiting: 0 }
    failures.count = isFresh ? 1 : failures.count + 1
    failures.lastMs = nowMs
    this.#failures.delete(network)
    this.#failures.set(network, failures)
    if (this.#failures.size > addressesMax) forgetFirst(this.#failures)
  }

  succeeded(address: string, username: string): void {
    if (this.#delayMsMax === 0) return
    const known = pair(networkOf(address), username)
    this.#good.delete(known)
    this.#good.add(known)
    if (this.#good.size > goodMax) forgetFirst(this.#good)
  }

  #delayMs({ count, lastMs }: Failures, nowMs: number): number {
    if (count < freeFailures || nowMs - lastMs > forgetMs) return 0
    return Math.min(this.#delayMsMax, firstDelayMs * 2 ** Math.min(count - freeFailures, 20))
  }
}

function forgetFirst(map: { keys(): Iterator<string>; delete(key: string): boolean }): void {
  const first = map.keys().next()
  if (!first.done) map.delete(first.value)
}

const pair = (network: string, username: string): string => `${network} ${username}`

function networkOf(address: string): string {
  if (!address.includes(':')) return address
  // An IPv4 client of a socket for both kinds of address.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped) return mapped[1]!
  const [before = '', after] = address.split('%', 1)[0]!.split('::')
  const head = before === '' ? [] : before.split(':')
  const tail = after ? after.split(':') : []
  const zeros = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length)
  return [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':')
}
