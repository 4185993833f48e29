const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/**
 * Reads a time as Grafana writes it: `now`, `now-15m`, `now/d`, `now-1d/d`, epoch milliseconds or
 * an ISO date. `roundUp` takes `/d` to the end of the day. Undefined where it is none of these.
 */
export function parseTime(
  text: string,
  nowMs: number,
  options: { roundUp?: boolean; timeZone?: 'utc' | 'browser' } = {},
): number | undefined {
  if (/^\d{11,}$/.test(text)) return Number(text)
  if (!text.startsWith('now')) {
    const time = Date.parse(text)
    return Number.isNaN(time) ? undefined : time
  }
  let date = new Date(nowMs)
  const rest = text.slice(3)
  const steps = /([-+]\d+|\/)([smhdwMy])/gy
  let matched = 0
  for (const [whole, amount, unit] of rest.matchAll(steps)) {
    matched += whole.length
    if (amount === '/') date = roundTo(date, unit!, options)
    else date = shift(date, Number(amount), unit!)
  }
  return matched === rest.length ? date.getTime() : undefined
}

/** `15m` in milliseconds; undefined where it is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w|M|y)$/.exec(text.trim())
  if (!match) return undefined
  const amount = Number(match[1])
  if (match[2] === 'ms') return amount
  if (match[2] === 'M') return amount * 30 * unitMs.d!
  if (match[2] === 'y') return amount * 365 * unitMs.d!
  return amount * unitMs[match[2]!]!
}

/** A step in Prometheus's own words: `15s`, `1m`. */
export function formatDuration(durationMs: number): string {
  for (const unit of ['w', 'd', 'h', 'm', 's'])
    if (durationMs >= unitMs[unit]! && durationMs % unitMs[unit]! === 0)
      return `${durationMs / unitMs[unit]!}${unit}`
  return `${Math.round(durationMs)}ms`
}

function shift(date: Date, amount: number, unit: string): Date {
  if (unit === 'M' || unit === 'y') {
    const shifted = new Date(date)
    if (unit === 'M') shifted.setMonth(shifted.getMonth() + amount)
    else shifted.setFullYear(shifted.getFullYear() + amount)
    return shifted
  }
  return new Date(date.getTime() + amount * unitMs[unit]!)
}

function roundTo(
  date: Date,
  unit: string,
  { roundUp = false, timeZone = 'browser' }: { roundUp?: boolean; timeZone?: 'utc' | 'browser' },
): Date {
  if (unit === 's' || unit === 'm' || unit === 'h') {
    const start = Math.floor(date.getTime() / unitMs[unit]!) * unitMs[unit]!
    return new Date(roundUp ? start + unitMs[unit]! - 1 : start)
  }
  // Days and longer begin at midnight of the reader's zone.
  const offsetMs = timeZone === 'utc' ? 0 : -date.getTimezoneOffset() * 60_000
  const local = new Date(date.getTime() + offsetMs)
  const start = new Date(
    Date.UTC(
      local.getUTCFullYear(),
      unit === 'y' ? 0 : local.getUTCMonth(),
      unit === 'y' || unit === 'M' ? 1 : local.getUTCDate(),
    ),
  )
  if (unit === 'w') start.setUTCDate(start.getUTCDate() - ((start.getUTCDay() + 6) % 7))
  if (roundUp) {
    if (unit === 'd') start.setUTCDate(start.getUTCDate() + 1)
    if (unit === 'w') start.setUTCDate(start.getUTCDate() + 7)
    if (unit === 'M') start.setUTCMonth(start.getUTCMonth() + 1)
    if (unit === 'y') start.setUTCFullYear(start.getUTCFullYear() + 1)
    start.setTime(start.getTime() - 1)
  }
  return new Date(start.getTime() - offsetMs)
}
