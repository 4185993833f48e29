/** Labels or annotations. */
export type LabelSet = Readonly<Record<string, string>>

/** An alert as the Alertmanager knows it. */
export interface Alert {
  readonly fingerprint: string
  readonly labels: LabelSet
  readonly annotations: LabelSet
  readonly startsAtMs: number
  readonly endsAtMs: number
  readonly updatedAtMs: number
  readonly generatorUrl: string
  /** Whether its end is only a guess: that nobody has said it again by then. */
  readonly isTimeout: boolean
}

const offsetBasis = 0xcbf29ce484222325n
const prime = 0x100000001b3n
const separator = 0xffn
const mask = 0xffffffffffffffffn

/** Prometheus's fingerprint of labels: FNV-1a of names and values in order of name. */
export function fingerprintOf(labels: LabelSet): string {
  let hash = offsetBasis
  const add = (text: string): void => {
    for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * prime) & mask
    hash = ((hash ^ separator) * prime) & mask
  }
  for (const name of Object.keys(labels).toSorted()) {
    add(name)
    add(labels[name]!)
  }
  return hash.toString(16).padStart(16, '0')
}

export function isResolved(alert: Alert, nowMs: number): boolean {
  return alert.endsAtMs <= nowMs
}

/** What is known of an alert when it comes again: one story where the times overlap, else the new one. */
export function mergeAlerts(before: Alert, now: Alert): Alert {
  const overlaps =
    (now.endsAtMs > before.startsAtMs && now.endsAtMs < before.endsAtMs) ||
    (now.startsAtMs > before.startsAtMs && now.startsAtMs < before.endsAtMs)
  if (!overlaps) return now
  const startsAtMs = Math.min(before.startsAtMs, now.startsAtMs)
  const wasOver = before.endsAtMs <= now.updatedAtMs
  const isOver = now.endsAtMs <= now.updatedAtMs
  let { endsAtMs } = now
  if (isOver) {
    if (wasOver && before.endsAtMs > endsAtMs) endsAtMs = before.endsAtMs
  } else if (before.endsAtMs > endsAtMs && !before.isTimeout) endsAtMs = before.endsAtMs
  return { ...now, startsAtMs, endsAtMs }
}

/** The order of alerts in a notification: by job and instance, then by all labels. */
export function compareAlerts(a: Alert, b: Alert): number {
  for (const name of ['job', 'instance']) {
    const [first, second] = [a.labels[name], b.labels[name]]
    if (first === undefined && second === undefined) continue
    if (first === undefined) return 1
    if (second === undefined) return -1
    if (first !== second) return first < second ? -1 : 1
  }
  return compareLabels(a.labels, b.labels)
}

export function compareLabels(a: LabelSet, b: LabelSet): number {
  const names = Object.keys(a).toSorted()
  const others = Object.keys(b)
  if (names.length !== others.length) return names.length - others.length
  for (const name of names) {
    const other = b[name]
    if (other === undefined) return -1
    if (a[name] !== other) return a[name]! < other ? -1 : 1
  }
  return 0
}

/** Labels as Go prints them: `{alertname="Hot", place="1"}`. */
export function formatLabels(labels: LabelSet): string {
  const inside = Object.keys(labels)
    .toSorted()
    .map((name) => `${name}=${JSON.stringify(labels[name])}`)
  return `{${inside.join(', ')}}`
}
