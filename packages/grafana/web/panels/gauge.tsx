import type { FieldConfig } from '../../src/model/dashboard.ts'
import { absolute, displayOf, toneOf } from '../../src/model/thresholds.ts'
import { formatNumber } from '../../src/model/units.ts'
import { type Reading, readingsOf } from './readings.ts'
import type { PanelProps } from './registry.ts'

const sweep = 240
const startAngle = 90 + (360 - sweep) / 2
const shownMax = 12

/** 240 degrees, the thresholds as a thin outer ring, the value in the middle. */
export function GaugePanel({ panel, data, width, height }: PanelProps) {
  const readings = readingsOf(panel, data.frames).slice(0, shownMax)
  const columns = bestColumns(readings.length, width, height)
  return (
    <div className="gauges" style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}>
      {readings.map((reading) => (
        <Gauge
          key={reading.key}
          reading={reading}
          hasMarkers={panel.options.thresholdMarkers}
          hasLabels={panel.options.thresholdLabels}
          hasName={readings.length > 1}
        />
      ))}
    </div>
  )
}

function bestColumns(count: number, width: number, height: number): number {
  let best = 1
  let bestSize = 0
  for (let columns = 1; columns <= count; columns++) {
    const size = Math.min(width / columns, (height / Math.ceil(count / columns)) * 1.15)
    if (size > bestSize) {
      best = columns
      bestSize = size
    }
  }
  return best
}

function Gauge({
  reading,
  hasMarkers,
  hasLabels,
  hasName,
}: {
  reading: Reading
  hasMarkers: boolean
  hasLabels: boolean
  hasName: boolean
}) {
  const { value, config, name } = reading
  const { min, max } = rangeOf(reading)
  const shown = displayOf(value, config)
  const at = (limit: number): number => Math.min(1, Math.max(0, (limit - min) / (max - min || 1)))
  const bands = hasMarkers ? bandsOf(config, min, max) : []
  return (
    <figure className={`gauge tone-${shown.tone}`}>
      <svg
        viewBox="2 3 116 93"
        role="img"
        aria-label={`${name}: ${shown.prefix}${shown.text} ${shown.suffix}`}
      >
        <path className="gauge-track" d={arc(60, 60, 42, 0, 1)} />
        {value !== null && at(value) > 0.004 && (
          <path className="gauge-value" d={arc(60, 60, 42, 0, at(value))} />
        )}
        <path className="gauge-ring" d={arc(60, 60, 51.5, 0, 1)} />
        {bands.map(({ from, to, tone }) => (
          <path
            key={`${from}${to}`}
            className={`gauge-band tone-${tone}`}
            d={arc(60, 60, 51.5, at(from) + 0.006, at(to) - 0.006)}
          />
        ))}
        {hasLabels &&
          bands.slice(0, 4).map(({ from }) => {
            const [x, y] = point(60, 60, 57, at(from))
            return (
              <text
                key={from}
                x={x}
                y={y}
                className="gauge-limit"
                textAnchor={x < 50 ? 'end' : x > 70 ? 'start' : 'middle'}
              >
                {formatNumber(from)}
              </text>
            )
          })}
        <text x="60" y="67" className="gauge-figure" textAnchor="middle">
          {shown.prefix}
          {shown.text}
          <tspan className="gauge-unit" dx="1.5">
            {shown.suffix}
          </tspan>
        </text>
        <text x="27.5" y="92" className="gauge-limit" textAnchor="middle">
          {formatNumber(min)}
        </text>
        <text x="92.5" y="92" className="gauge-limit" textAnchor="middle">
          {formatNumber(max)}
        </text>
      </svg>
      {hasName && <figcaption>{name}</figcaption>}
    </figure>
  )
}

/** Least and greatest value: configured, or a round number around the data. */
export function rangeOf({ config, series }: Pick<Reading, 'config' | 'series'>): {
  min: number
  max: number
} {
  if (config.min !== undefined && config.max !== undefined)
    return { min: config.min, max: config.max }
  const isPercent = config.unit === 'percent' || config.unit === 'humidity'
  const present = series.values.filter((value): value is number => value !== null)
  const high = Math.max(0, ...present)
  const low = Math.min(0, ...present)
  const size = 10 ** Math.floor(Math.log10(high || 1))
  return {
    min: config.min ?? (isPercent ? 0 : low),
    max: config.max ?? (isPercent ? 100 : Math.ceil(high / size) * size || 1),
  }
}

function bandsOf(
  { thresholds }: FieldConfig,
  min: number,
  max: number,
): { from: number; to: number; tone: string }[] {
  return thresholds.steps
    .map((step, index) => ({
      from: Math.max(min, absolute(step.value, thresholds, min, max)),
      to: Math.min(
        max,
        absolute(
          thresholds.steps[index + 1]?.value ?? Number.POSITIVE_INFINITY,
          thresholds,
          min,
          max,
        ),
      ),
      tone: toneOf(step.color),
    }))
    .filter(({ from, to, tone }) => to > from && tone !== 'neutral')
}

function point(x: number, y: number, radius: number, part: number): [number, number] {
  const angle = ((startAngle + sweep * part) * Math.PI) / 180
  return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)]
}

function arc(x: number, y: number, radius: number, from: number, to: number): string {
  if (to <= from) return ''
  const [x0, y0] = point(x, y, radius, from)
  const [x1, y1] = point(x, y, radius, to)
  const large = (to - from) * sweep > 180 ? 1 : 0
  return `M${x0.toFixed(2)} ${y0.toFixed(2)}A${radius} ${radius} 0 ${large} 1 ${x1.toFixed(2)} ${y1.toFixed(2)}`
}
