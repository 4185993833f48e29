type Settings = Readonly<Record<string, unknown>>

/** A setting in milliseconds. @throws RangeError where it is none */
export function milliseconds(settings: Settings, name: string, defaultMs: number): number {
  const value = Number(settings[name] ?? defaultMs)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`${name}: expected milliseconds, found ${String(settings[name])}`)
}

/** A number, or undefined where there is none. @throws RangeError where it is something else */
export function optionalNumber(settings: Settings, name: string): number | undefined {
  const written = settings[name] ?? undefined
  if (written === undefined || written === '') return undefined
  const value = Number(written)
  if (Number.isFinite(value)) return value
  throw new RangeError(`${name}: expected a number, found ${String(written)}`)
}
