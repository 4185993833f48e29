import { greatest, least, mean, quantile, sum, variance } from './aggregation.ts'
import type { RangeSeries, RangeVector } from './value.ts'

/** The value of a function over one series' window; undefined where it has none. */
type OverTime = (series: RangeSeries, range: RangeVector) => number | undefined

const valuesOf = ({ samples, from, to }: RangeSeries): number[] =>
  Array.from(samples.values.subarray(from, to))
const count = ({ from, to }: RangeSeries): number => to - from

const over =
  (reduce: (values: number[]) => number): OverTime =>
  (series) =>
    reduce(valuesOf(series))

/** Functions of a range vector alone, by name. `absent_over_time` is the engine's own. */
export const rangeFunctions: ReadonlyMap<string, OverTime> = new Map<string, OverTime>([
  ['avg_over_time', over(mean)],
  ['sum_over_time', over(sum)],
  ['min_over_time', over(least)],
  ['max_over_time', over(greatest)],
  ['count_over_time', count],
  ['stdvar_over_time', over(variance)],
  ['stddev_over_time', over((values) => Math.sqrt(variance(values)))],
  ['present_over_time', () => 1],
  ['last_over_time', ({ samples, to }) => samples.values[to - 1]],
  ['first_over_time', ({ samples, from }) => samples.values[from]],
  [
    'mad_over_time',
    over((values) => {
      const median = quantile(0.5, values)
      return quantile(
        0.5,
        values.map((value) => Math.abs(value - median)),
      )
    }),
  ],
  ['changes', over(changes)],
  [
    'resets',
    over(
      (values) => values.filter((value, index) => index > 0 && value < values[index - 1]!).length,
    ),
  ],
  ['rate', (series, range) => extrapolated(series, range, true, true)],
  ['increase', (series, range) => extrapolated(series, range, true, false)],
  ['delta', (series, range) => extrapolated(series, range, false, false)],
  ['irate', (series) => lastStep(series, true)],
  ['idelta', (series) => lastStep(series, false)],
  [
    'deriv',
    (series) =>
      count(series) < 2
        ? undefined
        : linearRegression(series, series.samples.timesMs[series.from]!).slope,
  ],
])

/** `predict_linear`: where the line through the window is `seconds` after the evaluation. */
export function predictLinear(
  series: RangeSeries,
  atMs: number,
  seconds: number,
): number | undefined {
  if (count(series) < 2) return undefined
  const { slope, intercept } = linearRegression(series, atMs)
  return slope * seconds + intercept
}

function changes(values: number[]): number {
  let changed = 0
  for (let index = 1; index < values.length; index++) {
    const [before, after] = [values[index - 1]!, values[index]!]
    if (before !== after && !(Number.isNaN(before) && Number.isNaN(after))) changed++
  }
  return changed
}

/**
 * The increase over the window, extrapolated to its bounds: to the bound itself where a sample is
 * near it, half a sample's distance beyond the last one otherwise, and for counters never below zero.
 */
function extrapolated(
  { samples, from, to }: RangeSeries,
  { startMs, endMs }: RangeVector,
  isCounter: boolean,
  perSecond: boolean,
): number | undefined {
  if (to - from < 2) return undefined
  const { timesMs, values } = samples
  const firstValue = values[from]!
  let increase = values[to - 1]! - firstValue
  if (isCounter)
    for (let index = from + 1; index < to; index++)
      if (values[index]! < values[index - 1]!) increase += values[index - 1]!
  const sampledS = (timesMs[to - 1]! - timesMs[from]!) / 1_000
  const averageS = sampledS / (to - from - 1)
  const thresholdS = averageS * 1.1
  let toStartS = (timesMs[from]! - startMs) / 1_000
  let toEndS = (endMs - timesMs[to - 1]!) / 1_000
  if (toStartS >= thresholdS) toStartS = averageS / 2
  if (isCounter && increase > 0 && firstValue >= 0)
    toStartS = Math.min(toStartS, sampledS * (firstValue / increase))
  if (toEndS >= thresholdS) toEndS = averageS / 2
  const factor = (sampledS + toStartS + toEndS) / sampledS
  return (increase * factor) / (perSecond ? (endMs - startMs) / 1_000 : 1)
}

/** The difference of the last two samples; per second and aware of resets for `irate`. */
function lastStep({ samples, from, to }: RangeSeries, isRate: boolean): number | undefined {
  if (to - from < 2) return undefined
  const last = samples.values[to - 1]!
  const before = samples.values[to - 2]!
  const change = isRate && last < before ? last : last - before
  if (!isRate) return change
  const elapsedMs = samples.timesMs[to - 1]! - samples.timesMs[to - 2]!
  return elapsedMs === 0 ? undefined : change / (elapsedMs / 1_000)
}

/** Least squares over the window; the intercept is the value at `atMs`. */
function linearRegression(
  { samples, from, to }: RangeSeries,
  atMs: number,
): { slope: number; intercept: number } {
  const x: number[] = []
  const y: number[] = []
  for (let index = from; index < to; index++) {
    x.push((samples.timesMs[index]! - atMs) / 1_000)
    y.push(samples.values[index]!)
  }
  if (y.every((value) => value === y[0]))
    return Number.isFinite(y[0])
      ? { slope: 0, intercept: y[0]! }
      : { slope: Number.NaN, intercept: Number.NaN }
  const n = x.length
  const sumX = sum(x)
  const sumY = sum(y)
  const covariance = sum(x.map((value, index) => value * y[index]!)) - (sumX * sumY) / n
  const varianceX = sum(x.map((value) => value * value)) - (sumX * sumX) / n
  const slope = covariance / varianceX
  return { slope, intercept: sumY / n - (slope * sumX) / n }
}
