import type { Labels } from '../labels.ts'
import type { Samples } from './xor-chunk.ts'

/** One series with its samples in order of time. */
export interface SeriesSamples {
  readonly labels: Labels
  readonly samples: Samples
}

/** One sample to be stored. `stale` ends the series at that time. */
export interface NewSample {
  readonly labels: Labels
  readonly timeMs: number
  readonly value: number
  readonly stale?: boolean
}

/** Joins runs of samples, each later than the one before, and cuts them to `[minMs, maxMs]`. */
export function joinSamples(parts: readonly Samples[], minMs: number, maxMs: number): Samples {
  const cuts = parts
    .map((part) => cut(part, minMs, maxMs))
    .filter(({ timesMs }) => timesMs.length > 0)
  if (cuts.length === 1) return cuts[0]!
  const count = cuts.reduce((sum, { timesMs }) => sum + timesMs.length, 0)
  const joined: Samples = {
    timesMs: new Float64Array(count),
    values: new Float64Array(count),
    stale: new Uint8Array(count),
  }
  let at = 0
  for (const { timesMs, values, stale } of cuts) {
    // A block and the head may both hold the samples at the border: the first to come counts.
    let from = 0
    while (at > 0 && from < timesMs.length && timesMs[from]! <= joined.timesMs[at - 1]!) from++
    joined.timesMs.set(timesMs.subarray(from), at)
    joined.values.set(values.subarray(from), at)
    joined.stale.set(stale.subarray(from), at)
    at += timesMs.length - from
  }
  return slice(joined, 0, at)
}

function cut(samples: Samples, minMs: number, maxMs: number): Samples {
  const { timesMs } = samples
  return slice(samples, firstAtOrAfter(timesMs, minMs), firstAtOrAfter(timesMs, maxMs + 1))
}

function slice({ timesMs, values, stale }: Samples, from: number, to: number): Samples {
  return {
    timesMs: timesMs.subarray(from, to),
    values: values.subarray(from, to),
    stale: stale.subarray(from, to),
  }
}

/** The index of the first time that is not before `timeMs`; the length where there is none. */
export function firstAtOrAfter(timesMs: Float64Array, timeMs: number): number {
  let low = 0
  let high = timesMs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (timesMs[middle]! < timeMs) low = middle + 1
    else high = middle
  }
  return low
}
