import { numberOf } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { dateValue, intValue, longValue, NULL, stringValue, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { parseDate, zoneOffsetMs } from './date-text.ts'
import {
  type Compile,
  type Expression,
  namedOperands,
  type OperatorCompiler,
  type OperatorTable,
  type Variables,
} from './operator.ts'

const DAY_MS = 86_400_000

function millisOf(value: Value): number {
  if (value.type === BsonType.date) return value.millis
  if (value.type === BsonType.objectId) return value.bytes.readUInt32BE(value.at) * 1000
  if (value.type === BsonType.timestamp) return value.bytes.readUInt32LE(value.at + 4) * 1000
  throw codeError('Location16006', `can't convert from BSON type ${typeName(value.type)} to Date`)
}

function offsetOf(zone: Value | undefined, atMs: number): number | undefined {
  if (!zone) return 0
  if (zone.isNullish) return undefined
  if (zone.type !== BsonType.string)
    throw codeError(
      'Location40517',
      `timezone must evaluate to a string, found ${typeName(zone.type)}`,
    )
  const offset = zoneOffsetMs(zone.text, atMs)
  if (offset === undefined)
    throw codeError('Location40485', `unrecognized time zone identifier: "${zone.text}"`)
  return offset
}

/** An operator of a date, given alone or as `{date, timezone}`; `part` sees the local time as if it were UTC. */
const datePart =
  (name: string, part: (local: Date) => Value): OperatorCompiler =>
  (argument, compile) => {
    const { date, timezone } = dateOperands(name, argument, compile)
    return (root, variables) => {
      const value = date(root, variables)
      if (value.isNullish) return NULL
      const millis = millisOf(value)
      const offset = offsetOf(timezone?.(root, variables), millis)
      return offset === undefined ? NULL : part(new Date(millis + offset))
    }
  }

function dateOperands(
  name: string,
  argument: Value,
  compile: Compile,
): { date: Expression; timezone: Expression | undefined } {
  if (argument.type === BsonType.object) {
    // {date: …, timezone: …} or an operator that gives the date.
    const firstName = argument.bytes[argument.at + 5]
    if (firstName !== 0x24) {
      const named = namedOperands(name, argument, compile, {
        date: 'required',
        timezone: 'optional',
      })
      return { date: named.date!, timezone: named.timezone }
    }
  }
  return { date: compile(argument), timezone: undefined }
}

const dayOfYear = (date: Date): number =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) -
      Date.UTC(date.getUTCFullYear(), 0, 1)) /
      DAY_MS,
  ) + 1

const isoDay = (date: Date): number => date.getUTCDay() || 7

function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getTime() + (4 - isoDay(date)) * DAY_MS)
  return { year: thursday.getUTCFullYear(), week: Math.floor((dayOfYear(thursday) - 1) / 7) + 1 }
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0')
const monthNames =
  'January February March April May June July August September October November December'.split(' ')

const formatParts: Readonly<Record<string, (local: Date, offsetMs: number) => string>> = {
  Y: (date) => pad(date.getUTCFullYear(), 4),
  m: (date) => pad(date.getUTCMonth() + 1),
  d: (date) => pad(date.getUTCDate()),
  H: (date) => pad(date.getUTCHours()),
  M: (date) => pad(date.getUTCMinutes()),
  S: (date) => pad(date.getUTCSeconds()),
  L: (date) => pad(date.getUTCMilliseconds(), 3),
  j: (date) => pad(dayOfYear(date), 3),
  w: (date) => String(date.getUTCDay() + 1),
  u: (date) => String(isoDay(date)),
  U: (date) => pad(weekOfYear(date)),
  V: (date) => pad(isoWeek(date).week),
  G: (date) => pad(isoWeek(date).year, 4),
  B: (date) => monthNames[date.getUTCMonth()]!,
  b: (date) => monthNames[date.getUTCMonth()]!.slice(0, 3),
  z: (_date, offset) => zoneText(offset, ''),
  Z: (_date, offset) => String(Math.round(offset / 60_000)),
  '%': () => '%',
}

function zoneText(offsetMs: number, between: string): string {
  const minutes = Math.abs(Math.round(offsetMs / 60_000))
  return `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}${between}${pad(minutes % 60)}`
}

function weekOfYear(date: Date): number {
  return Math.floor((dayOfYear(date) + 6 - date.getUTCDay()) / 7)
}

function formatDate(millis: number, offset: number, format: string): string {
  const local = new Date(millis + offset)
  return format.replaceAll(/%(.?)/gs, (_match, letter: string) => {
    const part = formatParts[letter]
    if (!part)
      throw codeError('Location18536', `Invalid format character '%${letter}' in format string`)
    return part(local, offset)
  })
}

const dateToString: OperatorCompiler = (argument, compile) => {
  const named = namedOperands('$dateToString', argument, compile, {
    date: 'required',
    format: 'optional',
    timezone: 'optional',
    onNull: 'optional',
  })
  return (root, variables) => {
    const date = named.date!(root, variables)
    if (date.isNullish) return named.onNull?.(root, variables) ?? NULL
    const millis = millisOf(date)
    const offset = offsetOf(named.timezone?.(root, variables), millis)
    if (offset === undefined) return NULL
    const format = named.format?.(root, variables)
    if (format?.isNullish) return NULL
    if (format && format.type !== BsonType.string)
      throw codeError('Location18533', "$dateToString requires that 'format' be a string")
    return stringValue(
      formatDate(
        millis,
        offset,
        format ? format.text : named.timezone ? '%Y-%m-%dT%H:%M:%S.%L' : '%Y-%m-%dT%H:%M:%S.%LZ',
      ),
    )
  }
}

const dateFromString: OperatorCompiler = (argument, compile) => {
  const named = namedOperands('$dateFromString', argument, compile, {
    dateString: 'required',
    timezone: 'optional',
    onError: 'optional',
    onNull: 'optional',
  })
  return (root, variables) => {
    const text = named.dateString!(root, variables)
    if (text.isNullish) return named.onNull?.(root, variables) ?? NULL
    const millis = text.type === BsonType.string ? parseDate(text.text) : undefined
    if (millis === undefined) {
      if (named.onError) return named.onError(root, variables)
      throw codeError(
        'ConversionFailure',
        `Error parsing date string '${text.type === BsonType.string ? text.text : typeName(text.type)}'`,
      )
    }
    const offset = offsetOf(named.timezone?.(root, variables), millis)
    return offset === undefined ? NULL : dateValue(millis - offset)
  }
}

const unitMs: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: DAY_MS,
  week: 7 * DAY_MS,
}
const unitMonths: Readonly<Record<string, number>> = { month: 1, quarter: 3, year: 12 }
// $dateTrunc counts its bins from here.
const REFERENCE_MS = Date.UTC(2000, 0, 1)
const weekDays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

function unitOf(value: Value): string {
  if (value.type !== BsonType.string)
    throw codeError('Location5439013', `unit must be a string, found ${typeName(value.type)}`)
  const unit = value.text
  if (!(unit in unitMs) && !(unit in unitMonths))
    throw codeError('FailedToParse', `unknown time unit value: ${unit}`)
  return unit
}

const floorTo = (value: number, step: number): number => Math.floor(value / step) * step

function truncate(local: number, unit: string, size: number, weekStart: number): number {
  const months = unitMonths[unit]
  if (months) {
    const date = new Date(local)
    const count = (date.getUTCFullYear() - 2000) * 12 + date.getUTCMonth()
    return Date.UTC(2000, floorTo(count, months * size), 1)
  }
  // The first of January 2000 was a Saturday.
  const reference =
    unit === 'week' ? REFERENCE_MS + ((weekStart - 6 + 7) % 7) * DAY_MS : REFERENCE_MS
  return reference + floorTo(local - reference, unitMs[unit]! * size)
}

const dateTrunc: OperatorCompiler = (argument, compile) => {
  const named = namedOperands('$dateTrunc', argument, compile, {
    date: 'required',
    unit: 'required',
    binSize: 'optional',
    timezone: 'optional',
    startOfWeek: 'optional',
  })
  return (root, variables) => {
    const date = named.date!(root, variables)
    const unit = named.unit!(root, variables)
    const size = named.binSize?.(root, variables)
    if (date.isNullish || unit.isNullish || size?.isNullish) return NULL
    const bins = size ? numberOf(size) : 1
    if (bins === undefined || !Number.isInteger(bins) || bins <= 0)
      throw codeError('Location5439017', "$dateTrunc requires 'binSize' to be a positive integer")
    const millis = millisOf(date)
    const offset = offsetOf(named.timezone?.(root, variables), millis)
    if (offset === undefined) return NULL
    const start = named.startOfWeek?.(root, variables)
    const day =
      start?.type === BsonType.string
        ? weekDays.findIndex(
            (name) =>
              name === start.text.toLowerCase() || name.slice(0, 3) === start.text.toLowerCase(),
          )
        : 0
    if (day < 0) throw codeError('Location5439015', '$dateTrunc: startOfWeek is no day of the week')
    const result = truncate(millis + offset, unitOf(unit), bins, day)
    // The offset may differ at the result, around a change of the clocks.
    return dateValue(
      result - (offsetOf(named.timezone?.(root, variables), result - offset) ?? offset),
    )
  }
}

function addUnits(millis: number, unit: string, amount: number): number {
  const months = unitMonths[unit]
  if (!months) return millis + amount * unitMs[unit]!
  const date = new Date(millis)
  const total = date.getUTCFullYear() * 12 + date.getUTCMonth() + amount * months
  const year = Math.floor(total / 12)
  const month = total - year * 12
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  return Date.UTC(
    year,
    month,
    Math.min(date.getUTCDate(), lastDay),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
    date.getUTCMilliseconds(),
  )
}

const shifting =
  (name: string, sign: 1 | -1): OperatorCompiler =>
  (argument, compile) => {
    const named = namedOperands(name, argument, compile, {
      startDate: 'required',
      unit: 'required',
      amount: 'required',
      timezone: 'optional',
    })
    return (root, variables) => {
      const date = named.startDate!(root, variables)
      const unit = named.unit!(root, variables)
      const amount = named.amount!(root, variables)
      if (date.isNullish || unit.isNullish || amount.isNullish) return NULL
      const count = numberOf(amount)
      if (count === undefined || !Number.isInteger(count))
        throw codeError('Location5166405', `${name} expects integer amount of time units`)
      return dateValue(addUnits(millisOf(date), unitOf(unit), sign * count))
    }
  }

const dateDiff: OperatorCompiler = (argument, compile) => {
  const named = namedOperands('$dateDiff', argument, compile, {
    startDate: 'required',
    endDate: 'required',
    unit: 'required',
    timezone: 'optional',
  })
  const local = (value: Value, root: Value, variables: Variables | undefined): number => {
    const millis = millisOf(value)
    return millis + (offsetOf(named.timezone?.(root, variables), millis) ?? 0)
  }
  return (root, variables) => {
    const from = named.startDate!(root, variables)
    const to = named.endDate!(root, variables)
    const unit = named.unit!(root, variables)
    if (from.isNullish || to.isNullish || unit.isNullish) return NULL
    const name = unitOf(unit)
    const start = truncate(local(from, root, variables), name, 1, 0)
    const end = truncate(local(to, root, variables), name, 1, 0)
    const months = unitMonths[name]
    if (!months) return longValue(BigInt(Math.round((end - start) / unitMs[name]!)))
    const count = (millis: number): number => {
      const date = new Date(millis)
      return date.getUTCFullYear() * 12 + date.getUTCMonth()
    }
    return longValue(BigInt((count(end) - count(start)) / months))
  }
}

/** Operators of dates. */
export const dateOperators: OperatorTable = {
  $year: datePart('$year', (date) => intValue(date.getUTCFullYear())),
  $month: datePart('$month', (date) => intValue(date.getUTCMonth() + 1)),
  $dayOfMonth: datePart('$dayOfMonth', (date) => intValue(date.getUTCDate())),
  $dayOfWeek: datePart('$dayOfWeek', (date) => intValue(date.getUTCDay() + 1)),
  $dayOfYear: datePart('$dayOfYear', (date) => intValue(dayOfYear(date))),
  $hour: datePart('$hour', (date) => intValue(date.getUTCHours())),
  $minute: datePart('$minute', (date) => intValue(date.getUTCMinutes())),
  $second: datePart('$second', (date) => intValue(date.getUTCSeconds())),
  $millisecond: datePart('$millisecond', (date) => intValue(date.getUTCMilliseconds())),
  $week: datePart('$week', (date) => intValue(weekOfYear(date))),
  $isoWeek: datePart('$isoWeek', (date) => intValue(isoWeek(date).week)),
  $isoWeekYear: datePart('$isoWeekYear', (date) => longValue(BigInt(isoWeek(date).year))),
  $isoDayOfWeek: datePart('$isoDayOfWeek', (date) => intValue(isoDay(date))),
  $dateToString: dateToString,
  $dateFromString: dateFromString,
  $dateTrunc: dateTrunc,
  $dateAdd: shifting('$dateAdd', 1),
  $dateSubtract: shifting('$dateSubtract', -1),
  $dateDiff: dateDiff,
}
