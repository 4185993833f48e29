import { atLeast } from '../../config/checks.ts'
import { type ConfigMap, int, list, password, string } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import type { SinkRecord } from '../../data/record.ts'
import { ConnectError } from '../../errors.ts'
import type { SinkPlugin, SinkTask, SinkTaskContext } from '../../plugin.ts'
import {
  answered,
  basicAuth,
  headersOf,
  isHttpUrl,
  send,
  withoutSecrets,
} from '../http/http-client.ts'
import { encodeWriteRequest, samplesOf, type TimeSeries } from './write-request.ts'

const fields = {
  'remote_write.url': string('Where samples go to, such as http://prometheus:9090/api/v1/write.', {
    importance: 'HIGH',
    check: (text) => (isHttpUrl(text) ? undefined : 'expected http:// or https://'),
  }),
  'remote_write.headers': list('Further headers, name:value.', { default: [] }),
  'remote_write.basic_auth.username': string('User of Basic.', { optional: true }),
  'remote_write.basic_auth.password': password('Password of Basic.', { default: '' }),
  'remote_write.bearer_token': password('A token, in the place of user and password.', {
    optional: true,
  }),
  'remote_write.remote_timeout.ms': int('How long an answer may take.', { default: 30_000 }),
  'remote_write.max_samples_per_send': int('The most samples of a request.', {
    default: 2_000,
    check: atLeast(1),
  }),
}
const spec = new ConfigSpec(fields, 'Remote write')

/** Writes samples to Prometheus, or to what takes its remote write protocol (1.0). */
export const remoteWriteSink: SinkPlugin = {
  kind: 'sink',
  className: 'io.khlong.connect.prometheus.PrometheusRemoteWriteSinkConnector',
  version: '0.1.0',
  spec,
  describe: (config) => [withoutSecrets(config['remote_write.url'] ?? '')],
  createTask: (config, context) => new RemoteWriteTask(config, context),
}

const answerBytesMax = 64 * 1024

/**
 * Sends samples in the order of their records. What comes again has the times of before, and
 * Prometheus knows it; what is too old for it is refused for good and goes the way of errors.
 */
class RemoteWriteTask implements SinkTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SinkTaskContext
  readonly #headers: Readonly<Record<string, string>>

  constructor(config: ConfigMap, context: SinkTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
    const user = this.#options['remote_write.basic_auth.username']
    const token = this.#options['remote_write.bearer_token']
    this.#headers = {
      ...headersOf(this.#options['remote_write.headers']),
      ...(user === undefined
        ? {}
        : { authorization: basicAuth(user, this.#options['remote_write.basic_auth.password']) }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'user-agent': 'khlong-connect',
      'x-prometheus-remote-write-version': '0.1.0',
    }
  }

  async start(): Promise<void> {
    // Nothing is held between two requests.
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const samplesMax = this.#options['remote_write.max_samples_per_send']
    let taken: SinkRecord[] = []
    let series: TimeSeries[] = []
    for (const record of records) {
      try {
        series.push(...samplesOf(record.value, record.timestampMs))
        taken.push(record)
      } catch (error) {
        this.#context.reportErrant(record, error as Error)
      }
      if (series.length < samplesMax) continue
      await this.#write(taken, series)
      taken = []
      series = []
    }
    if (series.length > 0) await this.#write(taken, series)
  }

  async stop(): Promise<void> {
    // As in `start`.
  }

  async #write(records: readonly SinkRecord[], series: readonly TimeSeries[]): Promise<void> {
    const refusal = await this.#send(series)
    if (!refusal) return
    if (records.length === 1) {
      this.#context.reportErrant(records[0]!, refusal)
      return
    }
    // One is at fault, or several: each record is sent by itself.
    for (const record of records)
      await this.#write([record], samplesOf(record.value, record.timestampMs))
  }

  /** Gives why the samples are refused for good. @throws ConnectError `CONNECT_RETRIABLE`, `CONNECT_FAILED` */
  async #send(series: readonly TimeSeries[]): Promise<ConnectError | undefined> {
    const url = this.#options['remote_write.url']
    // Native code: loaded where it is used.
    const { compress } = await import('snappy')
    const body = new Uint8Array(await compress(encodeWriteRequest(series)))
    const { status, text } = await send(
      {
        url,
        method: 'POST',
        headers: this.#headers,
        body,
        timeoutMs: this.#options['remote_write.remote_timeout.ms'],
      },
      answerBytesMax,
    )
    if (status >= 200 && status < 300) return undefined
    const what = answered(withoutSecrets(url), status, text)
    if (status === 401 || status === 403 || status === 404)
      throw new ConnectError('CONNECT_FAILED', what)
    return new ConnectError('CONNECT_DATA', what)
  }
}
