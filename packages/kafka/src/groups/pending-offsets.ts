import type { CommittedOffset } from './offsets-records.ts'

export interface OffsetPlace {
  readonly topic: string
  readonly partition: number
}

/** Offsets of one group that belong to transactions which have not ended. */
export class PendingOffsets {
  readonly #byProducer = new Map<
    bigint,
    Map<string, OffsetPlace & { committed: CommittedOffset }>
  >()

  get isEmpty(): boolean {
    return this.#byProducer.size === 0
  }

  has({ topic, partition }: OffsetPlace): boolean {
    const key = `${partition}:${topic}`
    for (const offsets of this.#byProducer.values()) if (offsets.has(key)) return true
    return false
  }

  places(): OffsetPlace[] {
    return [...this.#byProducer.values()].flatMap((offsets) => [...offsets.values()])
  }

  set(producerId: bigint, { topic, partition }: OffsetPlace, committed: CommittedOffset): void {
    let offsets = this.#byProducer.get(producerId)
    if (!offsets) {
      offsets = new Map()
      this.#byProducer.set(producerId, offsets)
    }
    offsets.set(`${partition}:${topic}`, { topic, partition, committed })
  }

  /** Gives a producer's offsets, and forgets them: its transaction has ended. */
  take(producerId: bigint): (OffsetPlace & { readonly committed: CommittedOffset })[] {
    const offsets = this.#byProducer.get(producerId)
    this.#byProducer.delete(producerId)
    return offsets ? [...offsets.values()] : []
  }

  /** Forgets a place, in one producer's transaction or in all. */
  delete({ topic, partition }: OffsetPlace, producerId?: bigint): void {
    const key = `${partition}:${topic}`
    for (const [id, offsets] of this.#byProducer) {
      if (producerId !== undefined && id !== producerId) continue
      offsets.delete(key)
      if (offsets.size === 0) this.#byProducer.delete(id)
    }
  }
}
