import { displayOf, stepOf, toneOf } from '../../src/model/thresholds.ts'
import { rangeOf } from './gauge.tsx'
import { type Reading, readingsOf } from './readings.ts'
import type { PanelProps } from './registry.ts'

const cells = 32
const shownMax = 40

/** A bar per series: cells like a display, or one plain bar. */
export function BarGaugePanel({ panel, data }: PanelProps) {
  const readings = readingsOf(panel, data.frames)
  const highest = Math.max(...readings.map((reading) => rangeOf(reading).max))
  const shown = readings
    .toSorted(
      (a, b) => (b.value ?? Number.NEGATIVE_INFINITY) - (a.value ?? Number.NEGATIVE_INFINITY),
    )
    .slice(0, shownMax)
  return (
    <ul className="bars">
      {shown.map((reading) => (
        <Bar
          key={reading.key}
          reading={reading}
          max={reading.config.max ?? highest}
          isLcd={panel.options.displayMode === 'lcd'}
        />
      ))}
    </ul>
  )
}

function Bar({ reading, max, isLcd }: { reading: Reading; max: number; isLcd: boolean }) {
  const { value, config, name } = reading
  const { min } = rangeOf(reading)
  const shown = displayOf(value, config)
  const part = value === null ? 0 : Math.min(1, Math.max(0, (value - min) / (max - min || 1)))
  return (
    <li className="bar-line">
      <span className="bar-name" title={name}>
        {name}
      </span>
      {isLcd ? (
        <svg
          className="lcd"
          viewBox={`0 0 ${cells * 6} 16`}
          preserveAspectRatio="none"
          aria-hidden="true"
        >
          {Array.from({ length: cells }, (_, cell) => {
            const at = min + ((max - min) * (cell + 0.5)) / cells
            const isLit = cell < Math.round(part * cells)
            const tone = isLit ? toneOf(stepOf(at, config.thresholds, min, max)?.color) : 'off'
            return (
              <rect key={cell} className={`cell tone-${tone}`} x={cell * 6} width="5" height="16" />
            )
          })}
        </svg>
      ) : (
        <span className="plain-bar" aria-hidden="true">
          <i className={`tone-${shown.tone}`} style={{ width: `${part * 100}%` }} />
        </span>
      )}
      <span className={`bar-value tone-${shown.tone}`}>
        {shown.prefix}
        {shown.text} <small>{shown.suffix}</small>
      </span>
    </li>
  )
}
