import { createServer, type Server, type ServerResponse } from 'node:http'
import { formatListen, listenTcp } from '@khlong/core'
import { type ConfigMap, ignored, int, string } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import type { SinkRecord } from '../../data/record.ts'
import type { SinkPlugin, SinkTask, SinkTaskContext } from '../../plugin.ts'
import { licenceFields, licencePrefixes } from '../mqtt/connection.ts'
import { SeriesTable } from './series.ts'

const atLeastOne = (value: number): string | undefined =>
  value >= 1 ? undefined : 'expected at least 1'

const fields = {
  'prometheus.listener.url': string('The HTTP endpoint that Prometheus scrapes.', {
    default: 'http://localhost:8889/metrics',
    check: (text) =>
      URL.canParse(text) && new URL(text).protocol === 'http:'
        ? undefined
        : 'expected a URI with the scheme http',
  }),
  'prometheus.scrape.url': ignored(
    'it is the former name of prometheus.listener.url, which is used',
  ),
  'behavior.on.error': string(
    'fail: a bad record fails the task, or goes to the dead letter topic where errors.tolerance is all. log: it is logged, and goes to the dead letter topic where there is one. ignore: it is dropped.',
    { default: 'fail', choices: ['ignore', 'log', 'fail'] },
  ),
  'max.retry.time.ms': ignored('a scrape never blocks the records'),
  'metrics.buffer.size': ignored('only the newest value of each series is kept'),
  'prometheus.series.stale.ms': int(
    'Ours: a series that got no value for this long is not exposed any more.',
    { default: 300_000, importance: 'LOW', check: atLeastOne },
  ),
  'prometheus.series.max': int('Ours: the most series that are kept; more are errors.', {
    default: 100_000,
    importance: 'LOW',
    check: atLeastOne,
  }),
  ...licenceFields,
}
const spec = new ConfigSpec(fields, 'Prometheus')

/** `io.confluent.connect.prometheus.PrometheusMetricsSinkConnector` */
export const prometheusSink: SinkPlugin = {
  kind: 'sink',
  className: 'io.confluent.connect.prometheus.PrometheusMetricsSinkConnector',
  version: '0.1.0',
  spec,
  prefixes: [
    ...licencePrefixes,
    {
      prefix: 'reporter.',
      ignored: 'results are not reported to topics; errors go to errors.deadletterqueue.topic.name',
    },
    { prefix: 'prometheus.listener.ssl.', unsupported: 'a listener with TLS' },
    { prefix: 'prometheus.listener.basic.auth.', unsupported: 'a listener with a password' },
  ],
  describe: (config) => [spec.parse(config)['prometheus.listener.url']],
  createTask: (config, context) => new PrometheusSinkTask(config, context),
}

/** Keeps the newest values and shows them to whoever scrapes. */
class PrometheusSinkTask implements SinkTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SinkTaskContext
  readonly #table: SeriesTable
  readonly #url: URL
  #server: Server | undefined
  #address: string | undefined

  constructor(config: ConfigMap, context: SinkTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
    this.#url = new URL(this.#options['prometheus.listener.url'])
    this.#table = new SeriesTable({
      staleMs: this.#options['prometheus.series.stale.ms'],
      seriesMax: this.#options['prometheus.series.max'],
    })
  }

  get addresses(): Readonly<Record<string, string>> {
    return this.#address === undefined ? {} : { [this.#context.connector]: this.#address }
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request.url ?? '/', response))
    this.#server = server
    // `0.0.0.0:8084` of an imported file may stand for a listener of this machine alone.
    const { hostname, port } = new URL(`http://${this.#context.resolveHost(this.#url.host)}`)
    const address = await listenTcp(server, {
      host: hostname.replace(/^\[|\]$/g, ''),
      // A URL leaves the scheme's own port out.
      port: port === '' ? 80 : Number(port),
    })
    this.#address = formatListen(address)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const nowMs = this.#context.clock.nowMs()
    for (const record of records)
      try {
        this.#table.update(record.value, nowMs)
      } catch (error) {
        this.#onError(record, error as Error)
      }
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server?.listening) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  #onError(record: SinkRecord, error: Error): void {
    const behavior = this.#options['behavior.on.error']
    if (behavior === 'ignore') return
    if (behavior === 'fail') {
      this.#context.reportErrant(record, error)
      return
    }
    this.#context.logger.warn(
      { connector: this.#context.connector, offset: record.origin.offset, err: error },
      'a metric record is not taken',
    )
    try {
      this.#context.reportErrant(record, error)
    } catch {
      // Logged above: `log` asks for no more where no dead letters are kept.
    }
  }

  #answer(path: string, response: ServerResponse): void {
    if (new URL(path, this.#url).pathname !== this.#url.pathname) {
      response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not Found\n')
      return
    }
    response
      .writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
      .end(this.#table.render(this.#context.clock.nowMs()))
  }
}
