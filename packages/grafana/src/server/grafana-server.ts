import path from 'node:path'
import {
  type Cut,
  CutFolder,
  type DataFolder,
  MetricsRegistry,
  openDataFolder,
  PartBase,
  type PartContext,
  parseListen,
  type Vitals,
} from '@khlong/core'
import type { FastifyInstance } from 'fastify'
import { ConsoleAccess } from '../access/console-access.ts'
import { dashboardRoutes } from '../api/dashboards.ts'
import { dataSourceRoutes } from '../api/data-sources.ts'
import { peopleRoutes } from '../api/people.ts'
import { queryRoutes } from '../api/query.ts'
import { sessionRoutes } from '../api/session.ts'
import { notConfigured } from '../errors.ts'
import { grafanaFormats } from '../formats.ts'
import type { ConsoleSetup } from '../model/platform.ts'
import { type GrafanaOptions, resolveGrafanaOptions } from '../options.ts'
import { commandRoutes } from '../place/command-routes.ts'
import { deviceRoutes } from '../place/device-routes.ts'
import { KafkaLink } from '../place/kafka-link.ts'
import { kafkaRoutes } from '../place/kafka-routes.ts'
import { Live } from '../place/live.ts'
import { mongodbRoutes } from '../place/mongodb-routes.ts'
import { MqttLink } from '../place/mqtt-link.ts'
import { mqttRoutes } from '../place/mqtt-routes.ts'
import { wayRoutes } from '../place/way.ts'
import { ZooKeeperLink } from '../place/zookeeper-link.ts'
import { MongoLink } from '../query/mongodb.ts'
import { DashboardStore } from '../state/dashboard-store.ts'
import { DataSourceStore } from '../state/data-source-store.ts'
import { serveConsole } from './console-files.ts'
import { guardedApp } from './guarded-app.ts'
import { listenApp } from './listen-app.ts'
import { proxyTo } from './proxy.ts'

/** Kept equal to the package's version by a test. */
export const version = '0.1.0'

/** Serves Grafana's API, its dashboards, and the console. */
export class GrafanaServer extends PartBase {
  readonly name: string = 'grafana'
  readonly #options: ReturnType<typeof resolveGrafanaOptions>
  readonly #context: PartContext
  readonly #metrics = new MetricsRegistry()
  readonly #requests = this.#metrics.counter({
    name: 'grafana_http_request_duration_seconds_count',
    help: 'HTTP requests answered, by status code.',
  })
  #app: FastifyInstance | undefined
  #folder: DataFolder | undefined
  #access: ConsoleAccess | undefined
  #dashboards: DashboardStore | undefined
  #live: Live | undefined
  #mqtt: MqttLink | undefined
  #mongodb: MongoLink | undefined
  #zookeeper: ZooKeeperLink | undefined
  #kafka: KafkaLink | undefined
  #address = ''
  #answered = 0
  #received = 0

  constructor(options: GrafanaOptions = {}, context: PartContext = {}) {
    super(context)
    this.#context = context
    this.#options = resolveGrafanaOptions(options)
    const viewers = this.#metrics.gauge({
      name: 'khlong_console_viewers',
      help: 'Browsers that follow the live stream.',
    })
    const dashboards = this.#metrics.gauge({
      name: 'grafana_stat_totals_dashboard',
      help: 'total amount of dashboards',
    })
    this.#metrics.onRender(() => {
      viewers.set(this.#live?.viewerCount ?? 0)
      dashboards.set(this.#dashboards?.list().length ?? 0)
    })
  }

  get addresses(): Readonly<Record<string, string>> {
    return this.#address === '' ? {} : { http: this.#address }
  }

  vitals(): Vitals {
    return {
      recordsIn: this.#received,
      recordsOut: this.#answered,
      facts: {
        viewers: this.#live?.viewerCount ?? 0,
        dashboards: this.#dashboards?.list().length ?? 0,
      },
      items: [],
    }
  }

  metrics(): string {
    return this.#metrics.render()
  }

  /** The running fastify instance, for requests without a socket. */
  get app(): FastifyInstance {
    if (!this.#app) throw new Error('the console is not started')
    return this.#app
  }

  async cut(into: string): Promise<Cut> {
    if (!this.#folder) throw new Error('the console does not run')
    const cut = new CutFolder(this.#folder.path, into)
    // Each of its files is replaced as a whole.
    cut.keepAll()
    return cut.done(grafanaFormats)
  }

  protected override async onStart(): Promise<void> {
    const options = this.#options
    const listen = parseListen(options.listen)
    const folder = await openDataFolder(options.data)
    this.#folder = folder
    const access = await ConsoleAccess.open(options, folder.path, listen, this.#context)
    this.#access = access
    const sources = new DataSourceStore(path.join(folder.path, 'data-sources.json'), {
      ...(options.prometheus === undefined ? {} : { prometheus: options.prometheus }),
      ...(options.mongodb === undefined ? {} : { mongodb: options.mongodb }),
      database: options['mongodb.database'],
      ...(options['prometheus.token'] === undefined ? {} : { token: options['prometheus.token'] }),
    })
    await sources.open()
    if (options.mqtt !== undefined) this.#mqtt = new MqttLink(options.mqtt)
    if (options.mongodb !== undefined)
      this.#mongodb = new MongoLink(options.mongodb, options['mongodb.database'])
    if (options.zookeeper !== undefined) this.#zookeeper = new ZooKeeperLink(options.zookeeper)
    if (options.kafka !== undefined)
      this.#kafka = new KafkaLink(options.kafka, options['kafka.client'])
    const live = new Live({
      platform: options.platform,
      mqtt: this.#mqtt,
      topic: options['mqtt.topic'],
      logger: this.logger,
    })
    this.#live = live
    access.store.onChange(() => live.usersChanged())
    const dashboards = new DashboardStore({
      savedFolder: path.join(folder.path, 'dashboards'),
      provisionedFolder: options.dashboards,
      logger: this.logger,
      onChange: () => live.dashboardsChanged(),
    })
    this.#dashboards = dashboards
    await dashboards.open()
    const app = guardedApp(access, {
      logger: this.logger,
      onReceived: () => this.#received++,
      onAnswered: (status) => {
        this.#answered++
        this.#requests.add(1, { status_code: String(status) })
      },
    })
    this.#app = app
    sessionRoutes(app, access)
    peopleRoutes(app, access)
    dashboardRoutes(app, dashboards, access.guard)
    dataSourceRoutes(app, sources)
    queryRoutes(app, sources, this.#mongodb)
    mqttRoutes(app, this.#mqtt)
    mongodbRoutes(app, this.#mongodb)
    kafkaRoutes(app, this.#kafka)
    const platform = { platform: options.platform, token: options['platform.token'] }
    deviceRoutes(app, platform)
    commandRoutes(app, { ...platform, guard: access.guard })
    wayRoutes(app, { mongodb: this.#mongodb, sources })
    this.#ownRoutes(app)
    await serveConsole(app)
    this.#address = await listenApp(app, listen)
    live.open()
    const setupUrl = access.setupUrl(this.#address)
    // The one secret that is ever logged: it is worth nothing once there is an administrator.
    if (setupUrl !== undefined)
      this.logger.warn(
        { url: setupUrl },
        'nobody can log in yet: open this to make the administrator',
      )
  }

  protected override async onStop(deadlineMs: number): Promise<void> {
    this.#address = ''
    await this.#live?.close()
    const app = this.#app
    if (app) {
      const cut = setTimeout(() => app.server.closeAllConnections(), deadlineMs)
      await app.close()
      clearTimeout(cut)
    }
    await Promise.all([
      this.#dashboards?.close(),
      this.#mqtt?.close(),
      this.#mongodb?.close(),
      this.#zookeeper?.close(),
      this.#kafka?.close(),
      this.#access?.close(),
    ])
    await this.#folder?.release()
    this.#app = undefined
    this.#live = undefined
    this.#dashboards = undefined
  }

  #ownRoutes(app: FastifyInstance): void {
    const options = this.#options
    app.get('/api/health', { config: { role: 'public' } }, async () => ({
      commit: '',
      database: 'ok',
      version,
    }))
    app.get('/api/user/preferences', async () => ({ theme: '', timezone: '', language: '' }))
    app.get('/metrics', async (_request, reply) =>
      reply.header('content-type', 'text/plain; version=0.0.4').send(this.metrics()),
    )
    app.get('/-/setup', async () => this.#setup())
    app.get('/-/live', async (_request, reply) => {
      this.#live?.join(reply)
      return reply
    })
    app.get<{ Querystring: { path?: string } }>('/-/zookeeper/node', async (request) => {
      if (!this.#zookeeper) throw notConfigured('zookeeper')
      return this.#zookeeper.read(request.query.path ?? '/')
    })
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const)
      app.route<{ Params: { '*': string } }>({
        method,
        url: '/-/connect/*',
        handler: async (request, reply) => {
          if (options.connect === undefined) throw notConfigured('connect')
          return proxyTo({
            part: 'connect',
            url: options.connect,
            path: request.params['*'],
            request,
            reply,
            token: options['connect.token'],
          })
        },
      })
  }

  #setup(): ConsoleSetup {
    const options = this.#options
    const mqttUrl = options['mqtt.public'] ?? this.#mqtt?.url
    const mqtt = this.#mqtt && mqttUrl && URL.canParse(mqttUrl) ? new URL(mqttUrl) : undefined
    const isTls = mqtt?.protocol === 'mqtts:'
    const list = this.#dashboards?.list() ?? []
    const home =
      list.find((one) => one.uid === 'iot') ?? list.find((one) => one.provisioned) ?? list[0]
    const parts = ['prometheus', 'mongodb', 'kafka', 'connect', 'mqtt', 'zookeeper', 'platform']
    return {
      version,
      configured: Object.fromEntries(
        parts.map((part) => [part, options[part as keyof typeof options] !== undefined]),
      ),
      mqtt: mqtt
        ? {
            host: mqtt.hostname,
            port: Number(mqtt.port) || (isTls ? 8883 : 1883),
            topic: options['mqtt.topic'],
            isTls,
            needsLogin: options['mqtt.login'] ?? false,
          }
        : null,
      mqttWebsocket: options.mqttWebsocket ?? null,
      home: home?.uid ?? null,
    }
  }
}
