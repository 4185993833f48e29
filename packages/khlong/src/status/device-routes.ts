import type http from 'node:http'
import { describeError } from '@khlong/core'
import { isEqualSecret } from '@khlong/core/access'
import type { DeviceGiven } from '../devices/device.ts'
import type { DeviceRegistry } from '../devices/device-registry.ts'
import { KhlongError, type KhlongErrorCode } from '../errors.ts'

const bodyBytesMax = 16_384

const statusOf: Partial<Record<KhlongErrorCode, number>> = {
  KHLONG_DEVICE_EXISTS: 409,
  KHLONG_DEVICE_INVALID: 400,
  KHLONG_DEVICE_UNKNOWN: 404,
  KHLONG_USAGE: 400,
}

export interface DeviceRoutesOptions {
  registry: DeviceRegistry
  /** What this run's own clients show as `Authorization: Bearer`; they have asked who their user is. */
  token: string
}

/** An answer of {@link DeviceRoutes}: a status and what is said as JSON. */
export interface DeviceAnswer {
  readonly status: number
  readonly body: unknown
}

/**
 * Changes of the registry for the pipeline's own console: `POST /-/devices` adds,
 * `POST /-/devices/NAME/rotate` and `/revoke` change, `DELETE /-/devices/NAME` removes. Adding and
 * rotating answer with the secret, once.
 */
export class DeviceRoutes {
  readonly #options: DeviceRoutesOptions

  constructor(options: DeviceRoutesOptions) {
    this.#options = options
  }

  /** The answer to a request that changes devices; undefined where it is about something else. */
  async answer(request: http.IncomingMessage, pathname: string): Promise<DeviceAnswer | undefined> {
    const match = /^\/-\/devices(?:\/([^/]+)(?:\/(rotate|revoke))?)?$/.exec(pathname)
    if (!match || request.method === 'GET') return undefined
    const [, scheme, token] = /^(Bearer) (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    if (!scheme || !isEqualSecret(token ?? '', this.#options.token))
      return { status: 401, body: { message: "this is for the pipeline's own console" } }
    try {
      return await this.#change(request, match[1], match[2])
    } catch (error) {
      const status = error instanceof KhlongError ? (statusOf[error.code] ?? 500) : 500
      return { status, body: { message: describeError(error) } }
    }
  }

  async #change(
    request: http.IncomingMessage,
    name: string | undefined,
    action: string | undefined,
  ): Promise<DeviceAnswer> {
    const { registry } = this.#options
    const asked = `${request.method} ${name === undefined ? 'all' : (action ?? 'one')}`
    // Names have only letters that an address has as they are.
    switch (asked) {
      case 'POST all': {
        const { device, secret } = await registry.add(deviceOf(await readBody(request)))
        const { password: _, ...known } = device
        return { status: 201, body: { ...known, secret } }
      }
      case 'POST rotate': {
        const { secret } = await registry.rotate(name!)
        return { status: 200, body: { name, secret } }
      }
      case 'POST revoke':
        await registry.revoke(name!)
        return { status: 200, body: { name } }
      case 'DELETE one':
        await registry.remove(name!)
        return { status: 200, body: { name } }
      default:
        return { status: 405, body: { message: `${request.method} is not answered here` } }
    }
  }
}

async function readBody(request: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax)
      throw new KhlongError('KHLONG_USAGE', `expected at most ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch (cause) {
    throw new KhlongError('KHLONG_USAGE', 'expected a device as JSON', { cause })
  }
}

function deviceOf(body: unknown): DeviceGiven {
  const given = (body ?? {}) as Record<string, unknown>
  const text = (key: string): string | undefined => {
    const value = given[key]
    if (value === undefined || typeof value === 'string') return value
    throw new KhlongError('KHLONG_DEVICE_INVALID', `${key}: expected text`)
  }
  const { rate } = given
  if (rate !== undefined && typeof rate !== 'number')
    throw new KhlongError('KHLONG_DEVICE_INVALID', 'rate: expected a number')
  const [name = '', place = ''] = [text('name'), text('place')]
  return { name, place, id: text('id'), kind: text('kind'), rate }
}
