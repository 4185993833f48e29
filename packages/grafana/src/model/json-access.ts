/** Reads of JSON whose shape is not known: the wrong type gives the default. */
export type Json = Readonly<Record<string, unknown>>

export const objectOf = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const textOf = (value: unknown, otherwise = ''): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : otherwise

export function numberOf(value: unknown): number | undefined {
  if (value === null || value === '' || value === undefined) return undefined
  const number = Number(value)
  return Number.isFinite(number) ? number : undefined
}

export const isTrue = (value: unknown): boolean => value === true
