import { anchored, type Labels } from '../labels.ts'
import { executionError, type Sample } from './value.ts'

const toDegrees = 180 / Math.PI

/** Functions of one value, by name; they drop the metric name. */
export const valueFunctions: ReadonlyMap<string, (value: number) => number> = new Map([
  ['abs', Math.abs],
  ['ceil', Math.ceil],
  ['floor', Math.floor],
  ['exp', Math.exp],
  ['ln', Math.log],
  ['log2', Math.log2],
  ['log10', Math.log10],
  ['sqrt', Math.sqrt],
  ['sgn', Math.sign],
  ['acos', Math.acos],
  ['acosh', Math.acosh],
  ['asin', Math.asin],
  ['asinh', Math.asinh],
  ['atan', Math.atan],
  ['atanh', Math.atanh],
  ['cos', Math.cos],
  ['cosh', Math.cosh],
  ['sin', Math.sin],
  ['sinh', Math.sinh],
  ['tan', Math.tan],
  ['tanh', Math.tanh],
  ['deg', (value) => value * toDegrees],
  ['rad', (value) => value / toDegrees],
])

const millisecondsPerDay = 86_400_000

/** Parts of the date that a value in seconds since the epoch means, in UTC. */
export const dateFunctions: ReadonlyMap<string, (seconds: number) => number> = new Map([
  ['minute', (seconds) => new Date(seconds * 1_000).getUTCMinutes()],
  ['hour', (seconds) => new Date(seconds * 1_000).getUTCHours()],
  ['day_of_month', (seconds) => new Date(seconds * 1_000).getUTCDate()],
  ['day_of_week', (seconds) => new Date(seconds * 1_000).getUTCDay()],
  [
    'day_of_year',
    (seconds) => {
      const date = new Date(seconds * 1_000)
      return (
        Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0)) / millisecondsPerDay) + 1
      )
    },
  ],
  [
    'days_in_month',
    (seconds) => {
      const date = new Date(seconds * 1_000)
      return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
    },
  ],
  ['month', (seconds) => new Date(seconds * 1_000).getUTCMonth() + 1],
  ['year', (seconds) => new Date(seconds * 1_000).getUTCFullYear()],
])

/** Rounds to the nearest multiple, ties upwards. */
export function roundTo(value: number, nearest: number): number {
  // Divided by the inverse, 5.015 rounds to 5.02 and not to 5.0200000000000005.
  const inverse = 1 / nearest
  return Math.floor(value * inverse + 0.5) / inverse
}

export function clamp(vector: readonly Sample[], min: number, max: number): Sample[] {
  if (min > max) return []
  const limit = (value: number): number =>
    Number.isNaN(min) || Number.isNaN(max) ? Number.NaN : Math.max(min, Math.min(max, value))
  return vector.map(({ labels, value }) => ({ labels: labels.withoutName(), value: limit(value) }))
}

/** Sets `destination` to the replacement where the whole source value meets the pattern. */
export function labelReplace(
  vector: readonly Sample[],
  destination: string,
  replacement: string,
  source: string,
  pattern: string,
): Sample[] {
  checkLabelName(destination, 'label_replace')
  let expression: RegExp
  try {
    expression = anchored(pattern)
  } catch {
    throw executionError(`invalid regular expression in label_replace(): ${pattern}`)
  }
  return vector.map((sample) => {
    const match = expression.exec(sample.labels.get(source))
    if (!match) return sample
    return {
      labels: sample.labels.with({ [destination]: expand(replacement, match) }),
      value: sample.value,
    }
  })
}

/** `$1`, `${1}`, `${name}` and `$$` as Go's regexp expands them. */
export function expand(template: string, match: RegExpExecArray): string {
  return template.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (whole, plain?: string, braced?: string) => {
    if (whole === '$$') return '$'
    const name = plain ?? braced ?? ''
    return (/^\d+$/.test(name) ? match[Number(name)] : match.groups?.[name]) ?? ''
  })
}

export function labelJoin(
  vector: readonly Sample[],
  destination: string,
  separator: string,
  sources: readonly string[],
): Sample[] {
  checkLabelName(destination, 'label_join')
  return vector.map(({ labels, value }) => ({
    labels: labels.with({
      [destination]: sources.map((source) => labels.get(source)).join(separator),
    }),
    value,
  }))
}

function checkLabelName(name: string, where: string): void {
  if (!/^[a-zA-Z_]\w*$/.test(name))
    throw executionError(`invalid destination label name in ${where}(): ${name}`)
}

/** Orders by labels, digits inside as numbers. */
export function sortByLabel(
  vector: readonly Sample[],
  names: readonly string[],
  sign: 1 | -1,
): Sample[] {
  const collator = new Intl.Collator('en', { numeric: true })
  const compare = (a: Labels, b: Labels): number => {
    for (const name of names) {
      const order = collator.compare(a.get(name), b.get(name))
      if (order !== 0) return order
    }
    return a.key < b.key ? -1 : 1
  }
  return vector.toSorted((a, b) => sign * compare(a.labels, b.labels))
}

/** NaN comes last in both directions. */
export function sortByValue(vector: readonly Sample[], sign: 1 | -1): Sample[] {
  return vector.toSorted((a, b) => {
    if (Number.isNaN(a.value)) return Number.isNaN(b.value) ? 0 : 1
    return Number.isNaN(b.value) ? -1 : sign * (a.value - b.value)
  })
}
