import type { Alert, LabelSet } from '../state/alert.ts'
import type { Silence, SilenceMatcher } from '../state/silences.ts'

/** A body that is not what the API's description says; Alertmanager's own codes. */
export class BodyError extends Error {
  readonly status: number
  readonly code: number
  constructor(status: number, code: number, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

const required = 602
const tooFew = 612
const wrongType = 601

export interface GivenAlert {
  readonly labels: LabelSet
  readonly annotations: LabelSet
  readonly startsAtMs: number | undefined
  readonly endsAtMs: number | undefined
  readonly generatorUrl: string
}

/** Reads the body of `POST /api/v2/alerts`. @throws BodyError */
export function readAlerts(body: unknown): GivenAlert[] {
  if (!Array.isArray(body)) throw unreadable('alerts', 'expected an array')
  return body.map((entry, index) => {
    const given = recordOf('alerts', entry)
    if (given.labels === undefined || given.labels === null)
      throw new BodyError(422, required, `${index}.labels in body is required`)
    return {
      labels: textsOf(given.labels),
      annotations: textsOf(given.annotations ?? {}),
      startsAtMs: timeOf('alerts', given.startsAt),
      endsAtMs: timeOf('alerts', given.endsAt),
      generatorUrl: typeof given.generatorURL === 'string' ? given.generatorURL : '',
    }
  })
}

/** What is wrong with an alert, in Alertmanager's words; undefined where nothing is. */
export function alertProblem(alert: Omit<Alert, 'fingerprint'>): string | undefined {
  if (alert.endsAtMs < alert.startsAtMs) return 'start time must be before end time'
  if (Object.keys(alert.labels).length === 0) return 'at least one label pair required'
  for (const [what, set] of [
    ['label', alert.labels],
    ['annotation', alert.annotations],
  ] as const)
    for (const name of Object.keys(set))
      if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))
        return `invalid ${what} set: invalid name ${JSON.stringify(name)}`
  return undefined
}

/** Fills in the times that were left out. */
export function alertOf(
  given: GivenAlert,
  nowMs: number,
  resolveTimeoutMs: number,
): Omit<Alert, 'fingerprint'> {
  const isTimeout = given.endsAtMs === undefined
  return {
    labels: sorted(given.labels, ([, value]) => value !== ''),
    annotations: sorted(given.annotations, () => true),
    startsAtMs: given.startsAtMs ?? Math.min(given.endsAtMs ?? nowMs, nowMs),
    endsAtMs: given.endsAtMs ?? nowMs + resolveTimeoutMs,
    updatedAtMs: nowMs,
    generatorUrl: given.generatorUrl,
    isTimeout,
  }
}

/** In order of name, which is the order in which Go writes them. */
function sorted(set: LabelSet, keeps: (entry: [string, string]) => boolean): LabelSet {
  return Object.fromEntries(
    Object.entries(set)
      .filter(keeps)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** Reads the body of `POST /api/v2/silences`. @throws BodyError */
export function readSilence(body: unknown): Omit<Silence, 'updatedAtMs'> {
  const given = recordOf('silence', body)
  const startsAtMs = timeOf('silence', given.startsAt)
  const endsAtMs = timeOf('silence', given.endsAt)
  for (const name of ['comment', 'createdBy', 'endsAt', 'matchers', 'startsAt'])
    if (given[name] === undefined || given[name] === null)
      throw new BodyError(422, required, `${name} in body is required`)
  if (!Array.isArray(given.matchers)) throw unreadable('silence', 'matchers is not an array')
  if (given.matchers.length === 0)
    throw new BodyError(422, tooFew, 'matchers in body should have at least 1 items')
  const matchers = given.matchers.map((entry, index): SilenceMatcher => {
    const matcher = recordOf('silence', entry)
    for (const name of ['isRegex', 'name', 'value'])
      if (matcher[name] === undefined)
        throw new BodyError(422, required, `matchers.${index}.${name} in body is required`)
    return {
      name: String(matcher.name),
      value: String(matcher.value),
      isRegex: matcher.isRegex === true,
      isEqual: matcher.isEqual !== false,
    }
  })
  return {
    id: typeof given.id === 'string' ? given.id : '',
    matchers,
    startsAtMs: startsAtMs!,
    endsAtMs: endsAtMs!,
    createdBy: String(given.createdBy),
    comment: String(given.comment),
  }
}

/** @throws BodyError where a path names no UUID */
export function checkSilenceId(id: string): void {
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id))
    throw new BodyError(
      422,
      wrongType,
      `silenceID in path must be of type uuid: ${JSON.stringify(id)}`,
    )
}

function recordOf(what: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw unreadable(what, 'expected an object')
}

function textsOf(value: unknown): Record<string, string> {
  const texts = recordOf('alerts', value)
  for (const text of Object.values(texts))
    if (typeof text !== 'string') throw unreadable('alerts', 'labels and annotations are strings')
  return texts as Record<string, string>
}

function timeOf(what: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(value)
  const timeMs = isTime ? Date.parse(value) : Number.NaN
  if (Number.isNaN(timeMs))
    throw unreadable(what, `cannot parse ${JSON.stringify(value)} as a time`)
  // Go's zero time means that none was given.
  return timeMs === Date.parse('0001-01-01T00:00:00Z') ? undefined : timeMs
}

function unreadable(what: string, why: string): BodyError {
  return new BodyError(400, 400, `parsing ${what} body from "" failed, because ${why}`)
}
