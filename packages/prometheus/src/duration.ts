const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
}

/** Milliseconds of a Prometheus duration such as `1h30m` or `15s`; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m(?!s))?(\d+s)?(\d+ms)?$/.test(text) || text === '')
    return undefined
  let totalMs = 0
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[ywdhms])/g))
    totalMs += Number(count) * unitsMs[unit!]!
  return totalMs
}

/** Writes milliseconds as Prometheus does: `1h30m`, `15s`, `0s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  let text = milliseconds < 0 ? '-' : ''
  let rest = Math.abs(milliseconds)
  for (const unit of ['y', 'w', 'd', 'h', 'm', 's', 'ms']) {
    const unitMs = unitsMs[unit]!
    // Years and weeks only where nothing is left over, as Prometheus writes them.
    if ((unit === 'y' || unit === 'w') && rest % unitMs !== 0) continue
    const count = Math.floor(rest / unitMs)
    if (count > 0) text += `${count}${unit}`
    rest -= count * unitMs
  }
  return text
}
