/** What a receiver was told last of a group. */
export interface NotificationEntry {
  readonly key: string
  readonly firing: readonly string[]
  readonly resolved: readonly string[]
  readonly timestampMs: number
  readonly expiresAtMs: number
}

/** Remembers who was told what, so that nothing is told twice. */
export class NotificationLog {
  readonly #byKey = new Map<string, NotificationEntry>()

  get size(): number {
    return this.#byKey.size
  }
  get(key: string, nowMs: number): NotificationEntry | undefined {
    const entry = this.#byKey.get(key)
    return entry && entry.expiresAtMs > nowMs ? entry : undefined
  }
  all(): NotificationEntry[] {
    return [...this.#byKey.values()]
  }
  load(entry: NotificationEntry): void {
    this.#byKey.set(entry.key, entry)
  }
  forget(nowMs: number): void {
    for (const [key, entry] of this.#byKey) if (entry.expiresAtMs <= nowMs) this.#byKey.delete(key)
  }
}

/** Whether a receiver is to be told of these alerts after what it was told before. */
export function needsNotification(
  entry: NotificationEntry | undefined,
  now: { firing: readonly string[]; resolved: readonly string[]; nowMs: number },
  options: { repeatIntervalMs: number; sendResolved: boolean },
): boolean {
  if (!entry) return now.firing.length > 0
  const isSubset = (some: readonly string[], all: readonly string[]): boolean => {
    const known = new Set(all)
    return some.every((fingerprint) => known.has(fingerprint))
  }
  if (!isSubset(now.firing, entry.firing)) return true
  // Told even where nobody wants to hear of ends, for what fires next must count as new.
  if (now.firing.length === 0) return entry.firing.length > 0
  if (options.sendResolved && !isSubset(now.resolved, entry.resolved)) return true
  return entry.timestampMs < now.nowMs - options.repeatIntervalMs
}
