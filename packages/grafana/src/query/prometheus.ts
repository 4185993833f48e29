import { upstreamFailed } from '../errors.ts'
import { bearer } from '../server/proxy.ts'
import { type Frame, numberField, stringField, timeField } from './frames.ts'

/** One target of a panel, as Grafana's Prometheus data source sends it. */
export interface PrometheusQuery {
  readonly refId: string
  readonly expr: string
  readonly range: boolean
  readonly instant: boolean
  readonly format: string
  readonly legendFormat: string
  readonly fromMs: number
  readonly toMs: number
  readonly stepMs: number
}

interface PrometheusSeries {
  metric: Record<string, string>
  values?: [number, string][]
  value?: [number, string]
}

interface PrometheusAnswer {
  status: string
  error?: string
  errorType?: string
  data?: { resultType: string; result: PrometheusSeries[] | [number, string] }
}

const timeoutMs = 30_000

/** Asks Prometheus and gives frames; a range query gives one frame per series. */
export async function queryPrometheus(
  url: string,
  query: PrometheusQuery,
  token?: string,
): Promise<Frame[]> {
  const frames: Frame[] = []
  if (query.range) {
    const step = query.stepMs / 1000
    // Aligned to the step, so that a later query gives the same points and lines do not wobble.
    const start = Math.floor(query.fromMs / query.stepMs) * step
    const end = Math.floor(query.toMs / query.stepMs) * step
    const answer = await ask(
      url,
      '/api/v1/query_range',
      {
        query: query.expr,
        start: start.toFixed(3),
        end: end.toFixed(3),
        step: String(step),
      },
      token,
    )
    frames.push(...framesOf(answer, query, 'range'))
  }
  if (query.instant || !query.range) {
    const answer = await ask(
      url,
      '/api/v1/query',
      {
        query: query.expr,
        time: (query.toMs / 1000).toFixed(3),
      },
      token,
    )
    frames.push(...framesOf(answer, query, 'instant'))
  }
  return frames
}

async function ask(
  url: string,
  path: string,
  form: Record<string, string>,
  token: string | undefined,
): Promise<PrometheusAnswer> {
  let answer: PrometheusAnswer
  try {
    const response = await fetch(url.replace(/\/$/, '') + path, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: bearer(token),
      signal: AbortSignal.timeout(timeoutMs),
    })
    answer = (await response.json()) as PrometheusAnswer
  } catch (error) {
    throw upstreamFailed('prometheus', `Prometheus at ${url} does not answer`, error)
  }
  if (answer.status !== 'success')
    throw upstreamFailed('prometheus', `${answer.errorType ?? 'error'}: ${answer.error ?? ''}`)
  return answer
}

function framesOf(
  answer: PrometheusAnswer,
  query: PrometheusQuery,
  kind: 'range' | 'instant',
): Frame[] {
  const result = answer.data?.result ?? []
  const series: PrometheusSeries[] =
    answer.data?.resultType === 'scalar' || answer.data?.resultType === 'string'
      ? [{ metric: {}, value: result as [number, string] }]
      : (result as PrometheusSeries[])
  if (query.format === 'table' && kind === 'instant') return [tableOf(series, query)]
  return series.map((one) => {
    const points = one.values ?? (one.value ? [one.value] : [])
    const value = numberField('Value')
    value.labels = one.metric
    value.config = { displayNameFromDS: legendOf(query, one.metric), interval: query.stepMs }
    return {
      schema: {
        refId: query.refId,
        meta: { type: kind === 'range' ? 'timeseries-multi' : 'numeric-multi' },
        fields: [timeField('Time'), value],
      },
      data: {
        values: [
          points.map(([time]) => Math.round(time * 1000)),
          points.map(([, v]) => numberOf(v)),
        ],
      },
    }
  })
}

function tableOf(series: PrometheusSeries[], query: PrometheusQuery): Frame {
  const names = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort()
  return {
    schema: {
      refId: query.refId,
      meta: { type: 'numeric-long' },
      fields: [timeField('Time'), ...names.map(stringField), numberField('Value')],
    },
    data: {
      values: [
        series.map((one) => Math.round((one.value?.[0] ?? 0) * 1000)),
        ...names.map((name) => series.map((one) => one.metric[name] ?? null)),
        series.map((one) => numberOf(one.value?.[1] ?? 'NaN')),
      ],
    },
  }
}

/** JSON has no NaN and no infinity; a gap is what a chart shows for them. */
function numberOf(text: string): number | null {
  const value = Number(text)
  return Number.isFinite(value) ? value : null
}

/** Fills `{{label}}` in; without a format it is the series as Prometheus writes it. */
export function legendOf(
  query: { legendFormat: string; expr: string },
  metric: Readonly<Record<string, string>>,
): string {
  const { legendFormat } = query
  if (legendFormat !== '' && legendFormat !== '__auto')
    return legendFormat.replaceAll(
      /\{\{\s*([^}]+?)\s*\}\}/g,
      (_, name: string) => metric[name] ?? '',
    )
  const { __name__: name = '', ...labels } = metric
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  if (pairs.length === 0) return name || query.expr
  return `${name}{${pairs.join(', ')}}`
}
