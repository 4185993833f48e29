import { PrometheusError } from '../errors.ts'
import { Labels, type Matcher } from '../labels.ts'
import type { SeriesSamples } from '../storage/samples.ts'
import type { Expression, TimeShift, ValueType } from './ast.ts'
import { Evaluator, type SelectorData } from './evaluator.ts'
import { parseQuery, typeOf } from './parser.ts'
import { assertDistinct, executionError, type Sample } from './value.ts'

/** Where the engine reads samples. */
export interface Queryable {
  select(matchers: readonly Matcher[], minMs: number, maxMs: number): Promise<SeriesSamples[]>
}

export interface EngineOptions {
  /** How far an instant selector looks back for the newest sample. */
  lookbackMs: number
  /** A query that takes longer is given up. */
  timeoutMs: number
  /** The step of a subquery that names none. */
  defaultStepMs: number
  /** A query that would hold more samples than this is refused. */
  maxSamples: number
}

/** One series of a range query's answer. */
export interface Series {
  readonly labels: Labels
  readonly points: (readonly [timeMs: number, value: number])[]
}

export type InstantResult =
  | { readonly type: 'vector'; readonly samples: readonly Sample[] }
  | { readonly type: 'scalar'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'matrix'; readonly series: readonly Series[] }

const maxPoints = 11_000

/** Answers PromQL over stored samples. */
export class Engine {
  readonly #queryable: Queryable
  readonly #options: EngineOptions

  constructor(queryable: Queryable, options: EngineOptions) {
    this.#queryable = queryable
    this.#options = options
  }

  /** Evaluates at one time. @throws PrometheusError of parsing, execution or time-out */
  async instant(query: string | Expression, timeMs: number): Promise<InstantResult> {
    const expression = typeof query === 'string' ? parseQuery(query) : query
    const type = typeOf(expression)
    const evaluator = await this.#prepare(expression, timeMs, timeMs)
    if (type === 'string') return { type, value: evaluator.string(expression) }
    if (type === 'scalar') return { type, value: evaluator.scalar(expression, timeMs) }
    if (type === 'vector')
      return { type, samples: assertDistinct(evaluator.vector(expression, timeMs)) }
    const range = evaluator.range(expression, timeMs)
    return {
      type: 'matrix',
      series: range.series.map(({ labels, samples, from, to }) => ({
        labels,
        points: Array.from({ length: to - from }, (_, index) => [
          samples.timesMs[from + index]!,
          samples.values[from + index]!,
        ]),
      })),
    }
  }

  /** Evaluates at each step of `[startMs, endMs]`. */
  async range(
    query: string | Expression,
    startMs: number,
    endMs: number,
    stepMs: number,
  ): Promise<Series[]> {
    const expression = typeof query === 'string' ? parseQuery(query) : query
    const type: ValueType = typeOf(expression)
    if (type !== 'scalar' && type !== 'vector')
      throw new PrometheusError(
        'PROMETHEUS_BAD_REQUEST',
        `invalid parameter "query": invalid expression type "${type === 'matrix' ? 'range vector' : type}" for range query, must be Scalar or instant Vector`,
      )
    if ((endMs - startMs) / stepMs > maxPoints)
      throw new PrometheusError(
        'PROMETHEUS_BAD_REQUEST',
        'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
      )
    const evaluator = await this.#prepare(expression, startMs, endMs)
    const series = new Map<string, Series>()
    const deadlineMs = performance.now() + this.#options.timeoutMs
    for (let timeMs = startMs; timeMs <= endMs; timeMs += stepMs) {
      if (performance.now() > deadlineMs)
        throw new PrometheusError(
          'PROMETHEUS_QUERY_TIMEOUT',
          'query timed out in expression evaluation',
        )
      if (type === 'scalar')
        append(series, Labels.empty, timeMs, evaluator.scalar(expression, timeMs))
      else
        for (const { labels, value } of assertDistinct(evaluator.vector(expression, timeMs)))
          append(series, labels, timeMs, value)
    }
    return [...series.values()].toSorted((a, b) => (a.labels.key < b.labels.key ? -1 : 1))
  }

  /** Reads what every selector of the expression may need, once. */
  async #prepare(expression: Expression, startMs: number, endMs: number): Promise<Evaluator> {
    const { lookbackMs, defaultStepMs, maxSamples } = this.#options
    const data: SelectorData = new Map()
    let samples = 0
    const read = async (node: Expression, minMs: number, maxMs: number): Promise<void> => {
      switch (node.kind) {
        case 'selector':
        case 'range': {
          const back = node.kind === 'range' ? node.rangeMs : lookbackMs
          const [fromMs, toMs] = shifted(node.shift, minMs, maxMs, startMs, endMs)
          const found = await this.#queryable.select(node.matchers, fromMs - back, toMs)
          for (const series of found) samples += series.samples.timesMs.length
          if (samples > maxSamples)
            throw executionError(
              'query processing would load too many samples into memory in query execution',
            )
          data.set(node, found)
          return
        }
        case 'subquery': {
          const [fromMs, toMs] = shifted(node.shift, minMs, maxMs, startMs, endMs)
          return read(node.expression, fromMs - node.rangeMs, toMs)
        }
        case 'call':
          for (const argument of node.arguments) await read(argument, minMs, maxMs)
          return
        case 'aggregation':
          if (node.parameter) await read(node.parameter, minMs, maxMs)
          return read(node.expression, minMs, maxMs)
        case 'binary':
          await read(node.left, minMs, maxMs)
          return read(node.right, minMs, maxMs)
        case 'unary':
        case 'parens':
          return read(node.expression, minMs, maxMs)
      }
    }
    await read(expression, startMs, endMs)
    return new Evaluator(data, { lookbackMs, defaultStepMs, startMs, endMs })
  }
}

function append(series: Map<string, Series>, labels: Labels, timeMs: number, value: number): void {
  const known = series.get(labels.key)
  if (known) known.points.push([timeMs, value])
  else series.set(labels.key, { labels, points: [[timeMs, value]] })
}

/** The span that a shifted selector reads. */
function shifted(
  { at, offsetMs }: TimeShift,
  minMs: number,
  maxMs: number,
  startMs: number,
  endMs: number,
): [number, number] {
  if (at === undefined) return [minMs - offsetMs, maxMs - offsetMs]
  const timeMs = at === 'start' ? startMs : at === 'end' ? endMs : at
  return [timeMs - offsetMs, timeMs - offsetMs]
}
