import { lagWarning, type PlatformSnapshot, type VitalItem } from './platform.ts'

export type HealthLevel = 'ok' | 'warn' | 'critical' | 'idle'

/** What hurts: a part or something in it, and why. */
export interface Trouble {
  readonly kind: 'failed' | 'behind' | 'deadLetters'
  readonly part: string
  readonly item: VitalItem | undefined
  readonly count: number
  readonly note: string
}

export interface Health {
  readonly level: HealthLevel
  readonly kind: 'ok' | 'idle' | 'starting' | 'behind' | 'failed' | 'unknown'
  /** How many are behind or failed. */
  readonly count: number
  /** Worst first. */
  readonly troubles: readonly Trouble[]
}

/** The running system in one word: its worst state wins. */
export function healthOf(snapshot: PlatformSnapshot | undefined): Health {
  if (!snapshot) return { level: 'idle', kind: 'unknown', count: 0, troubles: [] }
  const failed: Trouble[] = []
  const behind: Trouble[] = []
  const dead: Trouble[] = []
  for (const part of snapshot.parts) {
    if (part.status === 'failed')
      failed.push({
        kind: 'failed',
        part: part.name,
        item: undefined,
        count: 1,
        note: part.error ?? '',
      })
    for (const item of part.vitals?.items ?? []) {
      const about = { part: part.name, item, note: item.note ?? '' }
      // A target that is not scraped or a sensor that pauses is no failed part.
      if (item.state === 'failed' && item.kind !== 'sensor' && item.kind !== 'job')
        failed.push({ ...about, kind: 'failed', count: 1 })
      if ((item.lag ?? 0) > lagWarning)
        behind.push({ ...about, kind: 'behind', count: item.lag ?? 0 })
      if ((item.deadLetters ?? 0) > 0)
        dead.push({ ...about, kind: 'deadLetters', count: item.deadLetters ?? 0 })
    }
  }
  behind.sort((a, b) => b.count - a.count)
  const troubles = [...failed, ...behind, ...dead]
  if (failed.length > 0)
    return { level: 'critical', kind: 'failed', count: failed.length, troubles }
  if (behind.length > 0) return { level: 'warn', kind: 'behind', count: behind.length, troubles }
  if (snapshot.parts.some((part) => part.status === 'starting'))
    return { level: 'idle', kind: 'starting', count: 0, troubles }
  const moved = snapshot.parts.some((part) => (part.vitals?.recordsIn ?? 0) > 0)
  return { level: moved ? 'ok' : 'idle', kind: moved ? 'ok' : 'idle', count: 0, troubles }
}

/** What is wrong with one part, worst first. */
export function troublesOf(health: Health, part: string): readonly Trouble[] {
  return health.troubles.filter(
    (trouble) => trouble.part === part && trouble.kind !== 'deadLetters',
  )
}
