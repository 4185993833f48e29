import {
  afterAnswer,
  afterTime,
  type CommandEvent,
  type CommandState,
  dueMs,
  earlyAnswer,
  earlyKey,
  stateOf,
} from './command-state.ts'

/** What is needed of the store of states. */
interface States {
  get(key: string): CommandState | undefined
  put(key: string, state: CommandState | null, timestampMs: number): void
  all(): Iterable<readonly [key: string, state: CommandState]>
}

/** So many answers without a command are kept at once: a device that makes up ids fills no disk. */
const earlyMax = 1_000

/**
 * What became of each command, by its id. Events may come in any order and more than once: whatever
 * came, the result is the same. What is due is known without a look at all states.
 */
export class CommandBook {
  readonly #store: States
  readonly #keepMs: number
  #due: Map<string, number> | undefined
  #earlyCount = 0

  /** @param keepMs how long a command is remembered when it is over */
  constructor(store: States, keepMs: number) {
    this.#store = store
    this.#keepMs = keepMs
  }

  apply(event: CommandEvent, timestampMs: number): void {
    if (event.kind === 'command') {
      const { id, device } = event.command
      // A command that is given again is the first one.
      if (this.#store.get(id)) return
      const early = this.#store.get(earlyKey(device, id))
      this.#put(id, stateOf(event.command, early), timestampMs)
      if (early) this.#put(earlyKey(device, id), null, timestampMs)
      return
    }
    const { device, answer } = event
    const before = this.#store.get(answer.id)
    if (before) {
      const after = afterAnswer(before, device, answer, timestampMs)
      if (after !== before) this.#put(answer.id, after, timestampMs)
      return
    }
    const key = earlyKey(device, answer.id)
    if (this.#store.get(key) || !this.#hasRoom()) return
    this.#put(key, earlyAnswer(device, answer, timestampMs), timestampMs)
  }

  /** Lets time pass: commands expire, and what is over is forgotten. */
  advance(nowMs: number): void {
    for (const [key, atMs] of this.#known()) {
      if (atMs > nowMs) continue
      const before = this.#store.get(key)
      this.#put(key, before === undefined ? null : afterTime(before), nowMs)
    }
  }

  #put(key: string, after: CommandState | null, timestampMs: number): void {
    const due = this.#known()
    if (this.#store.get(key)?.state === 'early') this.#earlyCount--
    if (after?.state === 'early') this.#earlyCount++
    this.#store.put(key, after, timestampMs)
    if (after === null) due.delete(key)
    else due.set(key, dueMs(after, this.#keepMs))
  }

  #hasRoom(): boolean {
    this.#known()
    return this.#earlyCount < earlyMax
  }

  /** When each state is due: read from the store at first use, when it has been restored. */
  #known(): Map<string, number> {
    if (this.#due) return this.#due
    this.#due = new Map()
    for (const [key, state] of this.#store.all()) {
      this.#due.set(key, dueMs(state, this.#keepMs))
      if (state.state === 'early') this.#earlyCount++
    }
    return this.#due
  }
}
