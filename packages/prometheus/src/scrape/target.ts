import type { RelabelConfig, ScrapeConfig } from '../config.ts'
import { Labels } from '../labels.ts'
import type { NewSample } from '../storage/samples.ts'
import type { DiscoveredTarget } from './discovery.ts'
import {
  type ExposedSample,
  type MetricMetadata,
  parseExposition,
  parseSeries,
} from './exposition.ts'
import { relabel } from './relabel.ts'

const accept =
  'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1'

export interface TargetOptions {
  config: ScrapeConfig
  intervalMs: number
  timeoutMs: number
  /** Addresses by the host names that configuration files use. */
  hosts: Readonly<Record<string, string>>
}

/** What the API shows of a target. */
export interface TargetHealth {
  readonly health: 'up' | 'down' | 'unknown'
  readonly lastError: string
  readonly lastScrapeMs: number
  readonly lastDurationMs: number
}

/** One target of a job: scrapes it and turns what it exposes into samples. */
export class Target {
  readonly url: string
  readonly labels: Labels
  readonly discovered: DiscoveredTarget
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly metadata: Map<string, MetricMetadata> = new Map()
  health: TargetHealth = { health: 'unknown', lastError: '', lastScrapeMs: 0, lastDurationMs: 0 }
  readonly #config: ScrapeConfig
  readonly #fetchUrl: string
  /** Labels of a series as the target writes it, so that the next scrape need not relabel again. */
  readonly #known = new Map<string, Labels | undefined>()
  #series = new Map<string, Labels>()

  /** The target after relabelling; undefined where a rule drops it. */
  static from(discovered: DiscoveredTarget, options: TargetOptions): Target | undefined {
    const { config } = options
    const before = {
      job: config.job_name,
      __scheme__: config.scheme,
      __metrics_path__: config.metrics_path,
      __scrape_interval__: `${options.intervalMs}ms`,
      __scrape_timeout__: `${options.timeoutMs}ms`,
      ...Object.fromEntries(
        Object.entries(config.params).map(([name, [value = '']]) => [`__param_${name}`, value]),
      ),
      ...discovered,
    }
    const after = relabel(before, config.relabel_configs)
    return after?.__address__ ? new Target(before, after, options) : undefined
  }

  private constructor(
    discovered: DiscoveredTarget,
    labels: Record<string, string>,
    { config, intervalMs, timeoutMs, hosts }: TargetOptions,
  ) {
    this.#config = config
    this.discovered = discovered
    this.intervalMs = intervalMs
    this.timeoutMs = timeoutMs
    const address = labels.__address__!
    const query = new URLSearchParams()
    for (const [name, values] of Object.entries(config.params))
      for (const value of values) query.append(name, value)
    const suffix = `${labels.__metrics_path__ ?? '/metrics'}${query.size > 0 ? `?${query}` : ''}`
    this.url = `${labels.__scheme__}://${address}${suffix}`
    this.#fetchUrl = `${labels.__scheme__}://${hosts[address] ?? hosts[address.split(':')[0]!] ?? address}${suffix}`
    const own = Object.fromEntries(
      Object.entries(labels).filter(([name]) => !name.startsWith('__')),
    )
    this.labels = Labels.from({ instance: address, ...own })
  }

  /** Whether this is the same target as one that discovery found again. */
  get key(): string {
    return `${this.url}\u0001${this.labels.key}`
  }

  /** Scrapes once and gives the samples to store, those of the scrape itself included. */
  async scrape(nowMs: number): Promise<NewSample[]> {
    const startMs = performance.now()
    let exposedCount = 0
    let error = ''
    const samples: NewSample[] = []
    const seen = new Map<string, Labels>()
    try {
      const exposed = await this.#fetch()
      for (const sample of exposed) {
        const labels = this.#labelsOf(sample)
        if (!labels) continue
        const ownTime = this.#config.honor_timestamps ? sample.timeMs : undefined
        samples.push({ labels, timeMs: ownTime ?? nowMs, value: sample.value })
        // A series with a time of its own is not ended when it goes: its samples say when they were.
        if (ownTime === undefined) seen.set(labels.key, labels)
      }
      exposedCount = exposed.length
    } catch (failure) {
      error = describe(failure, this.timeoutMs)
      samples.length = 0
      seen.clear()
    }
    const durationMs = performance.now() - startMs
    if (
      error === '' &&
      this.#config.sample_limit > 0 &&
      samples.length > this.#config.sample_limit
    ) {
      error = `sample limit exceeded: ${samples.length} > ${this.#config.sample_limit}`
      samples.length = 0
      seen.clear()
    }
    const added = [...seen.keys()].filter((key) => !this.#series.has(key)).length
    for (const [key, labels] of this.#series)
      if (!seen.has(key)) samples.push({ labels, timeMs: nowMs, value: Number.NaN, stale: true })
    this.#series = seen
    this.health = {
      health: error === '' ? 'up' : 'down',
      lastError: error,
      lastScrapeMs: nowMs,
      lastDurationMs: durationMs,
    }
    const report = (name: string, value: number): void => {
      samples.push({ labels: this.labels.with({ __name__: name }), timeMs: nowMs, value })
    }
    report('up', error === '' ? 1 : 0)
    report('scrape_duration_seconds', durationMs / 1_000)
    report('scrape_samples_scraped', exposedCount)
    report('scrape_samples_post_metric_relabeling', seen.size)
    report('scrape_series_added', added)
    return samples
  }

  /** Samples that end every series of a target that is gone. */
  end(nowMs: number): NewSample[] {
    const ended = [...this.#series.values()]
    ended.push(this.labels.with({ __name__: 'up' }))
    return ended.map((labels) => ({ labels, timeMs: nowMs, value: Number.NaN, stale: true }))
  }

  async #fetch(): Promise<readonly ExposedSample[]> {
    const { basic_auth: basic, authorization, body_size_limit: limit } = this.#config
    const headers: Record<string, string> = {
      accept,
      'user-agent': 'Prometheus/3 (Khlong)',
      'x-prometheus-scrape-timeout-seconds': String(this.timeoutMs / 1_000),
    }
    if (basic)
      headers.authorization = `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`
    else if (authorization)
      headers.authorization = `${authorization.type} ${authorization.credentials}`
    const response = await fetch(this.#fetchUrl, {
      headers,
      signal: AbortSignal.timeout(this.timeoutMs),
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw new Error(`server returned HTTP status ${response.status} ${response.statusText}`)
    }
    const text = await readBody(response, limit)
    const openMetrics =
      response.headers.get('content-type')?.startsWith('application/openmetrics-text') ?? false
    const { samples, metadata } = parseExposition(text, openMetrics)
    for (const [name, entry] of metadata) this.metadata.set(name, entry)
    return samples
  }

  /** @throws PrometheusError `PROMETHEUS_EXPOSITION_MALFORMED` */
  #labelsOf(sample: ExposedSample): Labels | undefined {
    const { series } = sample
    if (this.#known.has(series)) return this.#known.get(series)
    const { name, labels } = parseSeries(sample)
    const made = this.#makeLabels(name, labels)
    // A target that makes up new labels for ever must not fill memory.
    if (this.#known.size > 50_000) this.#known.clear()
    // A copy: the text of the series is a slice, which would keep the whole answer in memory.
    this.#known.set(Buffer.from(series).toString(), made)
    return made
  }

  #makeLabels(name: string, pairs: readonly string[]): Labels | undefined {
    const exposed: Record<string, string> = { __name__: name }
    for (let index = 0; index < pairs.length; index += 2) exposed[pairs[index]!] = pairs[index + 1]!
    const target = this.labels.toRecord()
    for (const [label, value] of Object.entries(target)) {
      if (exposed[label] === undefined) exposed[label] = value
      else if (!this.#config.honor_labels) {
        exposed[`exported_${label}`] = exposed[label]
        exposed[label] = value
      }
    }
    const rules: readonly RelabelConfig[] = this.#config.metric_relabel_configs
    const kept = rules.length === 0 ? exposed : relabel(exposed, rules)
    return kept && Labels.from(kept)
  }
}

async function readBody(response: Response, limit: number): Promise<string> {
  if (limit === 0 || !response.body) return response.text()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.length
    if (size > limit) throw new Error(`body size limit of ${limit} bytes exceeded`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function describe(error: unknown, timeoutMs: number): string {
  const { name, message, cause } = error as Error
  if (name === 'TimeoutError') return `context deadline exceeded (${timeoutMs} ms)`
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
