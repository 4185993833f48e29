import { copying, type Serde } from './serde.ts'

/** The part of the Standard Schema interface (version 1) that is used here: zod, valibot, arktype… have it. */
export interface StandardSchema<T> {
  readonly '~standard': {
    readonly version: 1
    validate(value: unknown): StandardResult<T> | Promise<StandardResult<T>>
    readonly types?: { readonly output: T } | undefined
  }
}

interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

/** Checks what JSON gave: a Standard Schema, or a function that returns the value or throws. */
export type JsonCheck<T> = StandardSchema<T> | ((value: unknown) => T)

/**
 * JSON in UTF-8. With `check`, what is read is checked before the topology sees it: what does not
 * pass counts as a record that cannot be deserialized.
 *
 * @example
 * serdes.json(z.object({ id: z.string(), temperature: z.number() }))
 */
export function jsonSerde<T = unknown>(check?: JsonCheck<T>): Serde<T> {
  const verify = check === undefined ? (value: unknown) => value as T : verifier(check)
  return copying({
    serialize(value) {
      // It would be {}: an asynchronous function in the place of a synchronous one.
      if (value instanceof Promise)
        throw new TypeError('a promise has no JSON; mapValuesAsync waits for what it gives')
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON`)
      return Buffer.from(text)
    },
    deserialize: (bytes) => verify(JSON.parse(bytes.toString())),
  })
}

function verifier<T>(check: JsonCheck<T>): (value: unknown) => T {
  // Schemas of some libraries (arktype) are functions too.
  if (!('~standard' in check)) return check
  const standard = check['~standard']
  return (value) => {
    const result = standard.validate(value)
    if (result instanceof Promise)
      throw new TypeError('a schema that checks asynchronously cannot be used in a serde')
    if (result.issues) throw new TypeError(describeIssue(result.issues[0]))
    return result.value
  }
}

function describeIssue(issue: StandardIssue | undefined): string {
  if (!issue) return 'does not match the schema'
  const path = issue.path?.map((step) => String(typeof step === 'object' ? step.key : step))
  return path?.length ? `${path.join('.')}: ${issue.message}` : issue.message
}
