import { FlowRates } from '../../src/model/flow-rates.ts'
import type { PlatformEvent, PlatformSnapshot, SensorNow } from '../../src/model/platform.ts'
import { refreshQueries } from './query.ts'
import { loadSession, sessionStore } from './session.ts'
import { createStore } from './store.ts'

/** Whether the live stream is open, and since when it is not. */
export interface LiveState {
  readonly connected: boolean
  /** When anything was heard last. */
  readonly heardMs: number
}

export const liveStore = createStore<LiveState>({ connected: false, heardMs: 0 })
export const snapshotStore = createStore<PlatformSnapshot | undefined>(undefined)
export const eventsStore = createStore<readonly PlatformEvent[]>([])

/** What the sensors' own frames tell. */
export interface SensorsLive {
  readonly sensors: ReadonlyMap<string, SensorNow>
  /** The last temperatures and so on of each sensor since the page was opened. */
  readonly error: string
  readonly thinned: boolean
  readonly unreadable: number
}

export const sensorsStore = createStore<SensorsLive>({
  sensors: new Map(),
  error: '',
  thinned: false,
  unreadable: 0,
})

export const flowRates = new FlowRates()

let source: EventSource | undefined
let joining = false

function open(): void {
  if (source || document.hidden || !isLetIn()) return
  joining = true
  source = new EventSource('/-/live')
  const on = (name: string, take: (data: unknown) => void): void => {
    source?.addEventListener(name, (event) => {
      liveStore.set({ connected: true, heardMs: Date.now() })
      take(JSON.parse((event as MessageEvent<string>).data))
    })
  }
  source.onerror = () => {
    liveStore.set({ ...liveStore.get(), connected: false })
    // A closed source does not come back by itself: the server answered with an error.
    if (source?.readyState === EventSource.CLOSED) {
      close()
      // Perhaps because the session is over; then the login is shown.
      void loadSession().catch(() => {})
      setTimeout(open, 2_000)
    }
  }
  on('platform', (data) => {
    const snapshot = data as PlatformSnapshot
    flowRates.apply(snapshot, Date.now())
    snapshotStore.set(snapshot)
  })
  on('events', (data) => {
    const known = new Map(eventsStore.get().map((event) => [event.id, event]))
    for (const event of data as PlatformEvent[]) known.set(event.id, event)
    eventsStore.set([...known.values()].slice(-200))
  })
  on('sensors', (data) => {
    const message = data as {
      sensors: SensorNow[]
      error: string
      thinned: boolean
      unreadable: number
    }
    const sensors = new Map(joining ? [] : sensorsStore.get().sensors)
    joining = false
    for (const sensor of message.sensors) sensors.set(sensor.id, sensor)
    const { error, thinned, unreadable } = message
    sensorsStore.set({ sensors, error, thinned, unreadable })
  })
  on('session', () => {
    void loadSession().catch(() => {})
  })
  on('dashboards', () => {
    refreshQueries('dashboard')
    refreshQueries('search')
  })
}

function close(): void {
  source?.close()
  source = undefined
}

/** Whether there is anything to hear: before the login there is not. */
function isLetIn(): boolean {
  const { kind } = sessionStore.get()
  return kind === 'open' || kind === 'in'
}

let hiddenTimer: ReturnType<typeof setTimeout> | undefined

/** Opens the stream; a page that is hidden for a while gives it back. */
export function startLive(): void {
  open()
  sessionStore.subscribe(() => {
    if (isLetIn()) open()
    else close()
  })
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenTimer)
    if (document.hidden) hiddenTimer = setTimeout(close, 15_000)
    else open()
  })
  addEventListener('pagehide', close)
  addEventListener('pageshow', open)
}
