import type { FieldConfig, Mapping, ThresholdStep, Thresholds } from './dashboard.ts'
import { regularExpressionOf } from './field-config.ts'
import { type FormattedValue, formatValue } from './units.ts'

/** What a colour of a dashboard means here. Colour is used only where it means something. */
export type Tone = 'neutral' | 'ok' | 'warn' | 'critical'

/** Reads Grafana's colour names as meanings; a colour without one of them is neutral. */
export function toneOf(color: string | undefined): Tone {
  const name = (color ?? '').toLowerCase()
  if (/red|#e02f44|#f2495c|#d44a3a|245, 54, 54|212, 74, 58/.test(name)) return 'critical'
  if (/orange|yellow|#ff780a|#fade2a|#eab839|237, 129, 40|237, 129, 54/.test(name)) return 'warn'
  return 'neutral'
}

/** The step that a value falls into; undefined without thresholds. */
export function stepOf(
  value: number,
  thresholds: Thresholds,
  min = 0,
  max = 100,
): ThresholdStep | undefined {
  let found: ThresholdStep | undefined
  for (const step of thresholds.steps)
    if (value >= absolute(step.value, thresholds, min, max)) found = step
  return found
}

/** A threshold in the value's own unit. */
export function absolute(limit: number, { mode }: Thresholds, min: number, max: number): number {
  return mode === 'percentage' && Number.isFinite(limit) ? min + ((max - min) * limit) / 100 : limit
}

/** The text and meaning of a value after mappings, thresholds and unit. */
export function displayOf(
  value: number | string | null | undefined,
  config: FieldConfig,
): FormattedValue & { tone: Tone; mapped: boolean } {
  const mapping = config.mappings.find((each) => applies(each, value))
  const number = typeof value === 'number' ? value : undefined
  const step =
    number === undefined
      ? undefined
      : stepOf(number, config.thresholds, config.min ?? 0, config.max ?? 100)
  const tone = toneOf(mapping?.color ?? step?.color)
  if (mapping?.text !== undefined && mapping.text !== '')
    return { prefix: '', text: mapping.text, suffix: '', tone, mapped: true }
  if (value === null || value === undefined || Number.isNaN(value))
    return { prefix: '', text: config.noValue || '–', suffix: '', tone: 'neutral', mapped: false }
  if (typeof value === 'string') return { prefix: '', text: value, suffix: '', tone, mapped: false }
  return { ...formatValue(value, config.unit, config.decimals), tone, mapped: false }
}

function applies(mapping: Mapping, value: number | string | null | undefined): boolean {
  switch (mapping.kind) {
    case 'value':
      return value !== null && value !== undefined && String(value) === mapping.match
    case 'range':
      return typeof value === 'number' && value >= mapping.from && value <= mapping.to
    case 'regex':
      return value != null && (regularExpressionOf(mapping.match)?.test(String(value)) ?? false)
    case 'special':
      if (mapping.match === 'null') return value === null || value === undefined
      if (mapping.match === 'nan') return Number.isNaN(value)
      if (mapping.match === 'null+nan') return value == null || Number.isNaN(value)
      if (mapping.match === 'empty') return value === ''
      return String(value) === mapping.match
  }
}
