import type { PlatformPart, PlatformSnapshot, VitalItem } from './platform.ts'

/** Counts of one part or one of its items, and how fast they grow. */
export interface FlowRate {
  readonly inPerSecond: number
  readonly outPerSecond: number
  readonly lag: number
  /** How fast the lag grows, records per second. */
  readonly lagPerSecond: number
}

const still: FlowRate = { inPerSecond: 0, outPerSecond: 0, lag: 0, lagPerSecond: 0 }
const windowMs = 6_000
const historyMax = 1_800

interface Sample {
  readonly uptimeMs: number
  readonly atMs: number
  readonly counts: ReadonlyMap<string, Counts>
}

interface Counts {
  readonly recordsIn: number
  readonly recordsOut: number
  readonly lag: number
  readonly deadLetters: number
}

/** One point of the history: when, and the lag of everything that has one. */
export interface HistoryPoint {
  readonly atMs: number
  readonly lag: ReadonlyMap<string, number>
  readonly rates: ReadonlyMap<string, number>
}

export const itemKey = (part: string, item: Pick<VitalItem, 'kind' | 'name'>): string =>
  `${part}/${item.kind}/${item.name}`

/**
 * Turns counts of successive snapshots into rates over the last six seconds, and keeps the last
 * half hour of lags. A count that went back is a part that started anew: its rate begins again.
 */
export class FlowRates {
  #samples: Sample[] = []
  readonly history: HistoryPoint[] = []

  apply(snapshot: PlatformSnapshot, nowMs: number): void {
    const counts = new Map<string, Counts>()
    for (const part of snapshot.parts) {
      if (!part.vitals) continue
      counts.set(part.name, countsOf(part.vitals))
      for (const item of part.vitals.items) counts.set(itemKey(part.name, item), countsOf(item))
    }
    const last = this.#samples.at(-1)
    if (last && snapshot.uptimeMs < last.uptimeMs) this.#samples = []
    this.#samples.push({ uptimeMs: snapshot.uptimeMs, atMs: nowMs, counts })
    while (this.#samples.length > 2 && snapshot.uptimeMs - this.#samples[0]!.uptimeMs > windowMs)
      this.#samples.shift()
    const lag = new Map<string, number>()
    const rates = new Map<string, number>()
    for (const [key, one] of counts) {
      if (one.lag > 0) lag.set(key, one.lag)
      if (!key.includes('/')) rates.set(key, this.of(key).inPerSecond)
    }
    // One sample has no rate yet; a zero would be drawn as a drop that never was.
    if (this.#samples.length < 2) return
    this.history.push({ atMs: nowMs, lag, rates })
    if (this.history.length > historyMax) this.history.shift()
  }

  /** The rate of a part by its name, or of an item by {@link itemKey}. */
  of(key: string): FlowRate {
    const last = this.#samples.at(-1)
    const now = last?.counts.get(key)
    if (!last || !now) return still
    const first = this.#samples.find(({ counts }) => {
      const then = counts.get(key)
      return then && then.recordsIn <= now.recordsIn && then.recordsOut <= now.recordsOut
    })
    const then = first?.counts.get(key)
    const seconds = first ? (last.uptimeMs - first.uptimeMs) / 1000 : 0
    if (!then || seconds <= 0) return { ...still, lag: now.lag }
    return {
      inPerSecond: (now.recordsIn - then.recordsIn) / seconds,
      outPerSecond: (now.recordsOut - then.recordsOut) / seconds,
      lag: now.lag,
      lagPerSecond: (now.lag - then.lag) / seconds,
    }
  }
}

function countsOf(vitals: {
  recordsIn: number
  recordsOut: number
  lag?: number
  deadLetters?: number
}): Counts {
  return {
    recordsIn: vitals.recordsIn,
    recordsOut: vitals.recordsOut,
    lag: vitals.lag ?? 0,
    deadLetters: vitals.deadLetters ?? 0,
  }
}

/** The part of that name in a snapshot. */
export function partOf(
  snapshot: PlatformSnapshot | undefined,
  name: string,
): PlatformPart | undefined {
  return snapshot?.parts.find((part) => part.name === name)
}
