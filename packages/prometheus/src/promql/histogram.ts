import type { Labels } from '../labels.ts'
import type { Sample } from './value.ts'

interface Bucket {
  readonly upper: number
  readonly count: number
}

/** `histogram_quantile` over classic histograms: buckets by `le`, linear inside a bucket. */
export function histogramQuantile(phi: number, vector: readonly Sample[]): Sample[] {
  const histograms = new Map<string, { labels: Labels; buckets: Bucket[] }>()
  for (const { labels, value } of vector) {
    const le = labels.get('le')
    const upper = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
    if (le === '' || Number.isNaN(upper)) continue
    const rest = labels.without(['__name__', 'le'])
    const histogram = histograms.get(rest.key)
    if (histogram) histogram.buckets.push({ upper, count: value })
    else histograms.set(rest.key, { labels: rest, buckets: [{ upper, count: value }] })
  }
  return [...histograms.values()].map(({ labels, buckets }) => ({
    labels,
    value: bucketQuantile(phi, buckets),
  }))
}

function bucketQuantile(phi: number, unsorted: readonly Bucket[]): number {
  if (Number.isNaN(phi)) return Number.NaN
  if (phi < 0) return Number.NEGATIVE_INFINITY
  if (phi > 1) return Number.POSITIVE_INFINITY
  const buckets = monotonic(unsorted.toSorted((a, b) => a.upper - b.upper))
  const last = buckets.at(-1)
  if (!last || last.upper !== Number.POSITIVE_INFINITY || buckets.length < 2 || !(last.count > 0))
    return Number.NaN
  const rank = phi * last.count
  const index = Math.min(
    buckets.findIndex(({ count }) => count >= rank),
    buckets.length - 1,
  )
  if (index === buckets.length - 1) return buckets.at(-2)!.upper
  const bucket = buckets[index]!
  if (index === 0 && bucket.upper <= 0) return bucket.upper
  const lower = index === 0 ? 0 : buckets[index - 1]!.upper
  const below = index === 0 ? 0 : buckets[index - 1]!.count
  return lower + (bucket.upper - lower) * ((rank - below) / (bucket.count - below))
}

/** Equal bounds are added up; a count below the one before it is lifted to it. */
function monotonic(sorted: readonly Bucket[]): Bucket[] {
  const buckets: Bucket[] = []
  for (const bucket of sorted) {
    const before = buckets.at(-1)
    if (before?.upper === bucket.upper)
      buckets[buckets.length - 1] = { upper: bucket.upper, count: before.count + bucket.count }
    else buckets.push(bucket)
  }
  let highest = 0
  return buckets.map(({ upper, count }) => {
    highest = Math.max(highest, count)
    return { upper, count: highest }
  })
}
