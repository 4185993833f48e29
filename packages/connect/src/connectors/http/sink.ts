import { toJson } from '../../converters/json.ts'
import type { SinkRecord } from '../../data/record.ts'
import type { ConnectValue, Schema } from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { SinkTask, SinkTaskContext } from '../../plugin.ts'
import { answered, send, withoutSecrets } from './http-client.ts'

/** What both kinds of HTTP sink ask for. */
export interface HttpSinkSettings {
  /** May have `${topic}` and `${key}` in it. */
  readonly url: string
  readonly method: 'POST' | 'PUT' | 'PATCH'
  readonly headers: Readonly<Record<string, string>>
  readonly batchMax: number
  readonly prefix: string
  readonly suffix: string
  readonly separator: string
  readonly onNull: 'ignore' | 'fail' | 'delete'
  /** `log` and `ignore`: what is refused is dropped, with a line in the log or without. */
  readonly onError: 'fail' | 'log' | 'ignore'
  readonly timeoutMs: number
}

/** Records that go in one request. */
interface Batch {
  readonly url: string
  readonly method: string
  readonly records: SinkRecord[]
}

const answerBytesMax = 64 * 1024

/**
 * Sends records, in their order, one request at a time. A target that is away is tried again with the
 * same records; an answer of 400 to 499 sends those of its request the way of errors.
 */
export class HttpSinkTask implements SinkTask {
  readonly #settings: HttpSinkSettings
  readonly #context: SinkTaskContext

  constructor(settings: HttpSinkSettings, context: SinkTaskContext) {
    this.#settings = settings
    this.#context = context
  }

  async start(): Promise<void> {
    // Nothing is held between two requests.
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    for (const batch of this.#batches(records)) await this.#send(batch)
  }

  async stop(): Promise<void> {
    // As in `start`.
  }

  #batches(records: readonly SinkRecord[]): Batch[] {
    const { onNull, batchMax, method } = this.#settings
    const batches: Batch[] = []
    for (const record of records) {
      const isNull = record.value === null
      if (isNull && onNull === 'ignore') continue
      if (isNull && onNull === 'fail') {
        this.#refuse(record, new ConnectError('CONNECT_DATA', 'a record without a value'))
        continue
      }
      const own = isNull ? 'DELETE' : method
      const url = this.#urlOf(record)
      const last = batches.at(-1)
      const fits =
        last && !isNull && last.url === url && last.method === own && last.records.length < batchMax
      if (fits) last.records.push(record)
      else batches.push({ url, method: own, records: [record] })
    }
    return batches
  }

  async #send({ url, method, records }: Batch): Promise<void> {
    const { headers, timeoutMs, prefix, suffix, separator, batchMax } = this.#settings
    const texts = records.map(({ value, valueSchema }) => textOf(value, valueSchema))
    const joined = texts.join(separator)
    const body = batchMax > 1 ? `${prefix}${joined}${suffix}` : joined
    const request = { url, method, headers, timeoutMs }
    const { status, text } = await send(
      method === 'DELETE' ? request : { ...request, body },
      answerBytesMax,
    )
    if (status >= 200 && status < 300) return
    const error = new ConnectError('CONNECT_DATA', answered(withoutSecrets(url), status, text))
    // A login that is refused is no fault of the records.
    if (status === 401 || status === 403) throw new ConnectError('CONNECT_FAILED', error.message)
    for (const record of records) this.#refuse(record, error)
  }

  #refuse(record: SinkRecord, error: Error): void {
    const { onError } = this.#settings
    if (onError === 'ignore') return
    if (onError === 'log') {
      const { connector, logger } = this.#context
      logger.warn(
        { connector, topic: record.origin.topic, offset: record.origin.offset, err: error },
        'a record is not taken',
      )
      return
    }
    this.#context.reportErrant(record, error)
  }

  #urlOf(record: SinkRecord): string {
    const { url } = this.#settings
    if (!url.includes('$')) return url
    return url.replaceAll(/\$\{(topic|key)\}/g, (_match, name: string) =>
      encodeURIComponent(
        name === 'topic' ? record.origin.topic : textOf(record.key, record.keySchema),
      ),
    )
  }
}

/** Text and bytes as they are; the rest as JSON. */
function textOf(value: ConnectValue, schema: Schema | undefined): string {
  if (value === null) return ''
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  return JSON.stringify(toJson(schema, value))
}
