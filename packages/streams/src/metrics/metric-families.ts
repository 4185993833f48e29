import type { Counter, Gauge, Labels, MetricsRegistry } from '@khlong/core'
import type { StreamsMetric } from './streams-metric.ts'

/**
 * Metrics of Kafka Streams as Micrometer names them for Prometheus: `process-total` of the group
 * `stream-thread-metrics` is `kafka_stream_thread_process_total`, and `thread-id` the label `thread_id`.
 * Those that are text are left out.
 */
export class MetricFamilies {
  readonly #registry: MetricsRegistry
  readonly #families = new Map<string, Counter | Gauge>()

  constructor(registry: MetricsRegistry) {
    this.#registry = registry
  }

  /** Forgets what was set: tasks and threads come and go. */
  clear(): void {
    for (const family of this.#families.values()) family.clear()
  }

  set({ name, group, tags, value }: StreamsMetric, labels: Labels): void {
    if (typeof value !== 'number') return
    const family = this.#family(`kafka_${group.replace(/-metrics$/, '')}_${name}`, name, group)
    const all: Record<string, string> = { ...labels }
    for (const [tag, text] of Object.entries(tags)) all[tag.replaceAll('-', '_')] = text
    family.series(all).value = value
  }

  #family(dashed: string, name: string, group: string): Counter | Gauge {
    const known = this.#families.get(dashed)
    if (known) return known
    const options = {
      name: dashed.replaceAll('-', '_'),
      help: `Kafka Streams: ${name} (${group}).`,
    }
    // What remains to be restored ends with `-total`, too, and goes down.
    const made =
      name.endsWith('-total') && !name.includes('remaining')
        ? this.#registry.counter(options)
        : this.#registry.gauge(options)
    this.#families.set(dashed, made)
    return made
  }
}
