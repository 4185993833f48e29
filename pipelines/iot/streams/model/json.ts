/** A JSON object whose fields are not checked yet. */
export type Json = Readonly<Record<string, unknown>>

export function object(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new TypeError(`${what} is not a JSON object`)
}

export function number(json: Json, field: string): number {
  const value = json[field]
  if (typeof value === 'number') return value
  throw new TypeError(`${field} is not a number but ${JSON.stringify(value)}`)
}

export function text(json: Json, field: string): string {
  const value = json[field]
  if (typeof value === 'string') return value
  throw new TypeError(`${field} is not a text but ${JSON.stringify(value)}`)
}

/** An id, which may come as a number. */
export function id(json: Json, field: string): string {
  const value = json[field]
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number') return String(value)
  throw new TypeError(`${field} is not an id but ${JSON.stringify(value)}`)
}
