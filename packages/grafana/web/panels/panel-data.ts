import { useEffect, useMemo, useRef, useState } from 'react'
import type { Panel, Target } from '../../src/model/dashboard.ts'
import type { AnswerFrame } from '../../src/model/series.ts'
import { parseDuration } from '../../src/model/time-range.ts'
import { interpolate } from '../../src/model/variables.ts'
import { ApiError, ask } from '../lib/api.ts'
import { useQuery } from '../lib/query.ts'
import { resolveRange, useTimeRange } from '../lib/time.ts'
import { useDashboard } from './context.ts'

export interface PanelData {
  readonly frames: readonly AnswerFrame[] | undefined
  readonly error: Error | undefined
  readonly isLoading: boolean
  readonly atMs: number
  readonly fromMs: number
  readonly toMs: number
  readonly refreshMs: number
  readonly retry: () => void
}

interface QueryAnswer {
  results: Record<string, { frames?: AnswerFrame[]; error?: string; status?: number }>
}

interface Loaded {
  frames: AnswerFrame[]
  fromMs: number
  toMs: number
}

// A second is the finest step: sensors send one frame a second.
const stepMsMin = 1_000

/** Asks for a panel's data while it is on the screen, and again as often as the reader chose. */
export function usePanelData(panel: Panel, width: number, isVisible: boolean): PanelData {
  const { dashboard, values, isReady } = useDashboard()
  const range = useTimeRange()
  const targets = panel.targets.filter(
    (target) => !target.hide && (target.expr !== '' || target.query !== ''),
  )
  const spanMs = useMemo(() => {
    const own = panel.timeFrom === undefined ? undefined : parseDuration(panel.timeFrom)
    if (own !== undefined) return own
    const { fromMs, toMs } = resolveRange(range, Date.now())
    return toMs - fromMs
  }, [panel.timeFrom, range])
  // Rounded, so that a window that is pulled larger does not ask at every pixel.
  const points = panel.maxDataPoints ?? Math.max(100, Math.ceil(width / 200) * 200)
  const stepMs = niceStep(Math.max(spanMs / points, panel.intervalMs, stepMsMin))
  const name =
    isReady && targets.length > 0 && isVisible
      ? `panel ${dashboard.uid} ${panel.id} ${range.from} ${range.to} ${stepMs} ${JSON.stringify(values)}`
      : undefined
  // An answer cannot change before the next step is full.
  const refreshMs = range.refreshMs === 0 ? 0 : Math.max(range.refreshMs, Math.min(stepMs, 60_000))
  const state = useQuery<Loaded>(
    name,
    async (signal) => {
      const resolved = resolveRange(range, Date.now())
      const toMs = resolved.toMs
      const fromMs = panel.timeFrom === undefined ? resolved.fromMs : toMs - spanMs
      const builtIns = { fromMs, toMs, intervalMs: stepMs, dashboard: dashboard.title }
      const fill = (text: string, style: 'prometheus' | 'mongodb'): string =>
        interpolate(text, dashboard.variables, values, builtIns, style)
      const queries = targets.map((target) => ({
        refId: target.refId,
        datasource: sourceOf(target, panel, fill),
        expr: fill(target.expr, 'prometheus'),
        query: fill(target.query, 'mongodb'),
        database: target.database,
        legendFormat: target.legendFormat,
        format: target.format,
        instant: target.instant,
        range: target.range && !(target.instant && target.format === 'table'),
        intervalMs: Math.max(stepMs * target.intervalFactor, target.intervalMs),
        maxDataPoints: points,
      }))
      const answer = await ask<QueryAnswer>('/api/ds/query', {
        method: 'POST',
        body: { queries, from: String(Math.round(fromMs)), to: String(Math.round(toMs)) },
        signal,
      })
      const frames: AnswerFrame[] = []
      for (const { refId } of queries) {
        const result = answer.results[refId]
        if (result?.error) throw new ApiError(result.error, result.status ?? 400, 'QUERY')
        frames.push(...(result?.frames ?? []))
      }
      return { frames, fromMs, toMs }
    },
    refreshMs,
  )
  // The last answer stays on the screen while another range is asked for: nothing jumps.
  const last = useRef<Loaded | undefined>(undefined)
  if (state.data) last.current = state.data
  const shown = state.data ?? last.current
  return {
    frames: targets.length === 0 ? [] : shown?.frames,
    error: state.error,
    isLoading: state.isLoading,
    atMs: state.atMs,
    fromMs: shown?.fromMs ?? 0,
    toMs: shown?.toMs ?? 0,
    refreshMs,
    retry: state.retry,
  }
}

function sourceOf(
  target: Target,
  panel: Panel,
  fill: (text: string, style: 'prometheus') => string,
): unknown {
  const source = target.datasource ?? panel.datasource ?? null
  if (typeof source === 'string') return fill(source, 'prometheus')
  if (typeof source !== 'object' || source === null) return undefined
  const { uid, type } = source as { uid?: unknown; type?: unknown }
  return { type, uid: typeof uid === 'string' ? fill(uid, 'prometheus') : uid }
}

const niceSteps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400]

/** The next step that a reader would choose. */
export function niceStep(stepMs: number): number {
  return (
    (niceSteps.find((step) => step * 1000 >= stepMs) ?? Math.ceil(stepMs / 86_400_000) * 86_400) *
    1000
  )
}

/** Size of an element and whether it is on the screen, as both change. */
export function useBox<Element extends HTMLElement>(): {
  ref: React.RefObject<Element | null>
  width: number
  height: number
  isVisible: boolean
} {
  const ref = useRef<Element | null>(null)
  const [box, setBox] = useState({ width: 0, height: 0, isVisible: false })
  useEffect(() => {
    const element = ref.current
    if (!element) return
    const resize = new ResizeObserver(([entry]) => {
      if (!entry) return
      const width = Math.floor(entry.contentRect.width)
      const height = Math.floor(entry.contentRect.height)
      setBox((before) =>
        before.width === width && before.height === height ? before : { ...before, width, height },
      )
    })
    const seen = new IntersectionObserver(
      (entries) => {
        const isVisible = entries.at(-1)?.isIntersecting ?? false
        setBox((before) => (before.isVisible === isVisible ? before : { ...before, isVisible }))
      },
      { rootMargin: '200px' },
    )
    resize.observe(element)
    seen.observe(element)
    return () => {
      resize.disconnect()
      seen.disconnect()
    }
  }, [])
  return { ref, ...box }
}
