import type { Sensor } from './sensor.ts'

/** A metric under the name, group and tags that Kafka Streams gives it. Latencies are milliseconds. */
export interface StreamsMetric {
  readonly name: string
  readonly group: string
  readonly tags: Readonly<Record<string, string>>
  readonly value: number | string
}

/** Adds the metrics of one group and one set of tags. */
export class MetricGroup {
  readonly metrics: StreamsMetric[] = []
  readonly #group: string
  readonly #tags: Readonly<Record<string, string>>
  readonly #nowMs: number

  constructor(group: string, tags: Readonly<Record<string, string>>, nowMs: number) {
    this.#group = group
    this.#tags = tags
    this.#nowMs = nowMs
  }

  add(name: string, value: number | string): this {
    this.metrics.push({ name, group: this.#group, tags: this.#tags, value })
    return this
  }

  /** `NAME-rate` and `NAME-total`: how often. */
  invocations(name: string, sensor: Sensor): this {
    return this.add(`${name}-rate`, sensor.rate(this.#nowMs)).add(`${name}-total`, sensor.count)
  }

  /** `NAME-rate` and `NAME-total`: how much. */
  sums(name: string, sensor: Sensor): this {
    return this.add(`${name}-rate`, sensor.sumRate(this.#nowMs)).add(`${name}-total`, sensor.sum)
  }

  /** `NAME-avg` and `NAME-max`. */
  avgAndMax(name: string, sensor: Sensor): this {
    return this.add(`${name}-avg`, sensor.avg(this.#nowMs)).add(
      `${name}-max`,
      sensor.max(this.#nowMs),
    )
  }
}
