import { z } from 'zod'
import { CodedError } from './errors.ts'

/** Where settings were written, so that an error can name file and line. */
export interface SettingsSource {
  /** What a person calls it: a file name, or `--set`. */
  readonly name: string
  /** The 1-based line of a key path, where it is known. */
  line?(path: readonly PropertyKey[]): number | undefined
}

/** A setting that is unknown, of the wrong type, or out of range. `fields` has file, line and key. */
export class SettingsError extends CodedError {
  constructor(message: string, fields: { file?: string; line?: number; key?: string } = {}) {
    super('SETTINGS_INVALID', message, { fields })
  }
}

/**
 * Checks settings against a schema and returns them with defaults filled in, frozen.
 *
 * @throws SettingsError `SETTINGS_INVALID`: names file, line and key, and the nearest known key
 *   where an unknown one was written.
 */
export function checkSettings<Schema extends z.ZodType>(
  schema: Schema,
  settings: unknown,
  source: SettingsSource = { name: 'options' },
  prefix: readonly PropertyKey[] = [],
): Readonly<z.infer<Schema>> {
  // Settings are read once: making a parser for each schema, as Zod does for what it reads often, takes longer.
  const result = schema.safeParse(settings, { jitless: true })
  if (result.success) return Object.freeze(result.data) as Readonly<z.infer<Schema>>
  const issue = result.error.issues[0]
  if (!issue) throw new SettingsError(`${source.name}: ${result.error.message}`)
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = [...prefix, ...issue.path, ...(unknownKey === undefined ? [] : [unknownKey])]
  const key = path.map(String).join('.')
  const line = source.line?.(path)
  const where = line === undefined ? source.name : `${source.name}:${line}`
  let what = issue.message
  if (unknownKey !== undefined) {
    const nearest = nearestKey(unknownKey, knownKeys(schema, issue.path))
    what = nearest ? `unknown setting; did you mean ${nearest}?` : 'unknown setting'
  }
  throw new SettingsError(`${where}: ${key || '(top level)'}: ${what}`, {
    file: source.name,
    key,
    ...(line === undefined ? {} : { line }),
  })
}

function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema
  for (const step of [...path, undefined]) {
    while (
      at instanceof z.ZodOptional ||
      at instanceof z.ZodDefault ||
      at instanceof z.ZodPrefault ||
      at instanceof z.ZodNullable
    )
      at = at.unwrap()
    if (!(at instanceof z.ZodObject)) return []
    if (step === undefined) return Object.keys(at.shape)
    at = at.shape[String(step)]
  }
  return []
}

/** The known key that differs least from `key`, or undefined where none is near. */
export function nearestKey(key: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(key.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(key, candidate, bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's distance; gives `limit` as soon as it is reached. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    let rowMin = i
    for (let j = 1; j <= b.length; j++) {
      const substituted = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const value = Math.min(substituted, previous[j]! + 1, current[j - 1]! + 1)
      current.push(value)
      rowMin = Math.min(rowMin, value)
    }
    if (rowMin >= limit) return limit
    previous = current
  }
  return Math.min(previous[b.length]!, limit)
}
