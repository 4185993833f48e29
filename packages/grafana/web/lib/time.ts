import { useMemo } from 'react'
import { parseDuration, parseTime } from '../../src/model/time-range.ts'
import { useNow } from './clock.ts'
import { setParams, usePlace } from './router.tsx'
import { createStore, useStore } from './store.ts'

/** What a place shows until the reader chooses: a dashboard has its own. */
export interface TimeDefaults {
  readonly from: string
  readonly to: string
  readonly refreshMs: number
}

const standard: TimeDefaults = { from: 'now-15m', to: 'now', refreshMs: 1_000 }
export const timeDefaultsStore = createStore<TimeDefaults>(standard)

export function useTimeDefaults(): TimeDefaults {
  return useStore(timeDefaultsStore)
}

export interface TimeRange {
  readonly from: string
  readonly to: string
  readonly refreshMs: number
  /** Whether the range moves on with the time. */
  readonly isMoving: boolean
}

/** The range and refresh that are chosen, from the address. */
export function useTimeRange(): TimeRange {
  const { params } = usePlace()
  const defaults = useTimeDefaults()
  const from = params.get('from') ?? defaults.from
  const to = params.get('to') ?? defaults.to
  const refresh = params.get('refresh')
  return useMemo(() => {
    const isMoving = to.startsWith('now') || from.startsWith('now')
    const chosen =
      refresh === null ? defaults.refreshMs : refresh === 'off' ? 0 : (parseDuration(refresh) ?? 0)
    return { from, to, refreshMs: isMoving ? chosen : 0, isMoving }
  }, [from, to, refresh, defaults])
}

/** The range in epoch milliseconds at a moment. */
export function resolveRange(
  range: Pick<TimeRange, 'from' | 'to'>,
  nowMs: number,
): { fromMs: number; toMs: number } {
  const fromMs = parseTime(range.from, nowMs) ?? nowMs - 900_000
  const toMs = parseTime(range.to, nowMs, { roundUp: true }) ?? nowMs
  return fromMs < toMs ? { fromMs, toMs } : { fromMs: toMs - 60_000, toMs }
}

/** The range that is shown, moving each second. */
export function useResolvedRange(): { fromMs: number; toMs: number } {
  const range = useTimeRange()
  const nowMs = useNow()
  return useMemo(() => resolveRange(range, nowMs), [range, nowMs])
}

export function chooseRange(from: string | number, to: string | number): void {
  setParams({ from: String(from), to: String(to) })
}

/** Twice the range around its middle; a range that ends now keeps its end. */
export function zoomOut(range: TimeRange, factor = 2): void {
  const nowMs = Date.now()
  const { fromMs, toMs } = resolveRange(range, nowMs)
  const span = (toMs - fromMs) * factor
  if (range.to === 'now') chooseRange(`now-${Math.round(span / 1000)}s`, 'now')
  else {
    const middle = (fromMs + toMs) / 2
    chooseRange(Math.round(middle - span / 2), Math.round(Math.min(nowMs, middle + span / 2)))
  }
}

export const refreshChoices = ['off', '1s', '5s', '10s', '30s', '1m', '5m'] as const
