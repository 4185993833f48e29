import { parseDuration } from '../duration.ts'
import { PrometheusError } from '../errors.ts'

/** Parameters of a request, from its query and its form. */
export class Parameters {
  readonly #values: URLSearchParams
  constructor(values: URLSearchParams) {
    this.#values = values
  }

  text(name: string): string | undefined {
    return this.#values.get(name) || undefined
  }
  all(name: string): string[] {
    return this.#values.getAll(name)
  }

  /** @throws PrometheusError `PROMETHEUS_BAD_REQUEST` where it is missing */
  required(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw badParameter(name, 'is missing')
    return value
  }

  /** A time in seconds since the epoch or RFC 3339, as milliseconds. */
  timeMs(name: string, fallback: number): number {
    const text = this.text(name)
    if (text === undefined) return fallback
    const seconds = Number(text)
    const milliseconds = Number.isNaN(seconds) ? Date.parse(text) : Math.round(seconds * 1_000)
    if (!Number.isFinite(milliseconds))
      throw badParameter(name, `cannot parse ${JSON.stringify(text)} to a valid timestamp`)
    return milliseconds
  }

  /** A duration in seconds or such as `15s`, as milliseconds. */
  durationMs(name: string): number {
    const text = this.required(name)
    const seconds = Number(text)
    const milliseconds = Number.isNaN(seconds) ? parseDuration(text) : seconds * 1_000
    if (milliseconds === undefined || !Number.isFinite(milliseconds))
      throw badParameter(name, `cannot parse ${JSON.stringify(text)} to a valid duration`)
    return milliseconds
  }

  limit(): number {
    const text = this.text('limit')
    if (text === undefined) return Number.POSITIVE_INFINITY
    const limit = Number(text)
    if (!Number.isInteger(limit) || limit < 0) throw badParameter('limit', 'must be a whole number')
    return limit === 0 ? Number.POSITIVE_INFINITY : limit
  }
}

export function badParameter(name: string, what: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_BAD_REQUEST', `invalid parameter "${name}": ${what}`)
}
