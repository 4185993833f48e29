import type { FieldConfig, Panel } from '../../src/model/dashboard.ts'
import { applyOverrides } from '../../src/model/field-config.ts'
import { type AnswerFrame, calculate, seriesOf, type TimeSeries } from '../../src/model/series.ts'

/** One series reduced to one value, with the configuration that holds for it. */
export interface Reading {
  readonly key: string
  readonly name: string
  readonly value: number | null
  readonly series: TimeSeries
  readonly config: FieldConfig
}

/** The series of a panel with names, overrides and one calculated value each. */
export function readingsOf(panel: Panel, frames: readonly AnswerFrame[]): Reading[] {
  const calc = panel.options.calcs[0] ?? 'lastNotNull'
  return seriesOf(frames).map((series) => {
    const config = applyOverrides(panel.defaults, panel.overrides, {
      name: series.name,
      refId: series.refId,
      type: 'number',
    })
    return {
      key: series.key,
      name: displayName(config.displayName, series),
      value: calculate(calc, series.values),
      series,
      config,
    }
  })
}

/** Fills `${__field.labels.x}` and the like into a display name. */
export function displayName(pattern: string, series: TimeSeries): string {
  if (pattern === '') return series.name
  return pattern
    .replaceAll(/\$\{__field\.labels\.(\w+)\}/g, (_, label: string) => series.labels[label] ?? '')
    .replaceAll(/\$\{__(?:field\.name|series\.name|field\.displayName)\}/g, series.name)
}
