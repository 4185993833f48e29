import type { FieldConfig } from '../../src/model/dashboard.ts'
import type { Palette } from '../ui/colors.ts'

// Grafana's colour families as the nearest of ours, which are told apart by colour-blind eyes.
const families: readonly (readonly [RegExp, number])[] = [
  [/blue/, 0],
  [/orange/, 1],
  [/green/, 2],
  [/purple|pink/, 3],
  [/violet/, 4],
  [/yellow/, 5],
]

/** A line's colour: the one that the dashboard fixes, else the next of the palette. */
export function colorOf(
  config: FieldConfig,
  name: string,
  index: number,
  palette: Palette,
): string {
  const fixed = config.colorMode === 'fixed' ? config.fixedColor?.toLowerCase() : undefined
  if (fixed?.includes('red')) return palette.critical
  const family = fixed && families.find(([pattern]) => pattern.test(fixed))
  if (family) return palette.series[family[1]]!
  if (fixed?.startsWith('#')) return fixed
  // A name that ends in a number has its own colour on every panel, whatever order it comes in.
  const number = /(\d+)$/.exec(name)?.[1]
  const at = number === undefined || Number(number) > 999 ? index : Number(number) - 1
  return palette.series[(at + palette.series.length) % palette.series.length]!
}
