import { useCallback, useEffect, useSyncExternalStore } from 'react'

/** What is known of a question: the last answer stays while a new one is asked for. */
export interface QueryState<Answer> {
  readonly data: Answer | undefined
  readonly error: Error | undefined
  /** When the last good answer came, in epoch milliseconds. */
  readonly atMs: number
  readonly isLoading: boolean
}

interface Entry {
  state: QueryState<unknown>
  readonly listeners: Set<() => void>
  running: AbortController | undefined
  ask: (signal: AbortSignal) => Promise<unknown>
  timer: ReturnType<typeof setTimeout> | undefined
  /** Wishes of the components that are mounted: how often to ask again. */
  readonly periods: Map<object, number>
}

const entriesMax = 300
// What failed is asked again at this pace, however often good answers are wanted.
const errorPeriodMs = 5_000
const entries = new Map<string, Entry>()
const nothing: QueryState<never> = { data: undefined, error: undefined, atMs: 0, isLoading: true }

/**
 * Asks a question by its name and follows the answer; equal names share one request. `refreshMs`
 * asks again while somebody looks; a hidden page asks nothing.
 */
export function useQuery<Answer>(
  name: string | undefined,
  askFor: (signal: AbortSignal) => Promise<Answer>,
  refreshMs = 0,
): QueryState<Answer> & { retry: () => void } {
  const entry = name === undefined ? undefined : entryOf(name, askFor)
  if (entry) entry.ask = askFor
  const subscribe = useCallback(
    (listener: () => void) => {
      entry?.listeners.add(listener)
      return () => {
        entry?.listeners.delete(listener)
      }
    },
    [entry],
  )
  const state = useSyncExternalStore(subscribe, () => entry?.state ?? nothing)
  useEffect(() => {
    if (!entry) return
    const owner = {}
    entry.periods.set(owner, refreshMs)
    if (Date.now() - entry.state.atMs > Math.max(refreshMs * 0.8, 200)) void run(entry)
    schedule(entry)
    return () => {
      entry.periods.delete(owner)
      schedule(entry)
      if (entry.periods.size === 0) {
        entry.running?.abort()
        entry.running = undefined
      }
    }
  }, [entry, refreshMs])
  return {
    ...(state as QueryState<Answer>),
    retry: useCallback(() => entry && void run(entry), [entry]),
  }
}

/** Asks again all questions whose names begin so. */
export function refreshQueries(prefix: string): void {
  for (const [name, entry] of entries)
    if (name.startsWith(prefix)) {
      if (entry.periods.size > 0) void run(entry)
      else entries.delete(name)
    }
}

function entryOf(name: string, askFor: Entry['ask']): Entry {
  let entry = entries.get(name)
  if (entry) return entry
  if (entries.size >= entriesMax)
    for (const [other, old] of entries) {
      if (old.periods.size === 0) entries.delete(other)
      if (entries.size < entriesMax) break
    }
  entry = {
    state: nothing,
    listeners: new Set(),
    running: undefined,
    ask: askFor,
    timer: undefined,
    periods: new Map(),
  }
  entries.set(name, entry)
  return entry
}

function schedule(entry: Entry): void {
  clearTimeout(entry.timer)
  entry.timer = undefined
  const periods = [...entry.periods.values()].filter((period) => period > 0)
  if (periods.length === 0 || document.hidden) return
  entry.timer = setTimeout(
    () => {
      void run(entry).finally(() => schedule(entry))
    },
    Math.max(Math.min(...periods), entry.state.error ? errorPeriodMs : 0),
  )
}

async function run(entry: Entry): Promise<void> {
  if (entry.running) return
  const controller = new AbortController()
  entry.running = controller
  try {
    const data = await entry.ask(controller.signal)
    update(entry, { data, error: undefined, atMs: Date.now(), isLoading: false })
  } catch (error) {
    if (controller.signal.aborted) return
    update(entry, {
      ...entry.state,
      error: error instanceof Error ? error : new Error(String(error)),
      isLoading: false,
    })
  } finally {
    if (entry.running === controller) entry.running = undefined
  }
}

function update(entry: Entry, state: QueryState<unknown>): void {
  entry.state = state
  for (const listener of entry.listeners) listener()
}

document.addEventListener('visibilitychange', () => {
  for (const entry of entries.values()) {
    if (entry.periods.size === 0) continue
    if (!document.hidden) void run(entry)
    schedule(entry)
  }
})
