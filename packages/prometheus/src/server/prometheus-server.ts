import type { AddressInfo } from 'node:net'
import {
  type DataFolder,
  formatListen,
  MetricsRegistry,
  openDataFolder,
  PartBase,
  type PartContext,
  parseListen,
  type TimerHandle,
  type Vitals,
} from '@khlong/core'
import { guardServer, openAccess, type PartAccess } from '@khlong/core/access'
import fastify, { type FastifyInstance } from 'fastify'
import packageJson from '../../package.json' with { type: 'json' }
import { type PrometheusConfig, readConfig } from '../config.ts'
import { parseDuration } from '../duration.ts'
import {
  type PrometheusOptions,
  type ResolvedPrometheusOptions,
  resolvePrometheusOptions,
} from '../options.ts'
import { Engine } from '../promql/engine.ts'
import { RuleManager } from '../rules/rule-manager.ts'
import { ScrapeManager } from '../scrape/scrape-manager.ts'
import type { NewSample } from '../storage/samples.ts'
import { Tsdb } from '../storage/tsdb.ts'
import { addApi } from './api.ts'

/** Questions that may come by POST, since they can be long. */
const readsByPost = ['query', 'query_range', 'query_exemplars', 'series', 'labels']

const flushEveryMs = 5_000
const maintainEveryMs = 60_000

const noConfig: PrometheusConfig = {
  global: {
    scrape_interval: 60_000,
    scrape_timeout: 10_000,
    evaluation_interval: 60_000,
    external_labels: {},
  },
  scrapes: [],
  ruleGroups: [],
  yaml: '',
  folder: '.',
}

/** Scrapes, stores, answers PromQL and evaluates rules: what stands for Prometheus. */
export class PrometheusServer extends PartBase {
  readonly name = 'prometheus'
  #addresses: Record<string, string> = {}
  readonly #options: ResolvedPrometheusOptions
  readonly #context: PartContext
  readonly #metrics = new MetricsRegistry()
  #folder: DataFolder | undefined
  #tsdb: Tsdb | undefined
  #scrapes: ScrapeManager | undefined
  #rules: RuleManager | undefined
  #server: FastifyInstance | undefined
  #access: PartAccess | undefined
  #config: PrometheusConfig = noConfig
  #timers: TimerHandle[] = []
  #samplesAppended = 0
  #samplesOutOfOrder = 0
  #samplesQueried = 0

  /** @throws SettingsError `SETTINGS_INVALID` */
  constructor(options: PrometheusOptions, context: PartContext = {}) {
    super(context)
    this.#context = context
    this.#options = resolvePrometheusOptions(options)
    this.#addMetrics()
  }

  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses
  }

  vitals(): Vitals {
    const active = this.#scrapes?.active() ?? []
    return {
      recordsIn: this.#samplesAppended,
      recordsOut: this.#samplesQueried,
      facts: {
        series: this.#tsdb?.head.seriesCount ?? 0,
        targets: active.length,
        down: active.filter(({ target }) => target.health.health === 'down').length,
      },
      items: [...new Set(active.map(({ job }) => job))].map((job) => {
        const down = active.filter(
          (entry) => entry.job === job && entry.target.health.health === 'down',
        )
        const samples = this.#scrapes?.samplesScraped(job) ?? 0
        return {
          kind: 'job',
          name: job,
          state: down.length > 0 ? 'failed' : 'running',
          recordsIn: samples,
          recordsOut: samples,
          ...(down[0] ? { note: down[0].target.health.lastError } : {}),
        }
      }),
    }
  }

  metrics(): string {
    return this.#metrics.render()
  }

  /** Reads the configuration again. @throws SettingsError; what ran before goes on */
  async reload(): Promise<void> {
    const file = this.#options['config.file']
    if (file === undefined) return
    const config = await readConfig(file)
    this.#config = config
    this.#rules?.apply(config)
    await this.#scrapes?.apply(config)
  }

  protected override async onStart(): Promise<void> {
    const options = this.#options
    if (options['config.file'] !== undefined)
      this.#config = await readConfig(options['config.file'])
    this.#folder = await openDataFolder(options.data)
    const tsdb = new Tsdb({
      folder: this.#folder.path,
      retentionMs: parseDuration(options['storage.tsdb.retention.time'])!,
      retentionBytes: options['storage.tsdb.retention.size'],
      blockMs: parseDuration(options['storage.tsdb.min-block-duration'])!,
      logger: this.logger,
      clock: this.clock,
    })
    this.#tsdb = tsdb
    await tsdb.open()
    const engine = new Engine(tsdb, {
      lookbackMs: parseDuration(options['query.lookback-delta'])!,
      timeoutMs: parseDuration(options['query.timeout'])!,
      defaultStepMs: this.#config.global.evaluation_interval,
      maxSamples: options['query.max-samples'],
    })
    const store = (samples: readonly NewSample[]): Promise<void> => this.#store(samples)
    const { clock, logger } = this
    this.#rules = new RuleManager({ engine, store, clock, logger })
    this.#scrapes = new ScrapeManager({
      store,
      hosts: options.hosts,
      discoveryFolder: options['discovery.dir'],
      clock,
      logger,
    })
    await this.#listen(engine)
    this.#rules.apply(this.#config)
    await this.#scrapes.apply(this.#config)
    this.#every(flushEveryMs, () => tsdb.flush())
    this.#every(maintainEveryMs, () => tsdb.maintain())
  }

  protected override async onStop(): Promise<void> {
    for (const timer of this.#timers) this.clock.clearTimer(timer)
    this.#timers = []
    await this.#server?.close()
    await this.#access?.close()
    await this.#scrapes?.stop()
    await this.#rules?.stop()
    await this.#tsdb?.close()
    await this.#folder?.release()
    this.#server = this.#scrapes = this.#rules = this.#tsdb = this.#folder = undefined
    this.#access = undefined
    this.#addresses = {}
  }

  async #store(samples: readonly NewSample[]): Promise<void> {
    const result = await this.#tsdb?.append(samples)
    if (!result) return
    this.#samplesAppended += result.appended
    this.#samplesOutOfOrder += result.outOfOrder
  }

  #every(intervalMs: number, action: () => Promise<void>): void {
    const index = this.#timers.length
    const run = (): void => {
      action()
        .catch((error: unknown) => this.fail(error))
        .finally(() => {
          if (this.status === 'ready') this.#timers[index] = this.clock.setTimer(run, intervalMs)
        })
    }
    this.#timers.push(this.clock.setTimer(run, intervalMs))
  }

  async #listen(engine: Engine): Promise<void> {
    const { host, port } = parseListen(this.#options.listen)
    this.#access = await openAccess('prometheus', { host, port }, this.#options, this.#context, {
      isChallenging: true,
    })
    const server = fastify({
      logger: false,
      forceCloseConnections: true,
      routerOptions: { ignoreTrailingSlash: true },
    })
    this.#server = server
    const options = this.#options
    guardServer(server, this.#access.guard, {
      reads: readsByPost.map((name) => `/api/v1/${name}`),
      render: (_status, message) => `${message}\n`,
    })
    addApi(server, {
      tsdb: this.#tsdb!,
      engine: engine,
      scrapes: this.#scrapes!,
      rules: this.#rules!,
      configText: () => this.#config.yaml,
      flags: Object.fromEntries(
        Object.entries(options)
          .filter(([name]) => name !== 'access.token')
          .map(([name, value]) => [
            name,
            typeof value === 'object' ? JSON.stringify(value) : String(value),
          ]),
      ),
      startedAtMs: this.clock.nowMs(),
      nowMs: () => this.clock.nowMs(),
      version: packageJson.version,
    })
    server.addHook('onResponse', async (request) => {
      if (request.url.startsWith('/api/v1/query')) this.#samplesQueried++
    })
    server.get('/-/healthy', async () => 'Prometheus Server is Healthy.\n')
    server.get('/-/ready', async () => 'Prometheus Server is Ready.\n')
    server.get('/metrics', async (_request, reply) =>
      reply.type('text/plain; version=0.0.4').send(this.metrics()),
    )
    server.route({
      method: ['POST', 'PUT'],
      url: '/-/reload',
      handler: async (_request, reply) => {
        if (!options['web.enable-lifecycle'])
          return reply.code(403).send('Lifecycle API is not enabled.\n')
        try {
          await this.reload()
          return reply.send('')
        } catch (error) {
          return reply.code(500).send(`failed to reload config: ${(error as Error).message}\n`)
        }
      },
    })
    for (const path of ['/api/v1/write', '/api/v1/read', '/api/v1/otlp/v1/metrics', '/federate'])
      server.all(path, async (_request, reply) =>
        reply.code(404).send(`${path} is not supported yet\n`),
      )
    await server.listen({ host, port })
    const bound = server.server.address() as AddressInfo
    this.#addresses = { http: formatListen({ host, port: bound.port }) }
  }

  #addMetrics(): void {
    const gauge = (name: string, help: string, read: () => number): void => {
      const gauge = this.#metrics.gauge({ name, help })
      this.#metrics.onRender(() => gauge.set(read()))
    }
    const counter = (name: string, help: string, read: () => number): void => {
      const series = this.#metrics.counter({ name, help }).series()
      this.#metrics.onRender(() => {
        series.value = read()
      })
    }
    gauge(
      'prometheus_tsdb_head_series',
      'Series in the head.',
      () => this.#tsdb?.head.seriesCount ?? 0,
    )
    gauge(
      'prometheus_tsdb_head_chunks',
      'Chunks in the head.',
      () => this.#tsdb?.head.chunkCount ?? 0,
    )
    gauge(
      'prometheus_tsdb_blocks_loaded',
      'Blocks that are loaded.',
      () => this.#tsdb?.blocks.length ?? 0,
    )
    counter(
      'prometheus_tsdb_head_samples_appended_total',
      'Samples appended.',
      () => this.#samplesAppended,
    )
    counter(
      'prometheus_tsdb_out_of_order_samples_total',
      'Samples that came too late.',
      () => this.#samplesOutOfOrder,
    )
    counter(
      'prometheus_target_scrapes_failed_total',
      'Scrapes that failed.',
      () => this.#scrapes?.scrapeFailures ?? 0,
    )
    counter('prometheus_http_requests_total', 'Queries answered.', () => this.#samplesQueried)
  }
}
