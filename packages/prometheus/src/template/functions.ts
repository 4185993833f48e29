import { PrometheusError } from '../errors.ts'
import { formatValues } from './format.ts'
import {
  isTruthy,
  printValue,
  type TemplateFunction,
  TemplateList,
  TemplateObject,
  type TemplateValue,
} from './value.ts'

/** Functions by the names that templates call them. */
export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>

/** What a template did wrong while it ran. */
export function templateError(message: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_TEMPLATE_FAILED', message)
}

/** Functions of Go's template language itself; `and` and `or` are the executor's, for they stop early. */
export const goFunctions: TemplateFunctions = {
  not: (value) => !isTruthy(value),
  len: lengthOf,
  index: (value, ...keys) => keys.reduce(indexOf, value),
  slice: sliceOf,
  print: (...values) => print(values),
  println: (...values) => `${values.map(printValue).join(' ')}\n`,
  printf: (format, ...values) => formatValues(textOf('printf', format), values),
  html: (...values) => escapeHtml(print(values)),
  js: (...values) => JSON.stringify(print(values)).slice(1, -1),
  urlquery: (...values) => encodeURIComponent(print(values)).replaceAll('%20', '+'),
  eq: (first, ...others) => others.some((other) => isEqual(first, other)),
  ne: (first, second) => !isEqual(first, second),
  lt: (first, second) => compare(first, second) < 0,
  le: (first, second) => compare(first, second) <= 0,
  gt: (first, second) => compare(first, second) > 0,
  ge: (first, second) => compare(first, second) >= 0,
}

/** The value as text, where a function takes nothing else. */
export function textOf(name: string, value: TemplateValue): string {
  if (typeof value === 'string') return value
  throw templateError(`${name} needs a string, found ${typeName(value)}`)
}

export function escapeHtml(text: string): string {
  const named: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&#34;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (letter) => named[letter]!)
}

export function typeName(value: TemplateValue): string {
  if (value === null || value === undefined) return 'nil'
  if (value instanceof TemplateObject) return value.type
  if (value instanceof TemplateList) return 'a list'
  return typeof value
}

/** Spaces stand between values of which neither is text. */
function print(values: readonly TemplateValue[]): string {
  let text = ''
  for (const [index, value] of values.entries()) {
    if (index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string') text += ' '
    text += printValue(value)
  }
  return text
}

function lengthOf(value: TemplateValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (value instanceof TemplateList) return value.items.length
  if (value instanceof TemplateObject && value.isMap) return value.entries.size
  throw templateError(`len of ${typeName(value)}`)
}

function indexOf(value: TemplateValue, key: TemplateValue): TemplateValue {
  if (value instanceof TemplateList) {
    if (typeof key !== 'number' || !(key in value.items))
      throw templateError(`index out of range: ${printValue(key)}`)
    return value.items[key]
  }
  if (value instanceof TemplateObject && value.isMap)
    return value.entries.get(printValue(key)) ?? ''
  throw templateError(`can't index ${typeName(value)}`)
}

function sliceOf(value: TemplateValue, from: TemplateValue = 0, to?: TemplateValue): TemplateValue {
  const length = lengthOf(value)
  const end = to ?? length
  if (typeof from !== 'number' || typeof end !== 'number' || from < 0 || from > end || end > length)
    throw templateError('slice: index out of range')
  if (typeof value === 'string') return Buffer.from(value).subarray(from, end).toString()
  if (value instanceof TemplateList) return new TemplateList(value.items.slice(from, end))
  throw templateError(`can't slice ${typeName(value)}`)
}

function isEqual(first: TemplateValue, second: TemplateValue): boolean {
  if (typeof first !== typeof second) throw templateError('incompatible types for comparison')
  return first === second
}

function compare(first: TemplateValue, second: TemplateValue): number {
  if (typeof first === 'number' && typeof second === 'number') return first - second
  if (typeof first === 'string' && typeof second === 'string')
    return Buffer.compare(Buffer.from(first), Buffer.from(second))
  throw templateError('incompatible types for comparison')
}
