import { DebugMetrics } from '../metrics/debug-metrics.ts'
import type { StreamTask } from './task.ts'
import type { PlannedTask } from './task-plan.ts'

/** A task with its place in its source partitions. */
export class RunningTask {
  readonly task: StreamTask
  readonly plan: PlannedTask
  /** Behind the last processed record, by topic. */
  readonly nextOffsets: Map<string, number> = new Map<string, number>()
  /** What the group has, by topic. */
  readonly committedOffsets: Map<string, number> = new Map<string, number>()
  /** Whether anything happened since the last commit. */
  isChanged = false
  /** Wall-clock time of the last record. */
  lastRecordMs: number
  /** How far windows were closed by the clock; goes into the commit, so that a restart keeps it. */
  closedUntilMs = -1
  /** What is measured beside, with `metrics.recording.level` DEBUG. */
  readonly debugMetrics: DebugMetrics | undefined

  constructor(task: StreamTask, plan: PlannedTask, nowMs: number, isDebug = false) {
    this.task = task
    this.plan = plan
    this.lastRecordMs = nowMs
    this.debugMetrics = isDebug ? new DebugMetrics(task) : undefined
  }
}
