import { randomUUID } from 'node:crypto'
import { PrometheusError } from '../../errors.ts'
import { Matcher } from '../../labels.ts'
import type { LabelSet } from './alert.ts'
import { matchesAll } from './matchers.ts'

/** One condition of a silence, as the API writes it. */
export interface SilenceMatcher {
  readonly name: string
  readonly value: string
  readonly isRegex: boolean
  readonly isEqual: boolean
}

/** What keeps matching alerts from being told between two times. */
export interface Silence {
  readonly id: string
  readonly matchers: readonly SilenceMatcher[]
  readonly startsAtMs: number
  readonly endsAtMs: number
  readonly updatedAtMs: number
  readonly createdBy: string
  readonly comment: string
}

export type SilenceState = 'active' | 'pending' | 'expired'

const silencesMax = 10_000

/** Silences by id. Changes come back as what is to be written down. */
export class Silences {
  readonly #byId = new Map<string, { silence: Silence; matchers: readonly Matcher[] }>()

  static stateOf({ startsAtMs, endsAtMs }: Silence, nowMs: number): SilenceState {
    if (nowMs < startsAtMs) return 'pending'
    return nowMs < endsAtMs ? 'active' : 'expired'
  }

  get(id: string): Silence | undefined {
    return this.#byId.get(id)?.silence
  }
  all(): Silence[] {
    return [...this.#byId.values()].map(({ silence }) => silence)
  }

  /** Ids of active silences that match. */
  matching(labels: LabelSet, nowMs: number): string[] {
    const ids: string[] = []
    for (const { silence, matchers } of this.#byId.values())
      if (Silences.stateOf(silence, nowMs) === 'active' && matchesAll(matchers, labels))
        ids.push(silence.id)
    return ids.toSorted()
  }

  /**
   * Adds a silence, or changes the one with its id where that changes no alert's past; else the old
   * one expires and a new one begins.
   *
   * @returns the id, and the silences that changed
   * @throws PrometheusError `ALERTMANAGER_NOT_FOUND`, `ALERTMANAGER_BAD_REQUEST`, `ALERTMANAGER_FULL`
   */
  set(given: Omit<Silence, 'updatedAtMs'>, nowMs: number): { id: string; changed: Silence[] } {
    const compiled = compile(given.matchers)
    if (compiled.every((matcher) => matcher.matches('')))
      throw badSilence('silence invalid: at least one matcher must not match the empty string')
    const previous = this.#byId.get(given.id)?.silence
    if (given.id !== '' && !previous) throw notFound()
    if (previous && canChange(previous, given, nowMs)) {
      const silence = { ...given, updatedAtMs: nowMs }
      this.load(silence)
      return { id: silence.id, changed: [silence] }
    }
    const changed: Silence[] = []
    if (previous && Silences.stateOf(previous, nowMs) !== 'expired')
      changed.push(this.expire(previous.id, nowMs))
    if (this.#byId.size >= silencesMax)
      throw new PrometheusError('ALERTMANAGER_FULL', `there are ${silencesMax} silences already`)
    const silence = {
      ...given,
      id: randomUUID(),
      startsAtMs: Math.max(given.startsAtMs, nowMs),
      updatedAtMs: nowMs,
    }
    this.load(silence)
    return { id: silence.id, changed: [...changed, silence] }
  }

  /** Ends a silence now. @throws PrometheusError `ALERTMANAGER_NOT_FOUND`, `ALERTMANAGER_BAD_REQUEST` */
  expire(id: string, nowMs: number): Silence {
    const previous = this.#byId.get(id)?.silence
    if (!previous) throw notFound()
    if (Silences.stateOf(previous, nowMs) === 'expired')
      throw badSilence(`silence ${id} already expired`)
    const silence = {
      ...previous,
      startsAtMs: Math.min(previous.startsAtMs, nowMs),
      endsAtMs: nowMs,
      updatedAtMs: nowMs,
    }
    this.load(silence)
    return silence
  }

  /** Puts in a silence as it is. */
  load(silence: Silence): void {
    this.#byId.set(silence.id, { silence, matchers: compile(silence.matchers) })
  }

  /** Forgets what expired longer ago than `retentionMs`. */
  forget(retentionMs: number, nowMs: number): void {
    for (const [id, { silence }] of this.#byId)
      if (silence.endsAtMs + retentionMs < nowMs) this.#byId.delete(id)
  }
}

function compile(matchers: readonly SilenceMatcher[]): Matcher[] {
  return matchers.map(({ name, value, isRegex, isEqual }) => {
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name))
      throw badSilence(
        `silence invalid: invalid label matcher 0: invalid label name ${JSON.stringify(name)}`,
      )
    try {
      return new Matcher(isRegex ? (isEqual ? '=~' : '!~') : isEqual ? '=' : '!=', name, value)
    } catch (error) {
      throw badSilence(`silence invalid: invalid regular expression: ${(error as Error).message}`)
    }
  })
}

function canChange(before: Silence, now: Omit<Silence, 'updatedAtMs'>, nowMs: number): boolean {
  if (JSON.stringify(before.matchers) !== JSON.stringify(now.matchers)) return false
  const seconds = (timeMs: number): number => Math.floor(timeMs / 1_000)
  switch (Silences.stateOf(before, nowMs)) {
    case 'active':
      return seconds(now.startsAtMs) === seconds(before.startsAtMs) && now.endsAtMs >= nowMs
    case 'pending':
      return now.startsAtMs >= nowMs
    case 'expired':
      return false
  }
}

function badSilence(message: string): PrometheusError {
  return new PrometheusError('ALERTMANAGER_BAD_REQUEST', message)
}
function notFound(): PrometheusError {
  return new PrometheusError('ALERTMANAGER_NOT_FOUND', 'silence not found')
}
