import { memo } from 'react'

/** A line without axes that fills its box; gaps stay gaps. */
export const Sparkline = memo(function Sparkline({
  values,
  accent = false,
  area = true,
  min,
  max,
}: {
  values: readonly (number | null | undefined)[]
  accent?: boolean
  area?: boolean
  min?: number | undefined
  max?: number | undefined
}) {
  const thin = thinned(values)
  const present = thin.filter((value): value is number => typeof value === 'number')
  if (present.length < 2) return <svg className="sparkline" aria-hidden="true" />
  const low = min ?? Math.min(...present)
  const high = max ?? Math.max(...present)
  const span = high - low || 1
  const step = 100 / Math.max(1, thin.length - 1)
  let line = ''
  let fill = ''
  let start = -1
  thin.forEach((value, index) => {
    if (typeof value !== 'number') {
      if (start >= 0)
        fill += `L${((index - 1) * step).toFixed(2)} 32L${(start * step).toFixed(2)} 32Z`
      start = -1
      return
    }
    const x = (index * step).toFixed(2)
    const y = (high === low ? 16 : 29 - ((value - low) / span) * 26).toFixed(2)
    const to = `${start < 0 ? 'M' : 'L'}${x} ${y}`
    line += to
    fill += to
    if (start < 0) start = index
  })
  if (start >= 0) fill += `L100 32L${(start * step).toFixed(2)} 32Z`
  return (
    <svg
      className={accent ? 'sparkline accent' : 'sparkline'}
      viewBox="0 0 100 32"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {area && <path className="area" d={fill} />}
      <path className="line" d={line} />
    </svg>
  )
})

const pointsMax = 160

/** No more points than a small box has pixels; each is the mean of those it stands for. */
function thinned(
  values: readonly (number | null | undefined)[],
): readonly (number | null | undefined)[] {
  if (values.length <= pointsMax) return values
  const size = values.length / pointsMax
  return Array.from({ length: pointsMax }, (_, index) => {
    let sum = 0
    let count = 0
    for (let at = Math.floor(index * size); at < Math.floor((index + 1) * size); at++) {
      const value = values[at]
      if (typeof value !== 'number') continue
      sum += value
      count++
    }
    return count === 0 ? null : sum / count
  })
}
