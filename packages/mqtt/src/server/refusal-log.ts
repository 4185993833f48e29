import type { Logger } from '@khlong/core'
import type { Refusal } from './connection-host.ts'

/** A client that was not let in, as consoles show it. */
export interface RefusalDescription {
  readonly at: number
  readonly listener: string
  readonly address: string
  readonly clientId: string
  readonly username?: string
  /** A reason code of MQTT 5: 0x86 and 0x87 for a wrong login, 0x89 where too many wait. */
  readonly reason: number
}

const keptMax = 50
const textMax = 200
const perSecondMax = 10

/** The last clients that were not let in. A flood of them is not said one by one. */
export class RefusalLog {
  readonly #kept: RefusalDescription[] = []
  readonly #logger: Logger
  #second = 0
  #saidInSecond = 0
  #unsaid = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** The latest first. */
  get latest(): readonly RefusalDescription[] {
    return this.#kept.toReversed()
  }

  /** Notes a refusal; gives what to say of it, or undefined in a flood. */
  add(refusal: Refusal, listener: string, nowMs: number): RefusalDescription | undefined {
    const { address, clientId, username, reason } = refusal
    const description: RefusalDescription = {
      at: nowMs,
      listener,
      address,
      clientId: clientId.slice(0, textMax),
      ...(username === undefined ? {} : { username: username.slice(0, textMax) }),
      reason,
    }
    this.#kept.push(description)
    if (this.#kept.length > keptMax) this.#kept.shift()
    const second = Math.floor(nowMs / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#saidInSecond = 0
    }
    if (this.#saidInSecond++ >= perSecondMax) {
      this.#unsaid++
      return undefined
    }
    this.#logger.warn({ ...description, unsaid: this.#unsaid }, 'login refused')
    this.#unsaid = 0
    return description
  }
}
