/**
 * The milliseconds of a date written as ISO 8601 has it, with or without time and zone (UTC then);
 * undefined where it is no date.
 */
export function parseDate(text: string): number | undefined {
  const match =
    /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?$/i.exec(
      text.trim(),
    )
  if (!match) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = match
  const millis = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    Number(fraction.padEnd(3, '0').slice(0, 3)),
  )
  const at = new Date(millis)
  if (at.getUTCMonth() + 1 !== Number(month) || at.getUTCDate() !== Number(day)) return undefined
  return millis - (zone ? offsetMs(zone) : 0)
}

function offsetMs(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone)!
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0)
  return (match[1] === '-' ? -minutes : minutes) * 60_000
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** How far the zone (an Olson name or `+HH:MM`) is ahead of UTC at this time; undefined for no zone. */
export function zoneOffsetMs(zone: string, atMs: number): number | undefined {
  if (zone === 'UTC' || zone === 'GMT' || zone === 'Z') return 0
  if (/^[+-]\d{2}(?::?\d{2})?$/.test(zone)) return offsetMs(zone)
  let format = formats.get(zone)
  if (!format) {
    try {
      format = new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      })
    } catch {
      return undefined
    }
    formats.set(zone, format)
  }
  const parts: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(atMs)) parts[type] = Number(value)
  const local = Date.UTC(
    parts.year!,
    parts.month! - 1,
    parts.day,
    parts.hour,
    parts.minute,
    parts.second,
  )
  return local - Math.floor(atMs / 1000) * 1000
}
