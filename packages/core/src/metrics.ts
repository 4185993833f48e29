/** Label values by label name. Keep them bounded: each combination is a series for ever. */
export type Labels = Readonly<Record<string, string>>

export interface MetricOptions {
  /** With its unit at the end: `_total`, `_bytes`, `_seconds`. */
  name: string
  help: string
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

function formatLabels(labels: Labels): string {
  let text = ''
  for (const name in labels) text += `${text && ','}${name}="${escapeLabel(labels[name]!)}"`
  return text
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

/** One series of a counter or gauge. On a hot path hold it and change `value` directly. */
export interface Series {
  value: number
}

abstract class Family {
  readonly options: MetricOptions
  protected readonly seriesByLabels: Map<string, Series> = new Map<string, Series>()
  constructor(options: MetricOptions) {
    this.options = options
  }
  abstract readonly type: string
  /** The series with these labels, made with value 0 on first use. */
  series(labels: Labels = {}): Series {
    const key = formatLabels(labels)
    let series = this.seriesByLabels.get(key)
    if (!series) {
      series = { value: 0 }
      this.seriesByLabels.set(key, series)
    }
    return series
  }
  /** Forgets the series with these labels. */
  remove(labels: Labels): void {
    this.seriesByLabels.delete(formatLabels(labels))
  }
  /** Forgets all series; for gauges that are filled anew at each scrape. */
  clear(): void {
    this.seriesByLabels.clear()
  }
  render(): string {
    const { name, help } = this.options
    let text = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${this.type}\n`
    for (const [labels, series] of this.seriesByLabels)
      text += `${name}${labels && `{${labels}}`} ${formatValue(series.value)}\n`
    return text
  }
}

/** A count that only grows. */
export class Counter extends Family {
  readonly type: string = 'counter'
  add(value = 1, labels: Labels = {}): void {
    this.series(labels).value += value
  }
}

/** A value that goes up and down. */
export class Gauge extends Family {
  readonly type: string = 'gauge'
  set(value: number, labels: Labels = {}): void {
    this.series(labels).value = value
  }
}

/** Counts of observations in buckets by upper bound. */
export class Histogram {
  readonly options: MetricOptions & { buckets: readonly number[] }
  readonly #counts: Float64Array
  #sum = 0
  constructor(options: MetricOptions & { buckets: readonly number[] }) {
    this.options = options
    this.#counts = new Float64Array(options.buckets.length + 1)
  }
  observe(value: number): void {
    const { buckets } = this.options
    let index = 0
    while (index < buckets.length && value > buckets[index]!) index++
    this.#counts[index]! += 1
    this.#sum += value
  }
  render(): string {
    const { name, help, buckets } = this.options
    let text = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} histogram\n`
    let count = 0
    for (let index = 0; index <= buckets.length; index++) {
      count += this.#counts[index]!
      text += `${name}_bucket{le="${formatValue(buckets[index] ?? Number.POSITIVE_INFINITY)}"} ${count}\n`
    }
    return `${text}${name}_sum ${this.#sum}\n${name}_count ${count}\n`
  }
}

/** The metrics of one part, rendered in Prometheus's text format 0.0.4. */
export class MetricsRegistry {
  readonly #families = new Map<string, { render(): string }>()
  readonly #collectors: (() => void)[] = []

  counter(options: MetricOptions): Counter {
    return this.#add(options.name, new Counter(options))
  }
  gauge(options: MetricOptions): Gauge {
    return this.#add(options.name, new Gauge(options))
  }
  histogram(options: MetricOptions & { buckets: readonly number[] }): Histogram {
    return this.#add(options.name, new Histogram(options))
  }
  /** Calls `collect` before each rendering, to set gauges from state. */
  onRender(collect: () => void): void {
    this.#collectors.push(collect)
  }
  render(): string {
    for (const collect of this.#collectors) collect()
    let text = ''
    for (const family of this.#families.values()) text += family.render()
    return text
  }
  #add<F extends { render(): string }>(name: string, family: F): F {
    if (this.#families.has(name)) throw new Error(`metric ${name} is registered twice`)
    this.#families.set(name, family)
    return family
  }
}
