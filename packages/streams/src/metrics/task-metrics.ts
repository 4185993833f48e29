import { Sensor } from './sensor.ts'
import { MetricGroup, type StreamsMetric } from './streams-metric.ts'

/** What a task measures at any level. */
export class TaskMetrics {
  readonly dropped: Sensor = new Sensor()
  readonly restored: Sensor = new Sensor()
  restoreRemaining = 0

  collect(threadId: string, taskId: string): StreamsMetric[] {
    return new MetricGroup(
      'stream-task-metrics',
      { 'thread-id': threadId, 'task-id': taskId },
      performance.now(),
    )
      .invocations('dropped-records', this.dropped)
      .sums('restore', this.restored)
      .add('restore-remaining-records-total', this.restoreRemaining).metrics
  }
}
