import { PrometheusError } from '../errors.ts'
import type { Labels } from '../labels.ts'
import type { Samples } from '../storage/xor-chunk.ts'

/** One element of an instant vector. */
export interface Sample {
  readonly labels: Labels
  readonly value: number
}

/** One series of a range vector: the samples of a window, from index `from` up to `to`. */
export interface RangeSeries {
  readonly labels: Labels
  readonly samples: Samples
  readonly from: number
  readonly to: number
}

/** A range vector with its window `(startMs, endMs]`. */
export interface RangeVector {
  readonly series: readonly RangeSeries[]
  readonly startMs: number
  readonly endMs: number
}

/** A query that is right in form and cannot be answered. */
export function executionError(what: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_QUERY_EXECUTION', what)
}

/** @throws PrometheusError `PROMETHEUS_QUERY_EXECUTION` where two elements have the same labels */
export function assertDistinct(samples: readonly Sample[]): readonly Sample[] {
  const keys = new Set<string>()
  for (const { labels } of samples) {
    if (keys.has(labels.key))
      throw executionError('vector cannot contain metrics with the same labelset')
    keys.add(labels.key)
  }
  return samples
}
