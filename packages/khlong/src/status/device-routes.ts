import type http from 'node:http'
import { describeError, isEqualSecret } from '@khlong/core'
import type { BrokerPlace } from '../devices/broker-place.ts'
import type { DeviceGiven } from '../devices/device.ts'
import { parseDeviceCsv } from '../devices/device-csv.ts'
import type { DeviceRegistry, DeviceSecret } from '../devices/device-registry.ts'
import type { DeviceStatus } from '../devices/device-watch.ts'
import { makeSketches } from '../devices/sketch.ts'
import { KhlongError, type KhlongErrorCode } from '../errors.ts'
import { type JsonAnswer, readJson } from './json-request.ts'

// A list of some thousand devices.
const bodyBytesMax = 262_144

const statusOf: Partial<Record<KhlongErrorCode, number>> = {
  KHLONG_DEVICE_EXISTS: 409,
  KHLONG_DEVICE_INVALID: 400,
  KHLONG_DEVICE_UNKNOWN: 404,
  KHLONG_USAGE: 400,
}

export interface DeviceRoutesOptions {
  registry: DeviceRegistry
  /** How each device is doing. */
  statuses(): readonly DeviceStatus[]
  /** Where a device finds the broker, told for somebody who reached this machine at an address. */
  broker(reachedAt: string | undefined): Promise<BrokerPlace>
  /** What this run's own clients show as `Authorization: Bearer`; they have asked who their user is. */
  token: string
  /** Has the broker read the registry's files; whoever changed a device waits for it. */
  onChanged(): Promise<void>
}

/**
 * The devices of the registry. `GET /-/devices` says how each is doing (`null` where there is no registry). Changes are for the pipeline's
 * own console: `POST /-/devices` adds one, or all of `{csv}`; `POST /-/devices/NAME/rotate` and
 * `/revoke` change, `DELETE /-/devices/NAME` removes. Adding and rotating answer with the secret and
 * with programs that hold it, once; `?host=` is the address at which the reader found the console.
 */
export class DeviceRoutes {
  readonly #options: DeviceRoutesOptions

  constructor(options: DeviceRoutesOptions) {
    this.#options = options
  }

  /** The answer to a request that changes devices; undefined where it is about something else. */
  async answer(request: http.IncomingMessage, url: URL): Promise<JsonAnswer | undefined> {
    const match = /^\/-\/devices(?:\/([^/]+)(?:\/(rotate|revoke))?)?$/.exec(url.pathname)
    if (!match) return undefined
    if (request.method === 'GET' && match[1] === undefined)
      return { status: 200, body: this.#options.statuses() }
    const [, scheme, token] = /^(Bearer) (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    if (!scheme || !isEqualSecret(token ?? '', this.#options.token))
      return { status: 401, body: { message: "this is for the pipeline's own console" } }
    try {
      const reachedAt = url.searchParams.get('host') ?? undefined
      const answer = await this.#change(request, { name: match[1], action: match[2], reachedAt })
      // Whoever reads the answer may log in at once.
      await this.#options.onChanged()
      return answer
    } catch (error) {
      const status = error instanceof KhlongError ? (statusOf[error.code] ?? 500) : 500
      return { status, body: { message: describeError(error) } }
    }
  }

  async #change(
    request: http.IncomingMessage,
    asked: { name: string | undefined; action: string | undefined; reachedAt: string | undefined },
  ): Promise<JsonAnswer> {
    const { name, action, reachedAt } = asked
    const { registry } = this.#options
    // Names have only letters that an address has as they are.
    switch (`${request.method} ${name === undefined ? 'all' : (action ?? 'one')}`) {
      case 'POST all': {
        const body = (await readJson(request, bodyBytesMax)) ?? {}
        const { csv } = body as Record<string, unknown>
        if (typeof csv === 'string') {
          const added = await registry.import(parseDeviceCsv(csv, 'CSV'))
          const secrets = added.map(({ device, secret }) => ({ name: device.name, secret }))
          return { status: 201, body: { added: secrets } }
        }
        return {
          status: 201,
          body: await this.#shown(await registry.add(deviceOf(body)), reachedAt),
        }
      }
      case 'POST rotate':
        return { status: 200, body: await this.#shown(await registry.rotate(name!), reachedAt) }
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

  /** A device with what is shown once. */
  async #shown({ device, secret }: DeviceSecret, reachedAt: string | undefined): Promise<object> {
    const { password: _, ...known } = device
    const place = await this.#options.broker(reachedAt)
    return { ...known, secret, sketches: makeSketches({ device, secret, ...place }) }
  }
}

function deviceOf(body: object): DeviceGiven {
  const given = body as Record<string, unknown>
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
