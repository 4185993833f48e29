import type { TopicPartition } from '@khlong/kafka-client'
import type { StreamsMetric } from '../metrics/streams-metric.ts'
import type { RestoreProgress } from '../runtime/restore.ts'
import type { TaskCounts } from '../runtime/task.ts'
import type { StoreAnswer, StoreQuery } from './store-query.ts'

/** The states of a stream thread in the order of Java's, which metrics count by. */
export const streamThreadStates = [
  'created',
  'starting',
  'partitions-revoked',
  'partitions-assigned',
  'running',
  'pending-shutdown',
  'dead',
] as const

/** Where a stream thread stands, in Java's words. */
export type StreamThreadState = (typeof streamThreadStates)[number]

/** A state as Java writes it: `PARTITIONS_ASSIGNED`. */
export const stateName = (state: string): string => state.toUpperCase().replaceAll('-', '_')

/** Who a stream thread is. */
export interface ThreadIdentity {
  /** As Java names it: `CLIENT-ID-StreamThread-INDEX`. */
  readonly name: string
  /** From 1; no two threads of an instance have the same. */
  readonly index: number
  /** Tells this instance from all others of the application. */
  readonly processId: string
}

/** What a task that runs here reads, and how far it is. */
export interface TaskMetadata {
  readonly taskId: string
  readonly topicPartitions: readonly TopicPartition[]
  /** What the group has, by `topic-partition`; partitions without a commit are left out. */
  readonly committedOffsets: Readonly<Record<string, number>>
  /** Where the topics end as far as is known, by `topic-partition`. */
  readonly endOffsets: Readonly<Record<string, number>>
}

/** A stream thread of this instance. */
export interface ThreadMetadata {
  readonly threadName: string
  readonly threadState: StreamThreadState
  readonly mainConsumerClientId: string
  readonly producerClientId: string
  readonly activeTasks: readonly TaskMetadata[]
}

/** What a thread tells of its work. */
export interface ThreadReport {
  readonly counts: TaskCounts
  /** Records that wait in the topics that are read. */
  readonly lag: number
  /** How far stores are restored; undefined while none is. */
  readonly restoring: RestoreProgress | undefined
  /** When the next window closes; undefined where none is open. */
  readonly nextWindowCloseMs: number | undefined
}

/** What a thread tells unasked. */
export interface ThreadEvents {
  onState(state: StreamThreadState): void
  /** The thread has ended by itself. */
  onFailure(error: unknown): void
  /** A member of the group asked all others to stop. */
  onShutdown(): void
}

export interface ThreadStopOptions {
  /** Whether the group does not wait for this thread to come back. */
  readonly isForGood?: boolean
}

/** A stream thread, here or in a worker. */
export interface StreamThreadHandle {
  readonly identity: ThreadIdentity
  readonly state: StreamThreadState
  /** As it is now; of a worker, as it was within the last second. */
  readonly report: ThreadReport
  /** What the thread and its tasks have measured; of a worker, up to two seconds ago. */
  readonly metrics: readonly StreamsMetric[]
  /** Joins the group and resolves; tasks start when the group has shared them out. */
  start(): Promise<void>
  /** Commits, gives its tasks back and ends. */
  stop(options?: ThreadStopOptions): Promise<void>
  setPaused(isPaused: boolean): void
  /** Says with how many threads, itself included, it shares the memory for caches. */
  setThreadCount(threadCount: number): void
  /** Asks all members of the group to stop. */
  askForShutdown(): void
  query(query: StoreQuery): Promise<StoreAnswer>
  metadata(): Promise<ThreadMetadata>
}
