import type { Labels, Matcher } from '../labels.ts'
import { LabelIndex } from './label-index.ts'
import { joinSamples, type SeriesSamples } from './samples.ts'
import { decodeXorChunk, type Samples, XorChunk } from './xor-chunk.ts'

const samplesPerChunk = 120

/** A chunk that is full. */
export interface ClosedChunk {
  readonly bytes: Uint8Array
  readonly count: number
  readonly minMs: number
  readonly maxMs: number
}

/** A series of the head: closed chunks, and one that takes samples. */
export class HeadSeries {
  readonly labels: Labels
  /** Names the series in the write-ahead log. */
  readonly ref: number
  closed: ClosedChunk[] = []
  open: XorChunk = new XorChunk()
  lastMs: number = Number.NEGATIVE_INFINITY
  lastValue: number = Number.NaN
  lastStale = false

  constructor(ref: number, labels: Labels) {
    this.ref = ref
    this.labels = labels
  }

  append(timeMs: number, value: number, stale: boolean): void {
    if (this.open.count >= samplesPerChunk) {
      const { open } = this
      this.closed.push({
        bytes: open.bytes(),
        count: open.count,
        minMs: open.minMs,
        maxMs: open.maxMs,
      })
      this.open = new XorChunk()
    }
    this.open.append(timeMs, value, stale)
    this.lastMs = timeMs
    this.lastValue = value
    this.lastStale = stale
  }

  /** Samples within `[minMs, maxMs]`. */
  samples(minMs: number, maxMs: number): Samples {
    const parts: Samples[] = []
    for (const chunk of this.closed)
      if (chunk.maxMs >= minMs && chunk.minMs <= maxMs)
        parts.push(decodeXorChunk(chunk.bytes, chunk.count))
    const { open } = this
    if (open.count > 0 && open.maxMs >= minMs && open.minMs <= maxMs)
      parts.push(decodeXorChunk(open.peek(), open.count))
    return joinSamples(parts, minMs, maxMs)
  }

  get minMs(): number {
    return (
      this.closed[0]?.minMs ?? (this.open.count > 0 ? this.open.minMs : Number.POSITIVE_INFINITY)
    )
  }
}

/** The newest samples, in memory; the write-ahead log is what makes them last. */
export class Head {
  readonly #byKey = new Map<string, HeadSeries>()
  readonly #byRef = new Map<number, HeadSeries>()
  readonly #index = new LabelIndex<HeadSeries>()
  #nextRef = 1
  minMs: number = Number.POSITIVE_INFINITY
  maxMs: number = Number.NEGATIVE_INFINITY

  get seriesCount(): number {
    return this.#byKey.size
  }
  get chunkCount(): number {
    let count = 0
    for (const { closed } of this.#byKey.values()) count += closed.length + 1
    return count
  }

  find(labels: Labels): HeadSeries | undefined {
    return this.#byKey.get(labels.key)
  }
  byRef(ref: number): HeadSeries | undefined {
    return this.#byRef.get(ref)
  }
  all(): Iterable<HeadSeries> {
    return this.#byKey.values()
  }

  /** Makes a series; replay gives the `ref` that the log knows it by. */
  add(labels: Labels, ref: number = this.#nextRef): HeadSeries {
    this.#nextRef = Math.max(this.#nextRef, ref + 1)
    const series = new HeadSeries(ref, labels)
    this.#byKey.set(labels.key, series)
    this.#byRef.set(ref, series)
    this.#index.add(series)
    return series
  }

  append(series: HeadSeries, timeMs: number, value: number, stale: boolean): void {
    series.append(timeMs, value, stale)
    if (timeMs < this.minMs) this.minMs = timeMs
    if (timeMs > this.maxMs) this.maxMs = timeMs
  }

  series(matchers: readonly Matcher[]): HeadSeries[] {
    return this.#index.select(matchers)
  }

  select(matchers: readonly Matcher[], minMs: number, maxMs: number): SeriesSamples[] {
    const selected: SeriesSamples[] = []
    for (const series of this.#index.select(matchers)) {
      if (series.lastMs < minMs) continue
      const samples = series.samples(minMs, maxMs)
      if (samples.timesMs.length > 0) selected.push({ labels: series.labels, samples })
    }
    return selected
  }

  /** Drops what is wholly before `timeMs`; a block holds it now. */
  truncate(timeMs: number): void {
    let minMs = Number.POSITIVE_INFINITY
    for (const [key, series] of this.#byKey) {
      series.closed = series.closed.filter(({ maxMs }) => maxMs >= timeMs)
      if (series.lastMs < timeMs) {
        this.#byKey.delete(key)
        this.#byRef.delete(series.ref)
        this.#index.remove(series)
      } else minMs = Math.min(minMs, series.minMs)
    }
    // The chunk that is open may begin before; those samples are the block's now.
    this.minMs = Math.max(minMs, timeMs)
  }
}
