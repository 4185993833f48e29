import { useSyncExternalStore } from 'react'
import { isDark, onColors } from '../lib/preferences.ts'

/** The tokens as colours that a canvas understands. */
export interface Palette {
  readonly isDark: boolean
  readonly series: readonly string[]
  readonly ink: string
  readonly ink2: string
  readonly ink3: string
  readonly line: string
  readonly surface: string
  readonly accent: string
  readonly warn: string
  readonly critical: string
  readonly ok: string
}

let palette: Palette | undefined

function read(): Palette {
  const probe = document.createElement('i')
  document.body.append(probe)
  const color = (name: string): string => {
    probe.style.color = `var(--${name})`
    return getComputedStyle(probe).color
  }
  const result: Palette = {
    isDark: isDark(),
    series: [1, 2, 3, 4, 5, 6].map((index) => color(`series-${index}`)),
    ink: color('ink'),
    ink2: color('ink-2'),
    ink3: color('ink-3'),
    line: color('line'),
    surface: color('surface'),
    accent: color('accent'),
    warn: color('warn-mark'),
    critical: color('critical'),
    ok: color('ok'),
  }
  probe.remove()
  return result
}

onColors(() => {
  palette = undefined
})

function current(): Palette {
  palette ??= read()
  return palette
}

/** Follows the theme. */
export const usePalette = (): Palette => useSyncExternalStore(onColors, current)

/** The same colour with an opacity. */
export function faded(color: string, opacity: number): string {
  const [r, g, b] = color.match(/[\d.]+/g) ?? []
  return `rgba(${r}, ${g}, ${b}, ${opacity})`
}
