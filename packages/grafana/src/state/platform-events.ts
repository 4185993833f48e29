import { openWindowOf } from '../model/open-window.ts'
import {
  lagWarning,
  type PlatformEvent,
  type PlatformPart,
  type PlatformSnapshot,
  type VitalItem,
} from '../model/platform.ts'

const eventsMax = 200
// While the pipeline starts everything in it is new, and none of it is news.
const startMs = 20_000

type EventFacts = Omit<PlatformEvent, 'id' | 'atMs'>

/** Tells what happened from one snapshot to the next, and keeps the last 200 events. */
export class PlatformEvents {
  readonly #events: PlatformEvent[] = []
  #previous: PlatformSnapshot | undefined
  #idNext = 1
  #isStarting = false
  readonly #behind = new Set<string>()
  #windowEndMs: number | undefined

  /** Newest last. */
  get all(): readonly PlatformEvent[] {
    return this.#events
  }

  /** Takes the next snapshot in and gives the events that it tells. */
  apply(snapshot: PlatformSnapshot, nowMs: number): PlatformEvent[] {
    const before = this.#previous
    this.#previous = snapshot
    this.#isStarting = snapshot.uptimeMs < startMs
    const found: EventFacts[] = []
    if (before && before.name === snapshot.name && snapshot.uptimeMs >= before.uptimeMs) {
      for (const part of snapshot.parts) {
        const earlier = before.parts.find((other) => other.name === part.name)
        if (earlier) this.#compareParts(earlier, part, found)
      }
      this.#closeWindow(snapshot, nowMs, found)
    }
    const added = found.map((event) => ({ ...event, id: this.#idNext++, atMs: nowMs }))
    this.#events.push(...added)
    if (this.#events.length > eventsMax) this.#events.splice(0, this.#events.length - eventsMax)
    return added
  }

  #compareParts(before: PlatformPart, now: PlatformPart, found: EventFacts[]): void {
    if (before.status !== now.status)
      found.push({
        kind: 'partState',
        level: levelOf(now.status),
        part: now.name,
        subject: now.name,
        state: now.status,
        ...(now.error === undefined ? {} : { note: now.error }),
      })
    if ((now.restarts ?? 0) > (before.restarts ?? 0))
      found.push({
        kind: 'restarted',
        level: 'warn',
        part: now.name,
        subject: now.name,
        count: now.restarts ?? 0,
        ...(now.error === undefined ? {} : { note: now.error }),
      })
    const earlier = new Map(before.vitals?.items.map((item) => [`${item.kind} ${item.name}`, item]))
    for (const item of now.vitals?.items ?? []) {
      const was = earlier.get(`${item.kind} ${item.name}`)
      if (was) this.#compareItems(now.name, was, item, found)
      else if (before.vitals && item.kind !== 'sensor' && !this.#isStarting)
        found.push({ kind: 'itemAdded', level: 'idle', part: now.name, subject: item.name })
    }
  }

  #compareItems(part: string, before: VitalItem, now: VitalItem, found: EventFacts[]): void {
    const note = now.note === undefined ? {} : { note: now.note }
    // A sensor that pauses is told by the sensors page; a fleet of them would bury all else.
    if (before.state !== now.state && now.kind !== 'sensor')
      found.push({
        kind: 'itemState',
        level: levelOf(now.state),
        part,
        subject: now.name,
        state: now.state,
        ...note,
      })
    const dead = (now.deadLetters ?? 0) - (before.deadLetters ?? 0)
    if (dead > 0)
      found.push({
        kind: 'deadLetters',
        level: 'critical',
        part,
        subject: now.name,
        count: dead,
        ...note,
      })
    const key = `${part} ${now.name}`
    const lag = now.lag ?? 0
    if (lag > lagWarning && !this.#behind.has(key)) {
      this.#behind.add(key)
      found.push({ kind: 'lagging', level: 'warn', part, subject: now.name, count: lag })
    } else if (lag < lagWarning / 10 && this.#behind.delete(key)) {
      found.push({ kind: 'caughtUp', level: 'ok', part, subject: now.name })
    }
  }

  #closeWindow(snapshot: PlatformSnapshot, nowMs: number, found: EventFacts[]): void {
    const window = openWindowOf(snapshot, nowMs)
    if (!window) return
    const before = this.#windowEndMs
    this.#windowEndMs = window.endMs
    if (before === undefined || window.endMs <= before) return
    found.push({
      kind: 'windowClosed',
      level: 'ok',
      part: 'streams',
      subject: String(before),
      // The next window ends one size later, whether or not that was told.
      count: window.sizeMs ?? window.endMs - before,
    })
  }
}

function levelOf(state: string): PlatformEvent['level'] {
  if (state === 'failed') return 'critical'
  if (state === 'ready' || state === 'running') return 'ok'
  return state === 'paused' || state === 'stopping' ? 'warn' : 'idle'
}
