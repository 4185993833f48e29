import { Labels } from '../labels.ts'
import { firstAtOrAfter, type SeriesSamples } from '../storage/samples.ts'
import type { Samples } from '../storage/xor-chunk.ts'
import { aggregate, quantile } from './aggregation.ts'
import type { Expression, TimeShift } from './ast.ts'
import { applyOperator, setOperation, vectorScalar, vectorVector } from './binary.ts'
import { histogramQuantile } from './histogram.ts'
import { typeOf } from './parser.ts'
import { predictLinear, rangeFunctions } from './range-functions.ts'
import {
  assertDistinct,
  executionError,
  type RangeSeries,
  type RangeVector,
  type Sample,
} from './value.ts'
import {
  clamp,
  dateFunctions,
  labelJoin,
  labelReplace,
  roundTo,
  sortByLabel,
  sortByValue,
  valueFunctions,
} from './vector-functions.ts'

/** What each selector of an expression read. */
export type SelectorData = Map<Expression, readonly SeriesSamples[]>

export interface EvaluationBounds {
  readonly lookbackMs: number
  readonly defaultStepMs: number
  /** Start and end of the query, for `@ start()` and `@ end()`. */
  readonly startMs: number
  readonly endMs: number
}

type Call = Expression & { kind: 'call' }

/** Gives the value of an expression at a time, from samples read before. */
export class Evaluator {
  readonly #data: SelectorData
  readonly #bounds: EvaluationBounds

  constructor(data: SelectorData, bounds: EvaluationBounds) {
    this.#data = data
    this.#bounds = bounds
  }

  string(expression: Expression): string {
    if (expression.kind === 'parens') return this.string(expression.expression)
    if (expression.kind === 'string') return expression.value
    throw executionError('expected a string')
  }

  scalar(expression: Expression, timeMs: number): number {
    switch (expression.kind) {
      case 'number':
        return expression.value
      case 'parens':
        return this.scalar(expression.expression, timeMs)
      case 'unary':
        return -this.scalar(expression.expression, timeMs)
      case 'binary':
        return applyOperator(
          expression.operator,
          this.scalar(expression.left, timeMs),
          this.scalar(expression.right, timeMs),
        )
      case 'call':
        if (expression.name === 'time') return timeMs / 1_000
        if (expression.name === 'pi') return Math.PI
        if (expression.name === 'scalar') {
          const vector = this.vector(expression.arguments[0]!, timeMs)
          return vector.length === 1 ? vector[0]!.value : Number.NaN
        }
    }
    throw executionError('expected a scalar')
  }

  vector(expression: Expression, timeMs: number): readonly Sample[] {
    switch (expression.kind) {
      case 'parens':
        return this.vector(expression.expression, timeMs)
      case 'unary':
        return this.vector(expression.expression, timeMs).map(({ labels, value }) => ({
          labels: labels.withoutName(),
          value: -value,
        }))
      case 'selector':
        return this.#instant(expression, timeMs).map(({ labels, value }) => ({ labels, value }))
      case 'aggregation': {
        const { operator, parameter } = expression
        return aggregate(
          operator,
          this.vector(expression.expression, timeMs),
          expression,
          parameter &&
            (operator === 'count_values' ? this.string(parameter) : this.scalar(parameter, timeMs)),
        )
      }
      case 'binary':
        return this.#binary(expression, timeMs)
      case 'call':
        return this.#call(expression, timeMs)
      default:
        throw executionError('expected an instant vector')
    }
  }

  range(expression: Expression, timeMs: number): RangeVector {
    if (expression.kind === 'parens') return this.range(expression.expression, timeMs)
    if (expression.kind === 'subquery') return this.#subquery(expression, timeMs)
    if (expression.kind !== 'range') throw executionError('expected a range vector')
    const endMs = this.#shift(expression.shift, timeMs)
    const startMs = endMs - expression.rangeMs
    const series: RangeSeries[] = []
    for (const { labels, samples } of this.#data.get(expression) ?? []) {
      // The window is open at its start: a sample right there belongs to the one before.
      const from = firstAtOrAfter(samples.timesMs, startMs + 1)
      const to = firstAtOrAfter(samples.timesMs, endMs + 1)
      if (to > from) series.push(withoutStale({ labels, samples, from, to }))
    }
    return { series: series.filter(({ from, to }) => to > from), startMs, endMs }
  }

  /** The newest sample of each series within the lookback. */
  #instant(
    expression: Expression & { kind: 'selector' },
    timeMs: number,
  ): (Sample & { timeMs: number })[] {
    const atMs = this.#shift(expression.shift, timeMs)
    const found: (Sample & { timeMs: number })[] = []
    for (const { labels, samples } of this.#data.get(expression) ?? []) {
      const index = firstAtOrAfter(samples.timesMs, atMs + 1) - 1
      if (index < 0 || samples.stale[index] === 1) continue
      const sampleMs = samples.timesMs[index]!
      if (sampleMs > atMs - this.#bounds.lookbackMs)
        found.push({ labels, value: samples.values[index]!, timeMs: sampleMs })
    }
    return found
  }

  #subquery(expression: Expression & { kind: 'subquery' }, timeMs: number): RangeVector {
    const endMs = this.#shift(expression.shift, timeMs)
    const startMs = endMs - expression.rangeMs
    const stepMs = expression.stepMs ?? this.#bounds.defaultStepMs
    const collected = new Map<string, { labels: Labels; timesMs: number[]; values: number[] }>()
    // Steps are aligned to the epoch, so that the same ones come at each evaluation.
    let at = Math.floor(startMs / stepMs) * stepMs
    if (at <= startMs) at += stepMs
    for (; at <= endMs; at += stepMs) {
      const isScalar = typeOf(expression.expression) === 'scalar'
      const samples = isScalar
        ? [{ labels: Labels.empty, value: this.scalar(expression.expression, at) }]
        : this.vector(expression.expression, at)
      for (const { labels, value } of samples) {
        const series = collected.get(labels.key) ?? { labels, timesMs: [], values: [] }
        collected.set(labels.key, series)
        series.timesMs.push(at)
        series.values.push(value)
      }
    }
    const series = [...collected.values()].map(({ labels, timesMs, values }): RangeSeries => {
      const samples: Samples = {
        timesMs: Float64Array.from(timesMs),
        values: Float64Array.from(values),
        stale: new Uint8Array(timesMs.length),
      }
      return { labels, samples, from: 0, to: timesMs.length }
    })
    return { series, startMs, endMs }
  }

  #shift({ at, offsetMs }: TimeShift, timeMs: number): number {
    if (at === undefined) return timeMs - offsetMs
    const fixed = at === 'start' ? this.#bounds.startMs : at === 'end' ? this.#bounds.endMs : at
    return fixed - offsetMs
  }

  #binary(expression: Expression & { kind: 'binary' }, timeMs: number): readonly Sample[] {
    const { operator, left, right, bool, matching } = expression
    if (typeOf(left) === 'scalar')
      return vectorScalar(
        operator,
        this.vector(right, timeMs),
        this.scalar(left, timeMs),
        true,
        bool,
      )
    if (typeOf(right) === 'scalar')
      return vectorScalar(
        operator,
        this.vector(left, timeMs),
        this.scalar(right, timeMs),
        false,
        bool,
      )
    const vectors = [this.vector(left, timeMs), this.vector(right, timeMs)] as const
    if (matching.card === 'many-to-many') return setOperation(operator, ...vectors, matching)
    return vectorVector(operator, ...vectors, matching, bool)
  }

  #call(call: Call, timeMs: number): readonly Sample[] {
    const { name } = call
    const argument = (index: number): Expression => call.arguments[index]!
    const overTime = rangeFunctions.get(name)
    if (overTime) {
      // These two give what was stored, name and all.
      const keepName = name === 'last_over_time' || name === 'first_over_time'
      const range = this.range(argument(0), timeMs)
      return assertDistinct(mapRange(range, (series) => overTime(series, range), keepName))
    }
    const ofValue = valueFunctions.get(name)
    if (ofValue) return mapValues(this.vector(argument(0), timeMs), ofValue)
    const ofDate = dateFunctions.get(name)
    if (ofDate) {
      const given = call.arguments[0]
        ? this.vector(call.arguments[0], timeMs)
        : [{ labels: Labels.empty, value: timeMs / 1_000 }]
      return mapValues(given, (seconds) =>
        Number.isFinite(seconds) ? ofDate(seconds) : Number.NaN,
      )
    }
    return this.#specialCall(call, timeMs)
  }

  #specialCall(call: Call, timeMs: number): readonly Sample[] {
    const [first, second, third] = call.arguments
    const vector = (): readonly Sample[] => this.vector(first!, timeMs)
    const scalar = (expression: Expression | undefined): number => this.scalar(expression!, timeMs)
    const strings = (from: number): string[] =>
      call.arguments.slice(from).map((text) => this.string(text))
    switch (call.name) {
      case 'vector':
        return [{ labels: Labels.empty, value: scalar(first) }]
      case 'absent':
        return vector().length > 0 ? [] : [{ labels: absentLabels(first!), value: 1 }]
      case 'absent_over_time':
        return this.range(first!, timeMs).series.length > 0
          ? []
          : [{ labels: absentLabels(first!), value: 1 }]
      case 'timestamp':
        return this.#timestamps(first!, timeMs)
      case 'round':
        return mapValues(vector(), (value) => roundTo(value, second ? scalar(second) : 1))
      case 'clamp':
        return clamp(vector(), scalar(second), scalar(third))
      case 'clamp_min':
        return clamp(vector(), scalar(second), Number.POSITIVE_INFINITY)
      case 'clamp_max':
        return clamp(vector(), Number.NEGATIVE_INFINITY, scalar(second))
      case 'sort':
        return sortByValue(vector(), 1)
      case 'sort_desc':
        return sortByValue(vector(), -1)
      case 'sort_by_label':
        return sortByLabel(vector(), strings(1), 1)
      case 'sort_by_label_desc':
        return sortByLabel(vector(), strings(1), -1)
      case 'label_replace': {
        const [destination, replacement, source, pattern] = strings(1) as [
          string,
          string,
          string,
          string,
        ]
        return assertDistinct(labelReplace(vector(), destination, replacement, source, pattern))
      }
      case 'label_join': {
        const [destination, separator, ...sources] = strings(1) as [string, string, ...string[]]
        return assertDistinct(labelJoin(vector(), destination, separator, sources))
      }
      case 'histogram_quantile':
        return histogramQuantile(scalar(first), this.vector(second!, timeMs))
      case 'quantile_over_time': {
        const phi = scalar(first)
        return mapRange(this.range(second!, timeMs), ({ samples, from, to }) =>
          quantile(phi, Array.from(samples.values.subarray(from, to))),
        )
      }
      case 'predict_linear':
        return mapRange(this.range(first!, timeMs), (series) =>
          predictLinear(series, timeMs, scalar(second)),
        )
      default:
        throw executionError(`function ${call.name} does not give a vector`)
    }
  }

  #timestamps(expression: Expression, timeMs: number): Sample[] {
    if (expression.kind === 'parens') return this.#timestamps(expression.expression, timeMs)
    if (expression.kind === 'selector')
      return this.#instant(expression, timeMs).map((sample) => ({
        labels: sample.labels.withoutName(),
        value: sample.timeMs / 1_000,
      }))
    return mapValues(this.vector(expression, timeMs), () => timeMs / 1_000)
  }
}

function mapValues(vector: readonly Sample[], change: (value: number) => number): Sample[] {
  return vector.map(({ labels, value }) => ({ labels: labels.withoutName(), value: change(value) }))
}

function mapRange(
  range: RangeVector,
  reduce: (series: RangeSeries) => number | undefined,
  keepName = false,
): Sample[] {
  const result: Sample[] = []
  for (const series of range.series) {
    const value = reduce(series)
    if (value !== undefined)
      result.push({ labels: keepName ? series.labels : series.labels.withoutName(), value })
  }
  return result
}

/** The labels that `absent` can tell from its selector: those with one equality. */
function absentLabels(expression: Expression): Labels {
  if (expression.kind !== 'selector' && expression.kind !== 'range') return Labels.empty
  const labels: Record<string, string> = {}
  const ambiguous = new Set<string>()
  for (const { kind, name, value } of expression.matchers) {
    if (name === '__name__') continue
    if (kind === '=' && labels[name] === undefined) labels[name] = value
    else ambiguous.add(name)
  }
  for (const name of ambiguous) delete labels[name]
  return Labels.from(labels)
}

/** A window without the marks that end a series. */
function withoutStale(series: RangeSeries): RangeSeries {
  const { labels, samples, from, to } = series
  if (!samples.stale.subarray(from, to).includes(1)) return series
  const kept: number[] = []
  for (let index = from; index < to; index++) if (samples.stale[index] === 0) kept.push(index)
  return {
    labels,
    samples: {
      timesMs: Float64Array.from(kept, (index) => samples.timesMs[index]!),
      values: Float64Array.from(kept, (index) => samples.values[index]!),
      stale: new Uint8Array(kept.length),
    },
    from: 0,
    to: kept.length,
  }
}
