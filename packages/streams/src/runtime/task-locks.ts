/** Takes and gives back tasks for one thread. */
export interface TaskLocker {
  /** Resolves when the task is this thread's; another one may have to close it first. */
  lock(taskId: string): Promise<void>
  unlock(taskId: string): void
  /** Gives back all that this thread has, and what it waits for. */
  unlockAll(): void
}

interface Holder {
  owner: symbol
  readonly waiting: { readonly owner: symbol; readonly resolve: () => void }[]
}

/**
 * Which thread has which task's stores. A thread that lost its place in the group without knowing it
 * may still hold a task that the group gave to another thread: that one waits here.
 */
export class TaskLocks {
  readonly #holders = new Map<string, Holder>()
  readonly #takenCounts = new Map<string, number>()

  isHeld(taskId: string): boolean {
    return this.#holders.has(taskId)
  }
  /** How often a task was taken by somebody when nobody had it. */
  takenCount(taskId: string): number {
    return this.#takenCounts.get(taskId) ?? 0
  }

  /** The view of one thread. */
  locker(): TaskLocker {
    const owner = Symbol('thread')
    return {
      lock: (taskId) => this.#lock(taskId, owner),
      unlock: (taskId) => this.#unlock(taskId, owner),
      unlockAll: () => {
        for (const taskId of [...this.#holders.keys()]) this.#unlock(taskId, owner)
      },
    }
  }

  async #lock(taskId: string, owner: symbol): Promise<void> {
    const holder = this.#holders.get(taskId)
    if (!holder) {
      this.#holders.set(taskId, { owner, waiting: [] })
      this.#takenCounts.set(taskId, this.takenCount(taskId) + 1)
    } else if (holder.owner !== owner)
      await new Promise<void>((resolve) => holder.waiting.push({ owner, resolve }))
  }

  #unlock(taskId: string, owner: symbol): void {
    const holder = this.#holders.get(taskId)
    if (!holder) return
    const at = holder.waiting.findIndex((one) => one.owner === owner)
    if (at >= 0) for (const { resolve } of holder.waiting.splice(at, 1)) resolve()
    if (holder.owner !== owner) return
    const next = holder.waiting.shift()
    if (!next) {
      this.#holders.delete(taskId)
      return
    }
    holder.owner = next.owner
    next.resolve()
  }
}
