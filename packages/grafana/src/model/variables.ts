import { allVariableValue, type Variable, type VariableOption } from './dashboard.ts'
import { regularExpressionOf } from './field-config.ts'
import { formatDuration } from './time-range.ts'

/** What is chosen for each variable, by name. */
export type VariableValues = Readonly<Record<string, readonly string[]>>

/** The values that Grafana provides by itself. */
export interface BuiltIns {
  readonly fromMs: number
  readonly toMs: number
  readonly intervalMs: number
  readonly dashboard?: string
}

const escapeRegex = (value: string): string => value.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

/**
 * Fills `$name`, `${name}`, `${name:format}` and `[[name]]` in. Without a format, several values of
 * a Prometheus query become a regular expression.
 */
export function interpolate(
  text: string,
  variables: readonly Variable[],
  values: VariableValues,
  builtIns: BuiltIns | undefined,
  style: 'prometheus' | 'plain' | 'mongodb' = 'prometheus',
): string {
  if (!text.includes('$') && !text.includes('[[')) return text
  return text.replaceAll(
    /\$\{(\w+)(?:\.[\w.]+)?(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]|\$(\w+)/g,
    (whole, braced?: string, format?: string, old?: string, oldFormat?: string, bare?: string) => {
      const name = braced ?? old ?? bare ?? ''
      const builtIn = builtIns && builtInValue(name, builtIns)
      if (builtIn !== undefined) return builtIn
      const variable = variables.find((each) => each.name === name)
      if (!variable) return whole
      return render(chosen(variable, values), format ?? oldFormat, variable, style)
    },
  )
}

function chosen(variable: Variable, values: VariableValues): readonly string[] {
  const picked = values[variable.name] ?? variable.current
  if (!picked.includes(allVariableValue)) return picked
  if (variable.allValue !== '') return [variable.allValue]
  return variable.options.map(({ value }) => value)
}

function render(
  values: readonly string[],
  format: string | undefined,
  variable: Variable,
  style: 'prometheus' | 'plain' | 'mongodb',
): string {
  const several = variable.multiple || variable.includeAll
  const raw = values.length === 1 && values[0] === variable.allValue
  switch (format ?? (style === 'prometheus' && several ? 'promregex' : '')) {
    case 'promregex': {
      if (raw) return values[0]!
      // Escaped once for the regular expression and once for the quotes around it.
      const escaped = values.map((value) => escapeRegex(value).replaceAll('\\', '\\\\'))
      return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`
    }
    case 'regex': {
      const escaped = values.map(escapeRegex)
      return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`
    }
    case 'pipe':
      return values.join('|')
    case 'json':
      return JSON.stringify(values)
    case 'doublequote':
      return values.map((value) => JSON.stringify(value)).join(',')
    case 'singlequote':
      return values.map((value) => `'${value.replaceAll("'", "\\'")}'`).join(',')
    case 'queryparam':
      return values.map((value) => `var-${variable.name}=${encodeURIComponent(value)}`).join('&')
    case 'percentencode':
      return encodeURIComponent(values.join(','))
    case 'csv':
    case 'raw':
      return values.join(',')
    case 'text':
      return values
        .map((value) => variable.options.find((option) => option.value === value)?.text ?? value)
        .join(' + ')
    default:
      return values.length > 1 && style !== 'mongodb' ? `{${values.join(',')}}` : values.join(',')
  }
}

function builtInValue(
  name: string,
  { fromMs, toMs, intervalMs, dashboard }: BuiltIns,
): string | undefined {
  switch (name) {
    case '__interval':
      return formatDuration(intervalMs)
    case '__interval_ms':
      return String(intervalMs)
    case '__rate_interval':
      // Four scrapes at least, so that a rate always has two samples in reach.
      return formatDuration(Math.max(intervalMs * 4, 15_000))
    case '__range':
      return `${Math.round((toMs - fromMs) / 1000)}s`
    case '__range_s':
      return String(Math.round((toMs - fromMs) / 1000))
    case '__range_ms':
      return String(toMs - fromMs)
    case '__from':
      return String(fromMs)
    case '__to':
      return String(toMs)
    case '__dashboard':
      return dashboard
    default:
      return undefined
  }
}

/** What a query variable asks Prometheus for; undefined where the text is none of these. */
export function readVariableQuery(
  text: string,
):
  | { kind: 'labelValues'; label: string; selector: string | undefined }
  | { kind: 'labelNames' }
  | { kind: 'metrics'; pattern: string }
  | { kind: 'queryResult'; expr: string }
  | undefined {
  const trimmed = text.trim()
  const values = /^label_values\(\s*(?:(.+)\s*,\s*)?([A-Za-z_]\w*)\s*\)$/s.exec(trimmed)
  if (values) return { kind: 'labelValues', label: values[2]!, selector: values[1]?.trim() }
  if (/^label_names\(.*\)$/.test(trimmed)) return { kind: 'labelNames' }
  const metrics = /^metrics\((.*)\)$/.exec(trimmed)
  if (metrics) return { kind: 'metrics', pattern: metrics[1]! }
  const result = /^query_result\((.*)\)$/s.exec(trimmed)
  if (result) return { kind: 'queryResult', expr: result[1]! }
  return undefined
}

/** Applies a variable's regular expression: it filters, and its group takes a part out. */
export function optionsOf(values: readonly string[], regex: string): VariableOption[] {
  const expression = regex === '' ? undefined : regularExpressionOf(regex)
  const found = new Map<string, VariableOption>()
  for (const each of values) {
    let value = each
    let text = each
    if (expression) {
      const match = expression.exec(each)
      if (!match) continue
      value = match.groups?.value ?? match[1] ?? each
      text = match.groups?.text ?? value
    }
    found.set(value, { text, value })
  }
  return [...found.values()].sort((a, b) =>
    a.text.localeCompare(b.text, undefined, { numeric: true }),
  )
}
