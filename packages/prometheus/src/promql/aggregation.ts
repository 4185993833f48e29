import type { Labels } from '../labels.ts'
import type { AggregationOperator } from './ast.ts'
import type { Sample } from './value.ts'
import { executionError } from './value.ts'

export interface Grouping {
  readonly by: boolean
  readonly labels: readonly string[]
}

/** Aggregates a vector by groups; `parameter` is that of topk, bottomk, quantile and count_values. */
export function aggregate(
  operator: AggregationOperator,
  vector: readonly Sample[],
  grouping: Grouping,
  parameter: number | string | undefined,
): Sample[] {
  const without = ['__name__', ...grouping.labels]
  const groupLabels = (labels: Labels): Labels =>
    grouping.by ? labels.only(grouping.labels) : labels.without(without)
  const groups = new Map<string, { labels: Labels; samples: Sample[] }>()
  for (const sample of vector) {
    let { labels } = sample
    if (operator === 'count_values')
      labels = labels.with({ [String(parameter)]: formatNumber(sample.value) })
    const key =
      operator === 'count_values' && grouping.by
        ? labels.only([...grouping.labels, String(parameter)])
        : groupLabels(labels)
    const group = groups.get(key.key)
    if (group) group.samples.push(sample)
    else groups.set(key.key, { labels: key, samples: [sample] })
  }
  if (operator === 'topk' || operator === 'bottomk')
    return [...groups.values()].flatMap(({ samples }) =>
      extremes(operator, samples, Number(parameter)),
    )
  return [...groups.values()].map(({ labels, samples }) => ({
    labels,
    value: reduce(operator, samples, parameter),
  }))
}

/** A number as Prometheus writes it. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  const text = String(value)
  // Go writes at least two digits of an exponent.
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

function extremes(
  operator: 'topk' | 'bottomk',
  samples: readonly Sample[],
  count: number,
): Sample[] {
  if (Number.isNaN(count)) throw executionError(`Parameter value is NaN for ${operator}`)
  const sign = operator === 'topk' ? -1 : 1
  // NaN is the worst on both sides.
  const order = (a: Sample, b: Sample): number =>
    Number.isNaN(a.value)
      ? Number.isNaN(b.value)
        ? 0
        : 1
      : Number.isNaN(b.value)
        ? -1
        : sign * (a.value - b.value)
  return samples.toSorted(order).slice(0, Math.max(0, Math.trunc(count)))
}

function reduce(
  operator: AggregationOperator,
  samples: readonly Sample[],
  parameter: number | string | undefined,
): number {
  const values = samples.map(({ value }) => value)
  switch (operator) {
    case 'sum':
      return sum(values)
    case 'avg':
      return mean(values)
    case 'min':
      return least(values)
    case 'max':
      return greatest(values)
    case 'count':
    case 'count_values':
      return values.length
    case 'group':
      return 1
    case 'stdvar':
      return variance(values)
    case 'stddev':
      return Math.sqrt(variance(values))
    case 'quantile':
      return quantile(Number(parameter), values)
    default:
      throw new Error(`${operator} does not reduce`)
  }
}

/** Sums with compensation for what gets lost (Neumaier), as Prometheus does. */
export function sum(values: Iterable<number>): number {
  let total = 0
  let lost = 0
  for (const value of values) {
    const next = total + value
    if (Number.isFinite(next))
      lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total
    else lost = 0
    total = next
  }
  return total + lost
}

export function mean(values: readonly number[]): number {
  const total = sum(values)
  if (Number.isFinite(total) || values.some((value) => !Number.isFinite(value)))
    return total / values.length
  // The sum is beyond what a float holds; the mean is not.
  return sum(values.map((value) => value / values.length))
}

/** The least value; NaN only where all are. */
export function least(values: Iterable<number>): number {
  let found = Number.NaN
  for (const value of values) if (value < found || Number.isNaN(found)) found = value
  return found
}
export function greatest(values: Iterable<number>): number {
  let found = Number.NaN
  for (const value of values) if (value > found || Number.isNaN(found)) found = value
  return found
}

export function variance(values: readonly number[]): number {
  const middle = mean(values)
  return sum(values.map((value) => (value - middle) ** 2)) / values.length
}

/** The φ-quantile with linear interpolation. */
export function quantile(phi: number, values: readonly number[]): number {
  if (values.length === 0 || Number.isNaN(phi)) return Number.NaN
  if (phi < 0) return Number.NEGATIVE_INFINITY
  if (phi > 1) return Number.POSITIVE_INFINITY
  const sorted = values.toSorted((a, b) => (Number.isNaN(a) ? -1 : Number.isNaN(b) ? 1 : a - b))
  const rank = phi * (sorted.length - 1)
  const lower = Math.max(0, Math.floor(rank))
  const upper = Math.min(sorted.length - 1, lower + 1)
  const weight = rank - Math.floor(rank)
  return sorted[lower]! * (1 - weight) + sorted[upper]! * weight
}
