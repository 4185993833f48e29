import { templateError, textOf } from './functions.ts'
import { TemplateObject } from './value.ts'

/** Year 1 in Go, which its zero time is. */
export const zeroTimeMs: number = Date.parse('0001-01-01T00:00:00Z')

/** A moment as Go's `time.Time`, with the methods that templates use. */
export function timeValue(timeMs: number, zone = 'UTC'): TemplateObject {
  return new TimeValue(timeMs, zone)
}

/** A moment in a zone. */
export class TimeValue extends TemplateObject {
  readonly timeMs: number
  constructor(timeMs: number, zone: string) {
    super(
      'time.Time',
      {},
      {
        text: formatTime(timeMs, '2006-01-02 15:04:05.999 -0700 MST', zone),
        methods: {
          Format: (layout) => formatTime(timeMs, textOf('Format', layout), zone),
          Unix: () => Math.floor(timeMs / 1_000),
          UnixMilli: () => timeMs,
          UTC: () => timeValue(timeMs),
          Local: () => timeValue(timeMs),
          IsZero: () => timeMs === zeroTimeMs,
          String: () => formatTime(timeMs, '2006-01-02 15:04:05.999 -0700 MST', zone),
        },
      },
    )
    this.timeMs = timeMs
  }
}

const layoutPattern =
  /January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5/g

/** Writes a moment by Go's layout, the form of which is `Mon Jan 2 15:04:05 MST 2006`. */
export function formatTime(timeMs: number, layout: string, zone = 'UTC'): string {
  const parts = partsIn(timeMs, zone)
  const two = (value: number): string => String(value).padStart(2, '0')
  const hour12 = parts.hour % 12 === 0 ? 12 : parts.hour % 12
  const offset = (separator: string): string => {
    const minutes = Math.abs(parts.offsetMinutes)
    return `${parts.offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}${separator}${two(minutes % 60)}`
  }
  const values: Readonly<Record<string, () => string>> = {
    January: () => monthNames[parts.month - 1]!,
    Jan: () => monthNames[parts.month - 1]!.slice(0, 3),
    Monday: () => dayNames[parts.weekday]!,
    Mon: () => dayNames[parts.weekday]!.slice(0, 3),
    MST: () => (parts.offsetMinutes === 0 && zone === 'UTC' ? 'UTC' : offset('').slice(0, 3)),
    2006: () => String(parts.year).padStart(4, '0'),
    'Z07:00': () => (parts.offsetMinutes === 0 ? 'Z' : offset(':')),
    Z0700: () => (parts.offsetMinutes === 0 ? 'Z' : offset('')),
    '-07:00': () => offset(':'),
    '-0700': () => offset(''),
    '-07': () => offset('').slice(0, 3),
    '01': () => two(parts.month),
    '02': () => two(parts.day),
    '03': () => two(hour12),
    '04': () => two(parts.minute),
    '05': () => two(parts.second),
    '06': () => two(parts.year % 100),
    15: () => two(parts.hour),
    PM: () => (parts.hour < 12 ? 'AM' : 'PM'),
    pm: () => (parts.hour < 12 ? 'am' : 'pm'),
    _2: () => String(parts.day).padStart(2),
    1: () => String(parts.month),
    2: () => String(parts.day),
    3: () => String(hour12),
    4: () => String(parts.minute),
    5: () => String(parts.second),
  }
  const fraction = String(((timeMs % 1_000) + 1_000) % 1_000).padStart(3, '0')
  return layout.replace(layoutPattern, (token) => {
    const known = values[token]
    if (known) return known()
    const digits = fraction.padEnd(token.length - 1, '0').slice(0, token.length - 1)
    const shown = token[1] === '9' ? digits.replace(/0+$/, '') : digits
    return shown === '' ? '' : token[0] + shown
  })
}

export const monthNames: readonly string[] = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
export const dayNames: readonly string[] = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
]

/** What a clock on the wall of a zone shows. */
export interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly weekday: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly offsetMinutes: number
}

/** @throws PrometheusError `PROMETHEUS_TEMPLATE_FAILED` for a zone that is unknown */
export function partsIn(timeMs: number, zone: string): WallTime {
  const wall = new Date(timeMs + offsetMinutesOf(timeMs, zone) * 60_000)
  return {
    year: wall.getUTCFullYear(),
    month: wall.getUTCMonth() + 1,
    day: wall.getUTCDate(),
    weekday: wall.getUTCDay(),
    hour: wall.getUTCHours(),
    minute: wall.getUTCMinutes(),
    second: wall.getUTCSeconds(),
    offsetMinutes: offsetMinutesOf(timeMs, zone),
  }
}

const formats = new Map<string, Intl.DateTimeFormat>()

function offsetMinutesOf(timeMs: number, zone: string): number {
  if (zone === 'UTC' || zone === '') return 0
  let format = formats.get(zone)
  if (!format) {
    try {
      format = new Intl.DateTimeFormat('en-US', {
        ...(zone === 'Local' ? {} : { timeZone: zone }),
        timeZoneName: 'longOffset',
      })
    } catch {
      throw templateError(`unknown time zone ${zone}`)
    }
    formats.set(zone, format)
  }
  const text = format.formatToParts(timeMs).find(({ type }) => type === 'timeZoneName')?.value
  const match = /GMT([+-])(\d\d):(\d\d)/.exec(text ?? '')
  if (!match) return 0
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]))
}
