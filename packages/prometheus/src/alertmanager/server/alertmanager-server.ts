import type { AddressInfo } from 'node:net'
import {
  type CutFolder,
  type DataFolder,
  formatListen,
  openDataFolder,
  PartBase,
  type PartContext,
  parseListen,
  systemRandom,
  type Vitals,
} from '@khlong/core'
import { guardServer, openAccess, type PartAccess, withoutSchemas } from '@khlong/core/access'
import fastify, { type FastifyInstance } from 'fastify'
import packageJson from '../../../package.json' with { type: 'json' }
import { parseDuration } from '../../duration.ts'
import { PrometheusError } from '../../errors.ts'
import { Alertmanager } from '../alertmanager.ts'
import { readAlertmanagerConfig } from '../config.ts'
import {
  type AlertmanagerOptions,
  type ResolvedAlertmanagerOptions,
  resolveAlertmanagerOptions,
} from '../options.ts'
import { isResolved } from '../state/alert.ts'
import { AlertmanagerMetrics } from './alertmanager-metrics.ts'
import { addAlertmanagerApi } from './api.ts'

const bodyBytesMax = 8 << 20

/** Groups alerts and tells people: what stands for Prometheus's Alertmanager. */
export class AlertmanagerServer extends PartBase {
  readonly name = 'alertmanager'
  #addresses: Record<string, string> = {}
  readonly #options: ResolvedAlertmanagerOptions
  readonly #context: PartContext
  readonly #metrics: AlertmanagerMetrics
  #folder: DataFolder | undefined
  #alertmanager: Alertmanager | undefined
  #server: FastifyInstance | undefined
  #access: PartAccess | undefined
  #reloading: Promise<void> = Promise.resolve()

  /** @throws SettingsError `SETTINGS_INVALID` */
  constructor(options: AlertmanagerOptions, context: PartContext = {}) {
    super(context)
    this.#context = context
    this.#options = resolveAlertmanagerOptions(options)
    this.#metrics = new AlertmanagerMetrics(
      () => this.#alertmanager,
      () => this.clock.nowMs(),
      packageJson.version,
    )
  }

  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses
  }

  vitals(): Vitals {
    const nowMs = this.clock.nowMs()
    const alerts = this.#alertmanager?.alerts() ?? []
    const counts = [...(this.#alertmanager?.notifier.counts().values() ?? [])]
    return {
      recordsIn: this.#metrics.received,
      recordsOut: counts.reduce(
        (sum, { notifications, failed }) => sum + notifications - failed,
        0,
      ),
      facts: {
        firing: alerts.filter((alert) => !isResolved(alert, nowMs)).length,
        silences: this.#alertmanager?.silences.all().length ?? 0,
        failed: counts.reduce((sum, { failed }) => sum + failed, 0),
      },
      items: [],
    }
  }

  metrics(): string {
    return this.#metrics.render()
  }

  /** Keeps in `folder` of a cut, which is of the folder above, what is remembered now. */
  cutInto(cut: CutFolder, folder: string): void {
    this.#alertmanager?.cut(cut, folder)
  }

  /** Reads the configuration again. @throws SettingsError; what ran before goes on */
  reload(): Promise<void> {
    const reloaded = this.#reloading.then(async () => {
      try {
        const config = await this.#readConfig()
        await this.#alertmanager?.apply(config)
        this.#metrics.reloaded(true)
      } catch (error) {
        this.#metrics.reloaded(false)
        throw error
      }
    })
    this.#reloading = reloaded.catch(() => {})
    return reloaded
  }

  protected override async onStart(): Promise<void> {
    const options = this.#options
    const config = await this.#readConfig()
    this.#metrics.reloaded(true)
    this.#folder = await openDataFolder(options.data)
    this.#alertmanager = new Alertmanager({
      folder: this.#folder.path,
      config,
      alertsMax: options['alerts.max'],
      silenceRetentionMs: parseDuration(options['data.retention'])!,
      externalUrl: () =>
        (options['web.external-url'] ?? `http://${this.#addresses.http}`).replace(/\/$/, ''),
      clock: this.clock,
      random: systemRandom,
      logger: this.logger,
    })
    await this.#listen()
    await this.#alertmanager.open()
  }

  protected override async onStop(deadlineMs: number): Promise<void> {
    await this.#server?.close()
    await this.#access?.close()
    await this.#reloading
    await this.#alertmanager?.close(deadlineMs)
    await this.#folder?.release()
    this.#server = this.#alertmanager = this.#folder = this.#access = undefined
    this.#addresses = {}
  }

  #readConfig() {
    return readAlertmanagerConfig(this.#options['config.file'], this.#options.env ?? process.env)
  }

  async #listen(): Promise<void> {
    const { host, port } = parseListen(this.#options.listen)
    this.#access = await openAccess('alertmanager', { host, port }, this.#options, this.#context, {
      isChallenging: true,
    })
    const server = fastify({
      logger: false,
      schemaController: withoutSchemas,
      forceCloseConnections: true,
      bodyLimit: bodyBytesMax,
      routerOptions: { ignoreTrailingSlash: true },
    })
    this.#server = server
    const alertmanager = this.#alertmanager!
    guardServer(server, this.#access.guard, { render: (_status, message) => `${message}\n` })
    addAlertmanagerApi(server, {
      alertmanager,
      startedAtMs: this.clock.nowMs(),
      nowMs: () => this.clock.nowMs(),
      version: packageJson.version,
      received: (status) => this.#metrics.countReceived(status),
    })
    for (const path of ['/-/healthy', '/-/ready']) server.get(path, async () => 'OK')
    server.get('/metrics', async (_request, reply) =>
      reply.type('text/plain; version=0.0.4').send(this.metrics()),
    )
    server.post('/-/reload', async (_request, reply) => {
      try {
        await this.reload()
        return reply.send('')
      } catch (error) {
        return reply
          .code(500)
          .type('text/plain')
          .send(`failed to reload config: ${(error as Error).message}\n`)
      }
    })
    this.#addTest(server, alertmanager)
    await server.listen({ host, port })
    const bound = server.server.address() as AddressInfo
    this.#addresses = { http: formatListen({ host, port: bound.port }) }
  }

  /** Ours: Alertmanager itself has no way to try a receiver. */
  #addTest(server: FastifyInstance, alertmanager: Alertmanager): void {
    server.get('/-/test-receiver', async () => ({
      results: alertmanager.notifier.outcomes().map(({ atMs, ...outcome }) => ({
        ...outcome,
        at: new Date(atMs).toISOString(),
      })),
    }))
    server.post('/-/test-receiver', async (request) => {
      const { receiver, labels, annotations } = (request.body ?? {}) as Record<string, unknown>
      const texts = (value: unknown): Record<string, string> =>
        Object.fromEntries(Object.entries(value ?? {}).map(([name, text]) => [name, String(text)]))
      const results = await alertmanager.testReceiver(
        String(receiver ?? alertmanager.config.route.receiver),
        { alertname: 'TestAlert', severity: 'none', ...texts(labels) },
        {
          summary: 'This is a test: nothing is wrong, and messages arrive',
          ...texts(annotations),
        },
      )
      if (!results)
        throw new PrometheusError(
          'ALERTMANAGER_NOT_FOUND',
          `there is no receiver ${JSON.stringify(receiver)}; there are ${[...alertmanager.config.receivers.keys()].join(', ')}`,
        )
      return {
        results: results.map(({ atMs, ...outcome }) => ({
          ...outcome,
          at: new Date(atMs).toISOString(),
        })),
      }
    })
  }
}
