import { createHash } from 'node:crypto'
import { KhlongError } from '../errors.ts'
import { encodeWriteRequest, type SeriesSamples } from './remote-write.ts'

const windowMs = 10 * 60_000
const dayMs = 24 * 3_600_000
/** Samples of one request. */
const samplesMax = 20_000
const answerWithinMs = 60_000

/** A Prometheus by its HTTP API; its address may hold a login. */
export class PrometheusApi {
  readonly base: string
  readonly #authorization: string | undefined

  constructor(url: string, token?: string) {
    const { username, password, origin, pathname } = new URL(url)
    this.base = `${origin}${pathname.replace(/\/$/, '')}`
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    this.#authorization =
      token !== undefined
        ? `Bearer ${token}`
        : username === ''
          ? undefined
          : `Basic ${Buffer.from(login).toString('base64')}`
  }

  async send(path: string, init: RequestInit): Promise<Response> {
    return fetch(`${this.base}${path}`, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string> | undefined),
        ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
      },
      signal: AbortSignal.timeout(answerWithinMs),
    }).catch((cause: unknown) => {
      throw new KhlongError('KHLONG_MIRROR_IMPOSSIBLE', `${this.base} does not answer`, { cause })
    })
  }

  async ask<Data>(path: string, parameters: Readonly<Record<string, string>>): Promise<Data> {
    const response = await this.send(path, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    })
    if (!response.ok) throw await refusal(this.base, response)
    return ((await response.json()) as { data: Data }).data
  }

  /** All samples from `startMs` up to and without `endMs`, of all series. */
  async samples(startMs: number, endMs: number): Promise<SeriesSamples[]> {
    const { result } = await this.ask<{ result: RangeSeries[] }>('/api/v1/query', {
      query: `{__name__=~".+"}[${endMs - startMs}ms]`,
      time: String((endMs - 1) / 1_000),
    })
    return result.map(({ metric, values }) => ({
      labels: metric,
      samples: values
        .map(([seconds, value]) => [Math.round(seconds * 1_000), numberOf(value)] as const)
        .filter(([timeMs]) => timeMs >= startMs && timeMs < endMs),
    }))
  }

  /** Whether there are samples in this time. */
  async hasSamples(startMs: number, endMs: number): Promise<boolean> {
    const found = await this.ask<unknown[]>('/api/v1/series', {
      'match[]': '{__name__=~".+"}',
      start: String(startMs / 1_000),
      end: String((endMs - 1) / 1_000),
      limit: '1',
    })
    return found.length > 0
  }
}

interface RangeSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [seconds: number, value: string])[]
}

export interface SeriesCopyOptions {
  readonly source: PrometheusApi
  readonly target: PrometheusApi
  /** How far back the source keeps series. */
  readonly sinceMs: number
  readonly untilMs: number
  readonly signal: AbortSignal
  onProgress(done: number, total: number): void
}

export interface SeriesTally {
  samples: number
}

/**
 * Copies samples by Prometheus's remote write, time after time, for a Prometheus takes no old samples once
 * it has new ones. What the target has already is not sent again.
 *
 * @throws KhlongError `KHLONG_MIRROR_IMPOSSIBLE` with what the target says
 */
export async function copySeries(options: SeriesCopyOptions): Promise<SeriesTally> {
  const { source, target, signal, onProgress, sinceMs, untilMs } = options
  const tally: SeriesTally = { samples: 0 }
  for await (const [startMs, endMs] of windows(source, sinceMs, untilMs)) {
    signal.throwIfAborted()
    const there = new Map(
      (await target.samples(startMs, endMs)).map(({ labels, samples }) => [
        keyOf(labels),
        new Set(samples.map(([timeMs]) => timeMs)),
      ]),
    )
    const missing = (await source.samples(startMs, endMs))
      .map(({ labels, samples }) => ({
        labels,
        samples: samples.filter(([timeMs]) => !there.get(keyOf(labels))?.has(timeMs)),
      }))
      .filter(({ samples }) => samples.length > 0)
    for (const request of requestsOf(missing)) {
      await write(target, request)
      tally.samples += request.reduce((sum, { samples }) => sum + samples.length, 0)
    }
    onProgress(endMs - sinceMs, untilMs - sinceMs)
  }
  onProgress(untilMs - sinceMs, untilMs - sinceMs)
  return tally
}

/** How the samples of both compare. */
export interface SeriesComparison {
  readonly series: number
  readonly samples: number
  readonly checksum: string
  readonly difference?: string
}

/** Compares each sample of the source, up to `untilMs`, with the target's. */
export async function compareSeries(
  options: Omit<SeriesCopyOptions, 'signal' | 'onProgress'>,
): Promise<SeriesComparison> {
  const { source, target, sinceMs, untilMs } = options
  const hash = createHash('sha256')
  const names = new Set<string>()
  let count = 0
  let missing = 0
  let example = ''
  for await (const [startMs, endMs] of windows(source, sinceMs, untilMs)) {
    const there = new Map(
      (await target.samples(startMs, endMs)).map(({ labels, samples }) => [
        keyOf(labels),
        new Map(samples),
      ]),
    )
    for (const { labels, samples } of await source.samples(startMs, endMs)) {
      const key = keyOf(labels)
      names.add(key)
      for (const [timeMs, value] of samples) {
        count++
        hash.update(`${key}${timeMs}:${value};`)
        if (Object.is(there.get(key)?.get(timeMs), value)) continue
        missing++
        example ||= `${key} at ${new Date(timeMs).toISOString()}`
      }
    }
  }
  return {
    series: names.size,
    samples: count,
    checksum: hash.digest('hex'),
    ...(missing === 0
      ? {}
      : {
          difference: `${missing} samples are missing or different at the target, such as ${example}`,
        }),
  }
}

/** Pieces of time in which the source has samples, the oldest first. */
async function* windows(
  source: PrometheusApi,
  sinceMs: number,
  untilMs: number,
): AsyncGenerator<[startMs: number, endMs: number], void, undefined> {
  for (let dayStart = sinceMs; dayStart < untilMs; dayStart += dayMs) {
    const dayEnd = Math.min(dayStart + dayMs, untilMs)
    if (!(await source.hasSamples(dayStart, dayEnd))) continue
    for (let startMs = dayStart; startMs < dayEnd; startMs += windowMs)
      yield [startMs, Math.min(startMs + windowMs, dayEnd)]
  }
}

function* requestsOf(
  series: readonly SeriesSamples[],
): Generator<SeriesSamples[], void, undefined> {
  let request: SeriesSamples[] = []
  let count = 0
  for (const one of series) {
    request.push(one)
    count += one.samples.length
    if (count < samplesMax) continue
    yield request
    request = []
    count = 0
  }
  if (request.length > 0) yield request
}

async function write(target: PrometheusApi, series: readonly SeriesSamples[]): Promise<void> {
  const response = await target.send('/api/v1/write', {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: new Uint8Array(encodeWriteRequest(series)),
  })
  if (!response.ok) throw await refusal(target.base, response)
  await response.arrayBuffer()
}

async function refusal(base: string, response: Response): Promise<KhlongError> {
  const said = (await response.text()).trim().slice(0, 300)
  const advice =
    response.status === 404 || /remote write receiver/.test(said)
      ? '; start it with --web.enable-remote-write-receiver'
      : /out of (order|bounds)|too old/.test(said)
        ? '; it has newer samples: copy before it scrapes anything, or set storage.tsdb.out_of_order_time_window in its prometheus.yml'
        : response.status === 401 || response.status === 403
          ? '; write its login into the address: http://USER:PASSWORD@HOST:PORT'
          : ''
  return new KhlongError('KHLONG_MIRROR_IMPOSSIBLE', `${base}: ${response.status} ${said}${advice}`)
}

const keyOf = (labels: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))

const numberOf = (text: string): number =>
  text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text)
