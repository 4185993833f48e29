import { type MouseEvent, useCallback, useMemo, useState } from 'react'
import { applyOverrides } from '../../src/model/field-config.ts'
import { alignSeries, calculate, seriesOf } from '../../src/model/series.ts'
import { absolute, toneOf } from '../../src/model/thresholds.ts'
import { formatText, formatValue } from '../../src/model/units.ts'
import { type TextKey, useText } from '../i18n/index.ts'
import { useNow } from '../lib/clock.ts'
import { timeText } from '../lib/format.ts'
import { setParams, usePlace } from '../lib/router.tsx'
import { chooseRange, resolveRange, useTimeRange, zoomOut } from '../lib/time.ts'
import { usePalette } from '../ui/colors.ts'
import { useDashboard } from './context.ts'
import { type ChartLine, LineChart } from './line-chart.tsx'
import { displayName } from './readings.ts'
import type { PanelProps } from './registry.ts'
import { colorsOf } from './series-color.ts'

const linesMax = 60
const legendRow = 24

/** Lines over time with a legend that toggles them and tells values at the crosshair. */
export function TimeSeriesPanel({ panel, data, width, height }: PanelProps) {
  const text = useText()
  const { dashboard, translate } = useDashboard()
  const palette = usePalette()
  const range = useTimeRange()
  const nowMs = useNow()
  const [row, setRow] = useState<number | undefined>(undefined)
  const [hidden, toggle] = useHiddenLines(panel.id)
  const series = useMemo(() => seriesOf(data.frames).slice(0, linesMax), [data.frames])
  const aligned = useMemo(() => alignSeries(series), [series])
  const described = useMemo(() => {
    const named = series.map((one) => {
      const config = applyOverrides(panel.defaults, panel.overrides, {
        name: one.name,
        refId: one.refId,
        type: 'number',
      })
      return { config, name: displayName(config.displayName, one) }
    })
    const colors = colorsOf(named, palette)
    return named.map((one, index) => ({ ...one, color: colors[index]! }))
  }, [series, panel, palette])
  const lines: ChartLine[] = useMemo(
    () =>
      described.map(({ config, name, color }, index) => ({
        key: series[index]!.key,
        name,
        color,
        values: aligned.columns[index]!,
        isHidden: hidden.includes(name),
        style: config.custom.drawStyle,
        width: Math.max(1.5, config.custom.lineWidth),
        fill: Math.min(0.6, config.custom.fillOpacity / 100),
        // Beyond six colours the dash tells lines apart.
        dash: config.custom.dashed || index >= palette.series.length ? [6, 4] : undefined,
        step: config.custom.step,
        hasPoints: config.custom.showPoints === 'always' || series[index]!.values.length === 1,
        pointSize: config.custom.pointSize,
        spansGaps: config.custom.spanNulls,
        isRight: config.custom.axisRight,
      })),
    [described, series, aligned, hidden, palette],
  )
  // A range that moves goes on between two answers, so that time never stands still.
  const live =
    range.isMoving && panel.timeFrom === undefined
      ? resolveRange(range, Math.max(nowMs, data.toMs))
      : data
  const { legend } = panel.options
  const isTable = legend.mode === 'table'
  const isRight = legend.show && legend.placement === 'right' && width >= 520
  const legendWidth = isRight ? Math.min(340, Math.max(190, 130 + legend.calcs.length * 58)) : 0
  const bottomRows = isTable
    ? Math.min(lines.length, 6) + 1
    : Math.ceil(lines.length / Math.max(1, Math.floor(width / 170)))
  const legendHeight =
    legend.show && !isRight
      ? Math.min(bottomRows * legendRow + 6, Math.max(legendRow + 6, height * 0.4))
      : 0
  const unit = panel.defaults.unit
  const title = translate(panel.title)
  const onCursor = useCallback((next: number | undefined) => setRow(next), [])
  const right = described.find(({ config }) => config.custom.axisRight)
  return (
    <div className={isRight ? 'time-series legend-right' : 'time-series'}>
      <LineChart
        width={width - legendWidth - (isRight ? 16 : 0)}
        height={Math.max(60, height - legendHeight)}
        times={aligned.times}
        lines={lines}
        fromMs={live.fromMs}
        toMs={live.toMs}
        unit={unit}
        unitRight={right?.config.unit ?? unit}
        decimals={panel.defaults.decimals}
        min={panel.defaults.min}
        max={panel.defaults.max}
        limits={
          panel.defaults.custom.thresholdLines
            ? panel.defaults.thresholds.steps.map((step) => ({
                value: absolute(
                  step.value,
                  panel.defaults.thresholds,
                  panel.defaults.min ?? 0,
                  panel.defaults.max ?? 100,
                ),
                tone: toneOf(step.color),
              }))
            : []
        }
        group={`dashboard ${dashboard.uid}`}
        label={text('chartOf', { title })}
        onRange={chooseRange}
        onZoomOut={() => zoomOut(range)}
        onCursor={onCursor}
        tooltip={(at, line) => ({
          time: timeText(aligned.times[at] ?? 0),
          name: lines[line]?.name ?? '',
          value: formatText(
            lines[line]?.values[at],
            described[line]?.config.unit,
            described[line]?.config.decimals,
          ),
          color: lines[line]?.color ?? '',
        })}
      />
      {legend.show && (
        <Legend
          lines={lines}
          series={series}
          units={described.map(({ config }) => ({ unit: config.unit, decimals: config.decimals }))}
          calcs={legend.calcs}
          isTable={isTable || isRight}
          row={row}
          time={row === undefined ? undefined : aligned.times[row]}
          width={isRight ? legendWidth : width}
          height={isRight ? height : legendHeight}
          onToggle={toggle}
        />
      )}
    </div>
  )
}

function Legend({
  lines,
  series,
  units,
  calcs,
  isTable,
  row,
  time,
  width,
  height,
  onToggle,
}: {
  lines: readonly ChartLine[]
  series: readonly { values: readonly (number | null)[] }[]
  units: readonly { unit: string; decimals: number | undefined }[]
  calcs: readonly string[]
  isTable: boolean
  row: number | undefined
  time: number | undefined
  width: number
  height: number
  onToggle: (name: string, all: readonly string[], isSingle: boolean) => void
}) {
  const text = useText()
  const names = lines.map(({ name }) => name)
  const valueAt = (index: number): number | null => {
    const line = lines[index]!
    if (row !== undefined) return line.values[row] ?? null
    return calculate('lastNotNull', series[index]!.values)
  }
  const figure = (index: number, value: number | null): string => {
    const { unit, decimals } = units[index]!
    const { text: digits, suffix } = formatValue(value, unit, decimals)
    return /^(?:k|M|G|[KMGT]i)/.test(suffix) ? `${digits} ${suffix}` : digits
  }
  const button = (index: number) => {
    const line = lines[index]!
    return (
      <button
        type="button"
        className="legend-name"
        aria-pressed={!line.isHidden}
        title={`${line.name} · ${text('legendHint')}`}
        onClick={(event: MouseEvent) =>
          onToggle(line.name, names, event.ctrlKey || event.metaKey || event.shiftKey)
        }
      >
        <i style={{ background: line.color }} className={line.dash ? 'dashed' : ''} />
        <span>{line.name}</span>
      </button>
    )
  }
  if (!isTable)
    return (
      <ul className="legend" style={{ maxHeight: height }}>
        {lines.map((line, index) => (
          <li key={line.key} className={line.isHidden ? 'off' : ''}>
            {button(index)} <b>{figure(index, valueAt(index))}</b>
          </li>
        ))}
      </ul>
    )
  const shownCalcs = calcs.filter((calc) => calc !== 'lastNotNull' && calc !== 'last')
  const fitting = width < 300 ? shownCalcs.slice(0, 2) : shownCalcs
  return (
    <div className="legend-table" style={{ width, maxHeight: height }}>
      <table>
        <thead>
          <tr>
            <th>
              <span className="visually-hidden">{text('name')}</span>
            </th>
            <th className="figure">{time === undefined ? text('now') : timeText(time)}</th>
            {fitting.map((calc) => (
              <th key={calc} className="figure">
                {text(`calc_${calc}` as TextKey)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map((line, index) => (
            <tr key={line.key} className={line.isHidden ? 'off' : ''}>
              <td>{button(index)}</td>
              <td className="figure">
                <b>{figure(index, valueAt(index))}</b>
              </td>
              {fitting.map((calc) => (
                <td key={calc} className="figure quiet">
                  {figure(index, calculate(calc, series[index]!.values))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Which lines are hidden, kept in the address: `hide-4=iot_sensor_2`. */
function useHiddenLines(
  panelId: number,
): [readonly string[], (name: string, all: readonly string[], isSingle: boolean) => void] {
  const { params } = usePlace()
  const key = `hide-${panelId}`
  const written = params.getAll(key).join('\n')
  const hidden = useMemo(() => (written === '' ? [] : written.split('\n')), [written])
  return [
    hidden,
    (name, all, isSingle) => {
      let next: readonly string[]
      if (isSingle)
        next = hidden.includes(name) ? hidden.filter((each) => each !== name) : [...hidden, name]
      else {
        const others = all.filter((each) => each !== name)
        const isAlone = !hidden.includes(name) && others.every((each) => hidden.includes(each))
        next = isAlone ? [] : others
      }
      setParams({ [key]: next.length === 0 ? null : next }, { replace: true })
    },
  ]
}
