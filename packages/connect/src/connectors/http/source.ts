import { atLeast } from '../../config/checks.ts'
import { type ConfigMap, int, list, password, string, unsupported } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import { parseJson } from '../../converters/json.ts'
import type { SourceRecord } from '../../data/record.ts'
import { type ConnectObject, type ConnectValue, isObject, stringSchema } from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { SourcePlugin, SourceTask, SourceTaskContext } from '../../plugin.ts'
import { Backoff } from '../../runtime/backoff.ts'
import { pause } from '../../runtime/pause.ts'
import { answered, basicAuth, headersOf, isHttpUrl, send, withoutSecrets } from './http-client.ts'
import { pointed } from './json-pointer.ts'

const pointer = (text: string): string | undefined =>
  text === '' || text.startsWith('/') ? undefined : 'expected a JSON Pointer: /a/b'

const fields = {
  'http.request.url': string(
    'Where it asks. In it, in headers, parameters and the body, $ and {offset.NAME} stand for an offset of the record that came last.',
    {
      importance: 'HIGH',
      check: (text) => (isHttpUrl(text) ? undefined : 'expected http:// or https://'),
    },
  ),
  'http.request.method': string('GET or POST.', {
    default: 'GET',
    choices: ['GET', 'POST'],
    importance: 'HIGH',
  }),
  'http.request.headers': list('Headers, name:value.', { default: [] }),
  'http.request.params': string('The query, name=value&name=value.', { default: '' }),
  'http.request.body': string('The body of POST.', { default: '' }),
  'http.offset.initial': list('Offsets of the first request, name=value.', { default: [] }),
  'http.offset.mode': unsupported('offsets other than those of records', 'RECORD'),
  'http.response.list.pointer': string('Where the list of records is in the answer.', {
    default: '/',
    check: pointer,
  }),
  'http.response.record.pointer': string('Where the record is in an item of the list.', {
    default: '/',
    check: pointer,
  }),
  'http.response.record.offset.pointer': list(
    'Where offsets are in an item, name=/pointer; the one named key becomes the record key, and timestamp its time.',
    { default: [] },
  ),
  'http.response.bytes.max': int('Ours: the largest answer that is taken.', {
    default: 8 * 1024 * 1024,
    importance: 'LOW',
    check: atLeast(1),
  }),
  'http.timer.interval.millis': int('How often it asks.', {
    default: 60_000,
    importance: 'HIGH',
    check: atLeast(1),
  }),
  'http.timer.catchup.interval.millis': int('How soon it asks again after records came.', {
    default: 30_000,
    check: atLeast(1),
  }),
  'http.client.connection.timeout.millis': int('How long an answer may take, with the next.', {
    default: 2_000,
    check: atLeast(1),
  }),
  'http.client.read.timeout.millis': int('How long an answer may take.', {
    default: 2_000,
    check: atLeast(1),
  }),
  'http.auth.type': string('None or Basic.', { default: 'None', choices: ['None', 'Basic'] }),
  'http.auth.user': string('User of Basic.', { default: '' }),
  'http.auth.password': password('Password of Basic.', { default: '' }),
  'kafka.topic': string('The topic to write to.', { importance: 'HIGH' }),
}
const spec = new ConfigSpec(fields, 'HTTP')

/** `com.github.castorm.kafka.connect.http.HttpSourceConnector` */
export const httpSource: SourcePlugin = {
  kind: 'source',
  className: 'com.github.castorm.kafka.connect.http.HttpSourceConnector',
  version: '0.1.0',
  spec,
  check: (config) =>
    spec
      .parse(config)
      ['http.response.record.offset.pointer'].filter((item) => !/^[^=]+=\//.test(item))
      .map((item) => ({
        option: 'http.response.record.offset.pointer',
        error: `${item} is no name=/pointer`,
      })),
  describe: (config) => [withoutSecrets(config['http.request.url'] ?? '')],
  topics: (config) => [spec.parse(config)['kafka.topic']],
  // What is asked for decides whether an item comes again: that is the writer's of the URL.
  isExactlyOnce: () => false,
  createTask: (config, context) => new HttpSourceTask(config, context),
}

/** Asks, gives the items of the answer, and waits. */
class HttpSourceTask implements SourceTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SourceTaskContext
  readonly #backoff: Backoff
  readonly #pointers: readonly (readonly [name: string, pointer: string])[]
  #offset: ConnectObject = {}
  #dueMs = 0
  #note: string | undefined
  readonly isReady = true

  constructor(config: ConfigMap, context: SourceTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
    this.#backoff = new Backoff({ minMs: 1_000, maxMs: 60_000, random: context.random })
    this.#pointers = this.#options['http.response.record.offset.pointer'].map(pairOf)
  }

  get note(): string | undefined {
    return this.#note
  }

  async start(): Promise<void> {
    this.#offset =
      this.#context.readOffset(this.#partition) ??
      Object.fromEntries(this.#options['http.offset.initial'].map(pairOf))
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[]> {
    const { clock, logger, connector } = this.#context
    const waitMs = this.#dueMs - clock.monotonicMs()
    if (waitMs > 0) {
      await pause(clock, waitMs, signal)
      return []
    }
    try {
      const records = this.#records(await this.#ask())
      const intervalMs =
        records.length > 0
          ? Math.min(
              this.#options['http.timer.interval.millis'],
              this.#options['http.timer.catchup.interval.millis'],
            )
          : this.#options['http.timer.interval.millis']
      this.#dueMs = clock.monotonicMs() + intervalMs
      this.#note = undefined
      this.#backoff.reset()
      return records
    } catch (error) {
      if (!(error instanceof ConnectError) || !error.retriable) throw error
      this.#note = error.message
      logger.warn({ connector, err: error }, 'a source is asked again')
      this.#dueMs = clock.monotonicMs() + this.#backoff.nextMs()
      return []
    }
  }

  commit(): void {
    // The offsets of its records are its place.
  }

  async stop(): Promise<void> {
    // A request ends by its own time.
  }

  get #partition(): ConnectObject {
    return { url: this.#options['http.request.url'] }
  }

  async #ask(): Promise<ConnectValue> {
    const options = this.#options
    const fill = (text: string, encode: (value: string) => string = (value) => value): string =>
      text.replaceAll(/\$\{offset\.([^}]+)\}/g, (_match, name: string) =>
        encode(String(this.#offset[name] ?? '')),
      )
    const url = new URL(fill(options['http.request.url'], encodeURIComponent))
    const params = new URLSearchParams(fill(options['http.request.params'], encodeURIComponent))
    for (const [name, value] of params) url.searchParams.append(name, value)
    const isPost = options['http.request.method'] === 'POST'
    const { status, text } = await send(
      {
        url: url.href,
        method: options['http.request.method'],
        headers: {
          accept: 'application/json',
          ...headersOf(options['http.request.headers'].map((item) => fill(item))),
          ...(options['http.auth.type'] === 'Basic'
            ? { authorization: basicAuth(options['http.auth.user'], options['http.auth.password']) }
            : {}),
        },
        ...(isPost ? { body: fill(options['http.request.body']) } : {}),
        timeoutMs:
          options['http.client.connection.timeout.millis'] +
          options['http.client.read.timeout.millis'],
      },
      options['http.response.bytes.max'],
    )
    if (status === 204 || status === 304) return []
    if (status < 200 || status >= 300)
      throw new ConnectError('CONNECT_FAILED', answered(withoutSecrets(url.href), status, text))
    return text.trim() === '' ? [] : parseJson(Buffer.from(text))
  }

  #records(answer: ConnectValue): SourceRecord[] {
    const found = pointed(answer, this.#options['http.response.list.pointer'])
    if (found === undefined || found === null) return []
    const items = Array.isArray(found) ? found : [found]
    return items.map((item: ConnectValue) => {
      const offset: Record<string, ConnectValue> = {}
      for (const [name, where] of this.#pointers) {
        const value = pointed(item, where)
        if (value !== undefined && !isObject(value) && !Array.isArray(value)) offset[name] = value
      }
      this.#offset = { ...this.#offset, ...offset }
      const value = pointed(item, this.#options['http.response.record.pointer']) ?? null
      const key = offset.key
      return {
        topic: this.#options['kafka.topic'],
        partition: null,
        keySchema: key === undefined ? undefined : stringSchema,
        key: key === undefined || key === null ? null : String(key),
        valueSchema: undefined,
        value,
        timestampMs: timeOf(offset.timestamp),
        headers: [],
        sourcePartition: this.#partition,
        sourceOffset: this.#offset,
      }
    })
  }
}

function pairOf(item: string): readonly [string, string] {
  const at = item.indexOf('=')
  return [item.slice(0, at).trim(), item.slice(at + 1).trim()]
}

/** ISO text, or ms since the epoch; null where it is neither. */
function timeOf(value: ConnectValue | undefined): number | null {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return null
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? null : ms
}
