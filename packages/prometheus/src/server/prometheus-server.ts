import type { AddressInfo } from 'node:net'
import path from 'node:path'
import {
  type Cut,
  CutFolder,
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
import { guardServer, openAccess, type PartAccess, withoutSchemas } from '@khlong/core/access'
import fastify, { type FastifyInstance } from 'fastify'
import packageJson from '../../package.json' with { type: 'json' }
import { AlertmanagerServer } from '../alertmanager/server/alertmanager-server.ts'
import { type PrometheusConfig, readConfig } from '../config.ts'
import { parseDuration } from '../duration.ts'
import { prometheusFormats } from '../formats.ts'
import { AlertSender, type OutgoingAlert } from '../notifier/alert-sender.ts'
import {
  type PrometheusOptions,
  type ResolvedPrometheusOptions,
  resolvePrometheusOptions,
} from '../options.ts'
import { Engine } from '../promql/engine.ts'
import { takeAlertsToSend } from '../rules/alert.ts'
import type { Rule, RuleGroup } from '../rules/rule-group.ts'
import { RuleManager } from '../rules/rule-manager.ts'
import { graphLink } from '../rules/template.ts'
import { ScrapeManager } from '../scrape/scrape-manager.ts'
import type { NewSample } from '../storage/samples.ts'
import { Tsdb } from '../storage/tsdb.ts'
import { addApi } from './api.ts'
import { DiskMetrics } from './disk-metrics.ts'

/** Questions that may come by POST, since they can be long. */
const readsByPost = ['query', 'query_range', 'query_exemplars', 'series', 'labels']

const flushEveryMs = 5_000
const maintainEveryMs = 60_000
const measureDiskEveryMs = 15_000

const noConfig: PrometheusConfig = {
  global: {
    scrape_interval: 60_000,
    scrape_timeout: 10_000,
    evaluation_interval: 60_000,
    external_labels: {},
  },
  scrapes: [],
  ruleGroups: [],
  alerting: { alert_relabel_configs: [], alertmanagers: [] },
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
  readonly #disk: DiskMetrics
  #folder: DataFolder | undefined
  #tsdb: Tsdb | undefined
  #scrapes: ScrapeManager | undefined
  #rules: RuleManager | undefined
  #sender: AlertSender | undefined
  readonly #alertmanager: AlertmanagerServer | undefined
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
    this.#alertmanager = this.#makeAlertmanager()
    this.#disk = new DiskMetrics(this.#options.data, this.#metrics)
    this.#addMetrics()
  }

  get addresses(): Readonly<Record<string, string>> {
    const alertmanager = this.#alertmanager?.addresses.http
    return alertmanager === undefined ? this.#addresses : { ...this.#addresses, alertmanager }
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
        ...(this.#alertmanager ? { firing: this.#alertmanager.vitals().facts.firing ?? 0 } : {}),
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
    return this.#metrics.render() + (this.#alertmanager?.metrics() ?? '')
  }

  /** Reads the configuration again. @throws SettingsError; what ran before goes on */
  async reload(): Promise<void> {
    const file = this.#options['config.file']
    if (file === undefined) return
    const config = await readConfig(file)
    this.#config = config
    this.#rules?.apply(config)
    await this.#sender?.apply(config)
    await this.#scrapes?.apply(config)
    await this.#alertmanager?.reload()
  }

  async cut(into: string): Promise<Cut> {
    if (!this.#folder || !this.#tsdb) throw new Error('the server does not run')
    const cut = new CutFolder(this.#folder.path, into)
    this.#tsdb.cut(cut)
    this.#alertmanager?.cutInto(cut, 'alertmanager')
    return cut.done(prometheusFormats)
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
    this.#rules = new RuleManager({
      engine,
      store,
      select: (matchers, minMs, maxMs) => tsdb.select(matchers, minMs, maxMs),
      notify: (group, rule, nowMs) => this.#notify(group, rule, nowMs),
      externalUrl: () => this.#externalUrl,
      clock,
      logger,
    })
    this.#sender = new AlertSender({
      hosts: () => this.#alertingHosts(),
      discoveryFolder: options['discovery.dir'],
      capacity: options['alertmanager.notification-queue-capacity'],
      tokenFor: (address) =>
        address === this.#alertmanager?.addresses.http ? options['access.token'] : undefined,
      clock,
      logger,
    })
    this.#scrapes = new ScrapeManager({
      store,
      hosts: options.hosts,
      discoveryFolder: options['discovery.dir'],
      clock,
      logger,
    })
    await this.#listen(engine)
    await this.#alertmanager?.start()
    await this.#sender.apply(this.#config)
    this.#rules.apply(this.#config)
    await this.#scrapes.apply(this.#config)
    this.#every(flushEveryMs, () => tsdb.flush())
    this.#every(maintainEveryMs, () => tsdb.maintain())
    await this.#disk.measure()
    this.#every(measureDiskEveryMs, () => this.#disk.measure())
  }

  protected override async onStop(deadlineMs: number): Promise<void> {
    for (const timer of this.#timers) this.clock.clearTimer(timer)
    this.#timers = []
    await this.#server?.close()
    await this.#access?.close()
    await this.#scrapes?.stop()
    await this.#rules?.stop()
    await this.#sender?.stop()
    await this.#alertmanager?.stop({ deadlineMs })
    await this.#tsdb?.close()
    await this.#folder?.release()
    this.#server = this.#scrapes = this.#rules = this.#tsdb = this.#folder = undefined
    this.#access = this.#sender = undefined
    this.#addresses = {}
  }

  #makeAlertmanager(): AlertmanagerServer | undefined {
    const options = this.#options
    const file = options['alertmanager.config.file']
    if (file === undefined || options['alertmanager.url'] !== undefined) return undefined
    return new AlertmanagerServer(
      {
        listen: options['alertmanager.listen'],
        data: path.join(options.data, 'alertmanager'),
        'config.file': file,
        access: options.access,
        'access.required': options['access.required'],
        'access.token': options['access.token'],
        allow_anonymous: options.allow_anonymous,
      },
      this.#context,
    )
  }

  get #externalUrl(): string {
    return (this.#options['web.external-url'] ?? `http://${this.#addresses.http}`).replace(
      /\/$/,
      '',
    )
  }

  /** The host `alertmanager` of the configuration is the one beside, or the one elsewhere. */
  #alertingHosts(): Readonly<Record<string, string>> {
    const own = this.#options['alertmanager.url'] ?? this.#alertmanager?.addresses.http
    return own === undefined
      ? this.#options.hosts
      : { alertmanager: reachable(own), ...this.#options.hosts }
  }

  #notify(group: RuleGroup, rule: Rule, nowMs: number): void {
    const resendMs = parseDuration(this.#options['rules.alert.resend-delay'])!
    const validMs = 4 * Math.max(group.intervalMs, resendMs)
    const alerts = takeAlertsToSend(rule, nowMs, resendMs).map(
      (alert): OutgoingAlert => ({
        labels: alert.labels.toRecord(),
        annotations: alert.annotations,
        startsAt: new Date(alert.firedAtMs ?? alert.activeAtMs).toISOString(),
        endsAt: new Date(alert.resolvedAtMs ?? nowMs + validMs).toISOString(),
        generatorURL: this.#externalUrl + graphLink(rule.config.expr, 1),
      }),
    )
    this.#sender?.send(alerts)
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
      schemaController: withoutSchemas,
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
      alertmanagers: () => this.#sender?.urls ?? [],
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
    for (const route of ['/api/v1/write', '/api/v1/read', '/api/v1/otlp/v1/metrics', '/federate'])
      server.all(route, async (_request, reply) =>
        reply.code(404).send(`${route} is not supported yet\n`),
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
    counter(
      'prometheus_notifications_sent_total',
      'Alerts sent to Alertmanagers.',
      () => this.#sender?.sent ?? 0,
    )
    counter(
      'prometheus_notifications_errors_total',
      'Alerts that an Alertmanager did not take.',
      () => this.#sender?.failed ?? 0,
    )
    counter(
      'prometheus_notifications_dropped_total',
      'Alerts that no Alertmanager took.',
      () => this.#sender?.dropped ?? 0,
    )
    gauge(
      'prometheus_notifications_queue_length',
      'Alerts that wait to be sent.',
      () => this.#sender?.queueLength ?? 0,
    )
    gauge(
      'prometheus_notifications_alertmanagers_discovered',
      'Alertmanagers that alerts go to.',
      () => this.#sender?.urls.length ?? 0,
    )
    counter('prometheus_http_requests_total', 'Queries answered.', () => this.#samplesQueried)
  }
}

/** A wildcard address as this machine reaches it. */
function reachable(address: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')
}
