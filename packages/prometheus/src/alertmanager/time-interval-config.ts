import { z } from 'zod'
import { dayNames, monthNames } from '../template/time.ts'
import type { NumberRange, TimeInterval } from './state/time-interval.ts'

const day = (text: string): number => dayNames.findIndex((name) => name.toLowerCase() === text)
const month = (text: string): number => {
  const named = monthNames.findIndex((name) => name.toLowerCase() === text)
  return named >= 0 ? named + 1 : Number(text)
}

/** A list of `3`, `monday:friday`, `-3:-1`. */
function ranges(
  what: string,
  min: number,
  max: number,
  read: (text: string) => number = Number,
): z.ZodOptional<z.ZodType<NumberRange[], (string | number)[]>> {
  const one = z.union([z.string(), z.number()]).transform((written, context): NumberRange => {
    const [from = Number.NaN, to = from] = String(written)
      .toLowerCase()
      .split(':')
      .map((part) => read(part.trim()))
    const isGood = [from, to].every(
      (value) => Number.isInteger(value) && value >= min && value <= max,
    )
    if (isGood && (from <= to || from * to < 0) && !(min < 0 && from * to === 0))
      return { from, to }
    context.addIssue({ code: 'custom', message: `not a valid ${what}: ${written}` })
    return z.NEVER
  })
  return z.array(one).optional()
}

const timeOfDay = z.string().transform((text, context) => {
  const match = /^(\d\d):(\d\d)$/.exec(text)
  const minute = Number(match?.[1]) * 60 + Number(match?.[2])
  if (match && Number(match[2]) < 60 && minute <= 24 * 60) return minute
  context.addIssue({ code: 'custom', message: `not a time such as 09:30: ${text}` })
  return z.NEVER
})

/** One entry of `time_intervals[].time_intervals`. */
export const timeInterval: z.ZodType<TimeInterval> = z.strictObject({
  times: z
    .array(
      z
        .strictObject({ start_time: timeOfDay, end_time: timeOfDay })
        .refine(({ start_time, end_time }) => start_time < end_time, {
          error: 'start_time must be before end_time',
        })
        .transform(({ start_time, end_time }) => ({
          startMinute: start_time,
          endMinute: end_time,
        })),
    )
    .optional(),
  weekdays: ranges('day of the week', 0, 6, day),
  days_of_month: ranges('day of the month', -31, 31),
  months: ranges('month', 1, 12, month),
  years: ranges('year', 0, 9_999),
  location: z.string().refine(isZone, { error: 'unknown time zone' }).optional(),
})

function isZone(zone: string): boolean {
  if (zone === 'UTC' || zone === 'Local') return true
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone })
    return true
  } catch {
    return false
  }
}
