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

/**
 * Colours of a chart's lines, in their order: the one that the dashboard fixes, else one of its own
 * for a name that ends in a number, the same on every panel; the others take what is left.
 */
export function colorsOf(
  lines: readonly { config: FieldConfig; name: string }[],
  palette: Palette,
): string[] {
  const colors = lines.map(
    ({ config, name }) => fixedColor(config, palette) ?? ownColor(name, palette),
  )
  const used = new Set(colors)
  const free = palette.series.filter((color) => !used.has(color))
  let next = 0
  return colors.map((color, index) => {
    if (color !== undefined) return color
    return free[next++] ?? palette.series[index % palette.series.length]!
  })
}

function fixedColor(config: FieldConfig, palette: Palette): string | undefined {
  const fixed = config.colorMode === 'fixed' ? config.fixedColor?.toLowerCase() : undefined
  if (fixed === undefined) return undefined
  if (fixed.includes('red')) return palette.critical
  const family = families.find(([pattern]) => pattern.test(fixed))
  if (family) return palette.series[family[1]]
  return fixed.startsWith('#') ? fixed : undefined
}

function ownColor(name: string, palette: Palette): string | undefined {
  const number = Number(/_(\d{1,3})$/.exec(name)?.[1] ?? 0)
  return number > 0 ? palette.series[(number - 1) % palette.series.length] : undefined
}
