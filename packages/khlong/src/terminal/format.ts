const decimal = [
  { from: 1e9, divisor: 1e9, suffix: ' G' },
  { from: 1e6, divisor: 1e6, suffix: ' M' },
  { from: 1e3, divisor: 1e3, suffix: ' k' },
]

/** `1204` → `1.20 k`, `3` → `3`: three figures at most. */
export function formatCount(value: number): string {
  for (const { from, divisor, suffix } of decimal)
    if (value >= from) return `${threeFigures(value / divisor)}${suffix}`
  return Number.isInteger(value) ? String(value) : threeFigures(value)
}

/** `3.02 /s`; a dash where nothing moves. */
export function formatRate(perSecond: number): string {
  if (perSecond < 0.05) return '–'
  const text = formatCount(perSecond < 10 ? Math.round(perSecond * 10) / 10 : Math.round(perSecond))
  return `${text}${/[a-zA-Z]$/.test(text) ? '' : ' '}/s`
}

/** `43.1 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1 << 30) return `${threeFigures(bytes / (1 << 30))} GiB`
  if (bytes >= 1 << 20) return `${threeFigures(bytes / (1 << 20))} MiB`
  return bytes >= 1 << 10 ? `${threeFigures(bytes / (1 << 10))} KiB` : `${bytes} B`
}

/** The first line of a text, with `…` where there are more: of a trace, what happened. */
export function firstLine(text: string): string {
  const end = text.indexOf('\n')
  return end < 0 ? text : `${text.slice(0, end)}…`
}

function threeFigures(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
