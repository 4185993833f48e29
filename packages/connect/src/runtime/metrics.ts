import type { MetricsRegistry } from '@khlong/core'

/** What a task counts. Runners change the fields directly. */
export interface TaskCounters {
  recordsIn: number
  recordsOut: number
  deadLetters: number
  skipped: number
  errors: number
  retries: number
  batches: number
  lag: number
  lastCommitMs: number
}

/** Counters by connector and task, which outlive restarts and changes of a connector. */
export class CounterTable {
  readonly #counters = new Map<string, TaskCounters>()

  of(connector: string, task: number): TaskCounters {
    const key = `${task}/${connector}`
    let counters = this.#counters.get(key)
    if (!counters) {
      counters = newCounters()
      this.#counters.set(key, counters)
    }
    return counters
  }

  /** Forgets a connector that was deleted. */
  remove(connector: string): void {
    for (const key of this.#counters.keys())
      if (key.slice(key.indexOf('/') + 1) === connector) this.#counters.delete(key)
  }
}

function newCounters(): TaskCounters {
  return {
    recordsIn: 0,
    recordsOut: 0,
    deadLetters: 0,
    skipped: 0,
    errors: 0,
    retries: 0,
    batches: 0,
    lag: 0,
    lastCommitMs: 0,
  }
}

/** What the metrics need to know of a task. */
export interface TaskView {
  readonly connector: string
  readonly task: number
  readonly kind: 'source' | 'sink'
  readonly state: string
  readonly counters: TaskCounters
}

/** What the metrics need to know of the group of workers. */
export interface GroupView {
  /** The group's round; -1 before the first. */
  readonly epoch: number
  readonly rebalances: number
  readonly isRebalancing: boolean
}

/** Fills the worker's metrics, named as the JMX exporter names those of Java's workers. */
export function registerMetrics(
  registry: MetricsRegistry,
  view: () => {
    connectors: readonly { name: string; state: string }[]
    tasks: readonly TaskView[]
    group: GroupView
  },
): void {
  const gauge = (name: string, help: string) =>
    registry.gauge({ name: `kafka_connect_${name}`, help })
  const counter = (name: string, help: string) =>
    registry.counter({ name: `kafka_connect_${name}`, help })
  const connectorCount = gauge('worker_connector_count', 'Connectors that run in this worker.')
  const taskCount = gauge('worker_task_count', 'Tasks that run in this worker.')
  const epoch = gauge('worker_rebalance_epoch', 'The round of the group of workers.')
  const rebalances = counter(
    'worker_rebalance_completed_rebalances_total',
    'Rounds of the group that this worker took part in.',
  )
  const rebalancing = gauge(
    'worker_rebalance_rebalancing',
    '1 while the workers agree on their shares.',
  )
  const connectorStatus = gauge('connector_status', '1 for the state that a connector is in.')
  const taskStatus = gauge('connector_task_status', '1 for the state that a task is in.')
  const polled = counter(
    'source_task_source_record_poll_total',
    'Records that a source task polled, before transforms.',
  )
  const written = counter(
    'source_task_source_record_write_total',
    'Records that a source task has durable in Kafka.',
  )
  const read = counter('sink_task_sink_record_read_total', 'Records that a sink task read.')
  const sent = counter('sink_task_sink_record_send_total', 'Records that a sink task put.')
  const lag = gauge('sink_task_sink_record_lag_max', 'Records that wait for a sink task.')
  const letters = counter(
    'task_error_deadletterqueue_produce_requests_total',
    'Dead letters that are durable in Kafka.',
  )
  const skipped = counter('task_error_total_records_skipped_total', 'Records skipped by tolerance.')
  const errors = counter('task_error_total_record_errors_total', 'Records in error.')
  const retries = counter('task_error_total_retries_total', 'Operations that were tried again.')
  registry.onRender(() => {
    const { connectors, tasks, group } = view()
    epoch.set(group.epoch)
    rebalances.series().value = group.rebalances
    rebalancing.set(group.isRebalancing ? 1 : 0)
    for (const family of [
      connectorStatus,
      taskStatus,
      polled,
      written,
      read,
      sent,
      lag,
      letters,
      skipped,
      errors,
      retries,
    ])
      family.clear()
    connectorCount.set(connectors.length)
    taskCount.set(tasks.length)
    for (const { name, state } of connectors)
      connectorStatus.set(1, { connector: name, status: state.toLowerCase() })
    for (const { connector, task, kind, state, counters } of tasks) {
      const labels = { connector, task: String(task) }
      taskStatus.set(1, { ...labels, status: state.toLowerCase() })
      const isSource = kind === 'source'
      const taken = isSource ? polled : read
      taken.series(labels).value = counters.recordsIn
      const given = isSource ? written : sent
      given.series(labels).value = counters.recordsOut
      if (!isSource) lag.set(counters.lag, labels)
      letters.series(labels).value = counters.deadLetters
      skipped.series(labels).value = counters.skipped
      errors.series(labels).value = counters.errors
      retries.series(labels).value = counters.retries
    }
  })
}
