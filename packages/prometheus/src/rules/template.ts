import { formatDuration } from '../duration.ts'
import { formatNumber } from '../promql/aggregation.ts'

/** What a template of labels or annotations may use. */
export interface TemplateData {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/**
 * Fills in `{{ $labels.name }}`, `{{ $value }}` and `{{ $value | humanize }}`; of Go's template
 * language only this, with the functions humanize, humanizePercentage, humanizeDuration, printf
 * "%.2f" and title. What it cannot read stays as it is, marked.
 */
export function fillTemplate(template: string, data: TemplateData): string {
  return template.replace(/\{\{-?\s*(.*?)\s*-?\}\}/gs, (_, action: string) => {
    const [source, ...pipes] = action.split('|').map((part) => part.trim())
    let value = evaluate(source ?? '', data)
    for (const pipe of pipes) value = value === undefined ? undefined : applyPipe(pipe, value)
    return value === undefined ? `<error expanding template: ${action}>` : String(value)
  })
}

function evaluate(source: string, data: TemplateData): string | number | undefined {
  if (source === '$value' || source === '.Value') return data.value
  const label = /^(?:\$labels|\.Labels)\.(\w+)$/.exec(source)?.[1]
  if (label !== undefined) return data.labels[label] ?? ''
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(source)?.[1]
  if (quoted !== undefined) return quoted
  const [name, ...rest] = source.split(/\s+/)
  const call = /^printf\s+"%\.(\d)f"\s+(.+)$/.exec(source)
  if (call) {
    const value = evaluate(call[2]!, data)
    return typeof value === 'number' ? value.toFixed(Number(call[1])) : undefined
  }
  const argument = rest.length === 1 ? evaluate(rest[0]!, data) : undefined
  return argument === undefined ? undefined : applyPipe(name!, argument)
}

function applyPipe(pipe: string, value: string | number): string | number | undefined {
  const number = Number(value)
  switch (pipe) {
    case 'humanize':
      return humanize(number)
    case 'humanizePercentage':
      return `${Number((number * 100).toPrecision(4))}%`
    case 'humanizeDuration':
      return formatDuration(Math.round(number * 1_000))
    case 'title':
      return String(value).replace(/\b\w/g, (letter) => letter.toUpperCase())
    case 'toUpper':
      return String(value).toUpperCase()
    case 'toLower':
      return String(value).toLowerCase()
  }
  const digits = /^printf\s+"%\.(\d)f"$/.exec(pipe)?.[1]
  return digits === undefined ? undefined : number.toFixed(Number(digits))
}

const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']

function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return formatNumber(value)
  let scaled = value
  let index = 0
  for (; Math.abs(scaled) >= 1_000 && index < prefixes.length - 1; index++) scaled /= 1_000
  return `${Number(scaled.toPrecision(4))}${prefixes[index]}`
}
