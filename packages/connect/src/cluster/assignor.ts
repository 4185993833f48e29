import type { WorkPiece } from './worker-protocol.ts'

/** A worker as the leader sees it. */
export interface MemberWork {
  readonly id: string
  readonly running: readonly WorkPiece[]
}

export interface AssignorInput {
  /** Every connector and task that is to run somewhere. */
  readonly configured: readonly WorkPiece[]
  readonly members: readonly MemberWork[]
  readonly nowMs: number
}

/** What each worker gets and gives back. */
export interface MemberShare {
  readonly assigned: WorkPiece[]
  readonly revoked: WorkPiece[]
}

export interface AssignorResult {
  readonly shares: ReadonlyMap<string, MemberShare>
  /** How long work of a worker that is gone still waits for it. */
  readonly delayMs: number
}

/** A piece of work as a key. */
export const pieceKey = ({ connector, task }: WorkPiece): string =>
  task === undefined ? connector : `${connector}\0${task}`

interface Worker {
  readonly id: string
  readonly connectors: Map<string, WorkPiece>
  readonly tasks: Map<string, WorkPiece>
  readonly share: MemberShare
}

/**
 * Shares connectors and tasks among workers with incremental cooperative rebalancing (KIP-415): what
 * runs goes on running where it is, unless it is gone or a worker has more than its part.
 *
 * - Work of a worker that is gone waits up to `delayMsMax` for a worker to come in its place. Other
 *   than in Java it waits no longer than that: a worker that comes back gets it at once.
 * - What moves is revoked in one round and assigned in the next, so that nothing runs twice.
 * - It remembers the last round only. A new leader begins with what workers say that they run.
 */
export class Assignor {
  readonly #delayMsMax: number
  /** What was given out when the last round ended, and has not been revoked. */
  #given = new Map<string, WorkPiece>()
  #memberCount = 0
  /** When work that waits is given to others; undefined while none waits. */
  #dueMs: number | undefined

  constructor(delayMsMax: number) {
    this.#delayMsMax = delayMsMax
  }

  /** Forgets the rounds that it led: another worker may have led since. */
  reset(): void {
    this.#given.clear()
    this.#memberCount = 0
    this.#dueMs = undefined
  }

  assign({ configured, members, nowMs }: AssignorInput): AssignorResult {
    const wanted = new Map(configured.map((piece) => [pieceKey(piece), piece]))
    const workers = members.map(({ id }) => newWorker(id))
    const running = this.#keep(workers, members, wanted)

    const open = [...wanted].filter(([key]) => !running.has(key))
    const lost = open.filter(([key]) => this.#given.has(key))
    const delayMs = this.#delay(lost.length > 0, workers, nowMs)
    const waiting = delayMs > 0 ? new Set(lost.map(([key]) => key)) : new Set<string>()
    const toGive = open.filter(([key]) => !waiting.has(key)).map(([, piece]) => piece)

    // While work waits for a worker, nothing is moved: it may come back for it.
    if (delayMs === 0) for (const side of sides) this.#balance(workers, side, wanted)
    for (const piece of toGive) {
      const side = sideOf(piece)
      const least = workers.reduce((a, b) => (b[side].size < a[side].size ? b : a))
      least[side].set(pieceKey(piece), piece)
      least.share.assigned.push(piece)
    }

    this.#given = new Map(open.filter(([key]) => waiting.has(key)))
    for (const { connectors, tasks } of workers)
      for (const [key, piece] of [...connectors, ...tasks]) this.#given.set(key, piece)
    this.#memberCount = members.length + (delayMs > 0 ? this.#missing(members.length) : 0)
    return { shares: new Map(workers.map(({ id, share }) => [id, share])), delayMs }
  }

  /** Notes what runs and may go on; what is gone, or runs twice, is revoked. */
  #keep(
    workers: readonly Worker[],
    members: readonly MemberWork[],
    wanted: ReadonlyMap<string, WorkPiece>,
  ): Set<string> {
    const counts = new Map<string, number>()
    for (const { running } of members)
      for (const piece of running)
        counts.set(pieceKey(piece), (counts.get(pieceKey(piece)) ?? 0) + 1)
    const kept = new Set<string>()
    for (const [index, { running }] of members.entries())
      for (const piece of running) {
        const key = pieceKey(piece)
        const { share, [sideOf(piece)]: side } = workers[index]!
        if (wanted.has(key) && counts.get(key) === 1) side.set(key, piece)
        else share.revoked.push(piece)
        // What is being given back is not given to another before it has stopped.
        kept.add(key)
      }
    return kept
  }

  #missing(count: number): number {
    return Math.max(0, this.#memberCount - count)
  }

  #delay(hasLost: boolean, workers: readonly Worker[], nowMs: number): number {
    const isSomebodyGone = this.#missing(workers.length) > 0
    if (!hasLost || !isSomebodyGone || this.#delayMsMax === 0) {
      this.#dueMs = undefined
      return 0
    }
    this.#dueMs ??= nowMs + this.#delayMsMax
    const leftMs = this.#dueMs - nowMs
    if (leftMs > 0) return leftMs
    this.#dueMs = undefined
    return 0
  }

  /** Revokes from each worker what is above its part. */
  #balance(workers: readonly Worker[], side: Side, wanted: ReadonlyMap<string, WorkPiece>): void {
    let total = 0
    for (const piece of wanted.values()) if (sideOf(piece) === side) total++
    const least = Math.floor(total / workers.length)
    // So many workers have one more than the others.
    let extras = total % workers.length
    for (const worker of [...workers].sort((a, b) => b[side].size - a[side].size)) {
      const part = least + (extras > 0 ? 1 : 0)
      if (extras > 0) extras--
      for (const [key, piece] of [...worker[side]].slice(part)) {
        worker[side].delete(key)
        worker.share.revoked.push(piece)
      }
    }
  }
}

type Side = 'connectors' | 'tasks'
const sides: readonly Side[] = ['connectors', 'tasks']
const sideOf = ({ task }: WorkPiece): Side => (task === undefined ? 'connectors' : 'tasks')

function newWorker(id: string): Worker {
  return { id, connectors: new Map(), tasks: new Map(), share: { assigned: [], revoked: [] } }
}
