import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { formatListen, listenTcp, parseListen } from '@khlong/core'
import { atLeast } from '../../config/checks.ts'
import { boolean, type ConfigMap, int, list, password, string } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import type { SourceRecord } from '../../data/record.ts'
import { bytesSchema, stringSchema } from '../../data/schema.ts'
import type { SourcePlugin, SourceTask, SourceTaskContext } from '../../plugin.ts'

const fields = {
  'webhook.listen': string('Where it listens: PORT or HOST:PORT, on loopback without a host.', {
    importance: 'HIGH',
    check: (text) => {
      try {
        parseListen(text)
        return undefined
      } catch (error) {
        return (error as Error).message
      }
    },
  }),
  'webhook.path': string('The path that is answered.', {
    default: '/',
    check: (text) => (text.startsWith('/') ? undefined : 'expected a path that begins with /'),
  }),
  'webhook.token': password('What the header Authorization has to say: Bearer and this.', {
    optional: true,
    importance: 'HIGH',
  }),
  'webhook.signature.secret': password(
    'The key of an HMAC-SHA-256 of the body, in webhook.signature.header as sha256=HEX.',
    { optional: true },
  ),
  'webhook.signature.header': string('Where the signature stands, as with GitHub.', {
    default: 'x-hub-signature-256',
    importance: 'LOW',
  }),
  'webhook.allow.anonymous': boolean(
    'Whether a listener off loopback may be without a token and without signatures.',
    { default: false, importance: 'LOW' },
  ),
  'webhook.key.header': string('The header whose text becomes the record key.', { default: '' }),
  'webhook.headers': list('Headers of the request that become headers of the record.', {
    default: [],
  }),
  'webhook.body.bytes.max': int('The largest body that is taken.', {
    default: 900_000,
    check: atLeast(1),
  }),
  'webhook.inflight.bytes': int(
    'How many bytes may be on their way to Kafka; beyond it senders are told to come again.',
    { default: 16 * 1024 * 1024, check: atLeast(1) },
  ),
  'kafka.topic': string('The topic to write to.', { importance: 'HIGH' }),
}
const spec = new ConfigSpec(fields, 'Webhook')

/** A source that others send to: each request is a record. */
export const webhookSource: SourcePlugin = {
  kind: 'source',
  className: 'io.khlong.connect.http.WebhookSourceConnector',
  version: '0.1.0',
  spec,
  check(config) {
    const options = spec.parse(config)
    const { host } = parseListen(options['webhook.listen'])
    const isLoopback = ['127.0.0.1', '::1', 'localhost'].includes(host)
    const isGuarded =
      options['webhook.token'] !== undefined || options['webhook.signature.secret'] !== undefined
    return isLoopback || isGuarded || options['webhook.allow.anonymous']
      ? []
      : [
          {
            option: 'webhook.token',
            error: `${host} is not loopback: set webhook.token or webhook.signature.secret, or webhook.allow.anonymous=true`,
          },
        ]
  },
  describe: (config) => [`http:${spec.parse(config)['webhook.listen']}`],
  topics: (config) => [spec.parse(config)['kafka.topic']],
  // A sender that does not hear the answer sends again.
  isExactlyOnce: () => false,
  createTask: (config, context) => new WebhookSourceTask(config, context),
}

/** A request on its way to Kafka. */
interface Pending {
  readonly response: ServerResponse
  readonly byteCount: number
}

/**
 * Invariant: a request is answered with 200 when its record, or its dead letter, is durable; one that
 * has no such answer was perhaps not written, and its sender sends it again.
 */
class WebhookSourceTask implements SourceTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SourceTaskContext
  readonly #pending: Pending[] = []
  #records: SourceRecord[] = []
  #inflightBytes = 0
  #server: Server | undefined
  #wake: (() => void) | undefined
  isReady = false

  constructor(config: ConfigMap, context: SourceTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response))
    this.#server = server
    const address = await listenTcp(server, parseListen(this.#options['webhook.listen']))
    const { connector, logger } = this.#context
    logger.info({ connector, listen: formatListen(address) }, 'webhook listens')
    this.isReady = true
    this.#context.onReadyChange()
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[]> {
    if (this.#records.length === 0 && !signal.aborted)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake)
          this.#wake = undefined
          resolve()
        }
        this.#wake = wake
        signal.addEventListener('abort', wake, { once: true })
      })
    const records = this.#records
    this.#records = []
    return records
  }

  commit(count: number): void {
    for (const { response, byteCount } of this.#pending.splice(0, count)) {
      this.#inflightBytes -= byteCount
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n')
    }
  }

  async stop(): Promise<void> {
    this.isReady = false
    const server = this.#server
    this.#server = undefined
    for (const { response } of this.#pending.splice(0)) refuse(response, 503, 'stopping')
    if (!server?.listening) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const problem = this.#problemOf(request)
    if (problem) {
      request.resume()
      refuse(response, ...problem)
      return
    }
    let body: Buffer
    try {
      const read = await readBody(request, this.#options['webhook.body.bytes.max'])
      if (!read) {
        refuse(response, 413, `more than ${this.#options['webhook.body.bytes.max']} bytes`)
        return
      }
      body = read
    } catch {
      // The sender went away.
      response.destroy()
      return
    }
    if (!this.#isSigned(request, body)) {
      refuse(response, 401, 'the signature is missing or wrong')
      return
    }
    if (
      !this.isReady ||
      this.#inflightBytes + body.byteLength > this.#options['webhook.inflight.bytes']
    ) {
      response.setHeader('retry-after', '1')
      refuse(response, 503, 'too much is on its way')
      return
    }
    this.#inflightBytes += body.byteLength
    this.#pending.push({ response, byteCount: body.byteLength })
    this.#records.push(this.#record(request, body))
    this.#wake?.()
  }

  #problemOf(request: IncomingMessage): [status: number, text: string] | undefined {
    const path = (request.url ?? '/').split('?')[0]
    if (path !== this.#options['webhook.path']) return [404, 'Not Found']
    if (request.method !== 'POST' && request.method !== 'PUT') return [405, 'use POST']
    const token = this.#options['webhook.token']
    if (token === undefined) return undefined
    return isSame(request.headers.authorization ?? '', `Bearer ${token}`)
      ? undefined
      : [401, 'the token is missing or wrong']
  }

  #isSigned(request: IncomingMessage, body: Buffer): boolean {
    const secret = this.#options['webhook.signature.secret']
    if (secret === undefined) return true
    const given = request.headers[this.#options['webhook.signature.header'].toLowerCase()]
    const expected = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    return isSame(String(given ?? ''), expected)
  }

  #record(request: IncomingMessage, body: Buffer): SourceRecord {
    const textOf = (name: string): string | undefined => {
      const value = request.headers[name.toLowerCase()]
      return value === undefined ? undefined : String(value)
    }
    const keyHeader = this.#options['webhook.key.header']
    const key = keyHeader === '' ? undefined : textOf(keyHeader)
    return {
      topic: this.#options['kafka.topic'],
      partition: null,
      keySchema: key === undefined ? undefined : stringSchema,
      key: key ?? null,
      valueSchema: bytesSchema,
      value: body,
      timestampMs: this.#context.clock.nowMs(),
      headers: this.#options['webhook.headers'].flatMap((name) => {
        const value = textOf(name)
        return value === undefined ? [] : [{ key: name, schema: stringSchema, value }]
      }),
      raw: body,
    }
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${text}\n`)
}

/** Takes the same time whatever differs. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

/** Undefined: it is larger than allowed. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let byteCount = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    byteCount += part.byteLength
    if (byteCount > bytesMax) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts)
}
