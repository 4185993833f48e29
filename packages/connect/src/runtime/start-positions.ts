import type { Position, TopicPartition } from './kafka.ts'

/**
 * Where the partitions of a sink stood when they were assigned. They are committed together with the
 * first records, as Java's sink tasks do: a group then has an offset in each of its partitions, and
 * lag counts those too whose first records wait.
 */
export class StartPositions {
  /** Undefined where it was committed. */
  readonly #starts = new Map<string, Position | undefined>()

  /** Looks after each poll; `position` is that behind what the poll gave. */
  note(
    assignment: readonly TopicPartition[],
    firstOffset: (partition: TopicPartition) => number | undefined,
    position: (partition: TopicPartition) => number | undefined,
  ): void {
    for (const { topic, partition } of assignment) {
      const key = keyOf({ topic, partition })
      if (this.#starts.has(key)) continue
      const offset = firstOffset({ topic, partition }) ?? position({ topic, partition })
      if (offset !== undefined) this.#starts.set(key, { topic, partition, offset })
    }
  }

  /** `positions`, and the starts that were not committed yet of all other partitions. */
  with(positions: readonly Position[]): readonly Position[] {
    const given = new Set(positions.map(keyOf))
    const starts = [...this.#starts].flatMap(([key, start]) =>
      start === undefined || given.has(key) ? [] : [start],
    )
    return starts.length === 0 ? positions : [...positions, ...starts]
  }

  committed(positions: readonly Position[]): void {
    for (const position of positions) {
      const key = keyOf(position)
      if (this.#starts.has(key)) this.#starts.set(key, undefined)
    }
  }

  revoked(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#starts.delete(keyOf(partition))
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}\0${partition}`
}
