import type { TopicPartition } from '@khlong/kafka-client'
import type { RawRecord } from '../record.ts'
import type { RunningTask } from './running-task.ts'

/** Records of one partition that were polled together. The head borrows its bytes until it is shifted off. */
export interface PolledRecords extends TopicPartition {
  readonly head: RawRecord | undefined
  /** Records that are left, the head among them. */
  readonly count: number
  readonly nextOffset: number
  shift(): void
}

/** Records of one partition that wait to be processed. */
export interface PartitionQueue extends TopicPartition {
  readonly running: RunningTask
  readonly polled: PolledRecords[]
  count: number
}

/** Records of a partition that wait before it is paused: Java's `buffered.records.per.partition`. */
export const queuedMax = 1_000

/** How long a partition that has records to come, but does not give them, holds up the others. */
const behindWaitMs = 5_000

/**
 * Partitions whose records are processed together in the order of their time: those of a task, and
 * of all tasks here that write to one repartition topic. Behind that topic the order decides what is
 * late, and reading one partition before the other would make it up.
 *
 * As with Java's `max.task.idle.ms`, an empty partition holds the others up while it is known to
 * have records, and for that time beyond.
 */
export class PartitionGroup {
  readonly #queues: PartitionQueue[] = []
  readonly #idleMs: number
  /** When the wait for an empty partition began. */
  #waitingSinceMs: number | undefined

  constructor(idleMs: number) {
    this.#idleMs = idleMs
  }

  get isEmpty(): boolean {
    return this.#queues.length === 0
  }
  get queues(): readonly PartitionQueue[] {
    return this.#queues
  }

  addPartition(partition: TopicPartition, running: RunningTask): PartitionQueue {
    const queue = { ...partition, running, polled: [], count: 0 }
    this.#queues.push(queue)
    return queue
  }

  remove(running: RunningTask): void {
    for (let index = this.#queues.length; index-- > 0; )
      if (this.#queues[index]!.running === running) this.#queues.splice(index, 1)
  }

  /**
   * Whether the records that are there may be processed now. `lagOf` says how many more a partition
   * has at the broker; undefined where that is not known yet.
   */
  isReady(nowMs: number, lagOf: (partition: TopicPartition) => number | undefined): boolean {
    let hasRecords = false
    let isBehind = false
    let hasEmpty = false
    let isFull = false
    for (const queue of this.#queues) {
      if (queue.count >= queuedMax) isFull = true
      if (queue.count > 0) hasRecords = true
      else {
        hasEmpty = true
        if (lagOf(queue) !== 0) isBehind = true
      }
    }
    if (!hasRecords || !hasEmpty || this.#queues.length === 1) {
      this.#waitingSinceMs = undefined
      return hasRecords
    }
    this.#waitingSinceMs ??= nowMs
    const mayWait = this.#idleMs >= 0
    const waitMs = isBehind && mayWait ? behindWaitMs : isFull ? 0 : this.#idleMs
    if (nowMs - this.#waitingSinceMs < waitMs) return false
    this.#waitingSinceMs = undefined
    return true
  }

  /** When a wait that is under way ends; undefined where there is none. */
  get waitEndMs(): number | undefined {
    return this.#waitingSinceMs === undefined ? undefined : this.#waitingSinceMs + this.#idleMs
  }

  /**
   * The partition whose next record has the lowest time, and up to which time its records come
   * before those of the others; undefined where nothing waits.
   */
  next(): { queue: PartitionQueue; untilMs: number } | undefined {
    let queue: PartitionQueue | undefined
    let timeMs = 0
    let untilMs = Number.POSITIVE_INFINITY
    for (const one of this.#queues) {
      const head = headOf(one)
      if (!head) continue
      if (!queue) {
        queue = one
        timeMs = head.timestamp
      } else if (head.timestamp < timeMs) {
        untilMs = timeMs
        queue = one
        timeMs = head.timestamp
      } else if (head.timestamp < untilMs) untilMs = head.timestamp
    }
    return queue && { queue, untilMs }
  }
}

export const headOf = (queue: PartitionQueue): RawRecord | undefined => queue.polled[0]?.head

export function enqueue(queue: PartitionQueue, polled: PolledRecords): void {
  queue.polled.push(polled)
  queue.count += polled.count
}

/** Takes the head off, after it was processed, and notes where the task is. */
export function shiftHead(queue: PartitionQueue): void {
  const polled = queue.polled[0]!
  const { nextOffsets } = queue.running
  const { offset } = polled.head!
  queue.count--
  polled.shift()
  if (polled.count > 0) {
    nextOffsets.set(queue.topic, offset + 1)
    return
  }
  nextOffsets.set(queue.topic, polled.nextOffset)
  queue.polled.shift()
}
