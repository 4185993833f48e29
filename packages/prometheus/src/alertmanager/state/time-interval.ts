import { partsIn } from '../../template/time.ts'

/** From (inclusive) to (inclusive), as numbers. */
export interface NumberRange {
  readonly from: number
  readonly to: number
}

/** One `time_intervals` entry of a named interval; what is left out takes every time. */
export interface TimeInterval {
  /** Minutes of the day; the end is exclusive. */
  readonly times?:
    | readonly { readonly startMinute: number; readonly endMinute: number }[]
    | undefined
  readonly weekdays?: readonly NumberRange[] | undefined
  /** Negative days count from the end of the month. */
  readonly days_of_month?: readonly NumberRange[] | undefined
  readonly months?: readonly NumberRange[] | undefined
  readonly years?: readonly NumberRange[] | undefined
  readonly location?: string | undefined
}

/** Whether a moment lies within the interval, by the clock of its zone. */
export function containsTime(interval: TimeInterval, timeMs: number): boolean {
  const wall = partsIn(timeMs, interval.location ?? 'UTC')
  const within = (ranges: readonly NumberRange[] | undefined, value: number): boolean =>
    ranges === undefined || ranges.some(({ from, to }) => value >= from && value <= to)
  const minute = wall.hour * 60 + wall.minute
  if (
    interval.times &&
    !interval.times.some(
      ({ startMinute, endMinute }) => minute >= startMinute && minute < endMinute,
    )
  )
    return false
  const dayCount = new Date(Date.UTC(wall.year, wall.month, 0)).getUTCDate()
  const clamp = (day: number): number =>
    Math.min(dayCount, Math.max(1, day < 0 ? dayCount + day + 1 : day))
  const inMonth =
    interval.days_of_month === undefined ||
    interval.days_of_month.some(({ from, to }) => {
      // A range that lies wholly behind the month's end is in no such month.
      if (from > dayCount || (from < 0 && to < 0 && dayCount + to + 1 < 1)) return false
      return wall.day >= clamp(from) && wall.day <= clamp(to)
    })
  return (
    inMonth &&
    within(interval.weekdays, wall.weekday) &&
    within(interval.months, wall.month) &&
    within(interval.years, wall.year)
  )
}
