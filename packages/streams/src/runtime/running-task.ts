import { DebugMetrics, storeTags } from '../metrics/debug-metrics.ts'
import { IteratorMetrics } from '../metrics/iterator-metrics.ts'
import type { StreamsMetric } from '../metrics/streams-metric.ts'
import { SuppressBuffer } from '../state/suppress-buffer.ts'
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
  readonly #iterators: ReadonlyMap<Readonly<Record<string, string>>, IteratorMetrics>

  constructor(task: StreamTask, plan: PlannedTask, nowMs: number, isDebug = false) {
    this.task = task
    this.plan = plan
    this.lastRecordMs = nowMs
    const iterators = new Map<Readonly<Record<string, string>>, IteratorMetrics>()
    for (const { store, spec } of task.stores.values())
      if (!(store instanceof SuppressBuffer))
        iterators.set(storeTags(store, spec), new IteratorMetrics(store))
    this.#iterators = iterators
    this.debugMetrics = isDebug ? new DebugMetrics(task) : undefined
  }

  /** @param bufferCount counts the records that wait for the task */
  metrics(threadId: string, bufferCount: () => number): StreamsMetric[] {
    const { task, debugMetrics } = this
    const isDebug = debugMetrics !== undefined
    const tags = { 'thread-id': threadId, 'task-id': task.id }
    task.look()
    const metrics = task.metrics.collect(threadId, task.id)
    for (const node of task.nodes) {
      const nodeTags = { ...tags, 'processor-node-id': node.nodeName }
      const isSource = task.isSource(node)
      metrics.push(...node.metrics.collect({ tags: nodeTags, isSource }, task.nowMs(), isDebug))
    }
    for (const [of, iterators] of this.#iterators)
      metrics.push(...iterators.collect({ ...tags, ...of }, isDebug))
    if (debugMetrics) metrics.push(...debugMetrics.collect(threadId, bufferCount()))
    return metrics
  }
}
