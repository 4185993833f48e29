import { useEffect, useLayoutEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { formatNumber, formatValue } from '../../src/model/units.ts'
import { shortDateText, timeText } from '../lib/format.ts'
import { faded, type Palette, usePalette } from '../ui/colors.ts'

/** One line, bar or row of points of a chart. */
export interface ChartLine {
  readonly key: string
  readonly name: string
  readonly color: string
  readonly values: readonly (number | null | undefined)[]
  readonly isHidden: boolean
  readonly style: 'line' | 'bars' | 'points'
  readonly width: number
  /** Of the area below, 0 to 1. */
  readonly fill: number
  readonly dash: readonly number[] | undefined
  readonly step: 'none' | 'before' | 'after'
  readonly hasPoints: boolean
  readonly pointSize: number
  readonly spansGaps: boolean
  readonly isRight: boolean
}

export interface ChartLimit {
  readonly value: number
  readonly tone: 'warn' | 'critical' | 'neutral' | 'ok'
}

export interface ChartProps {
  readonly width: number
  readonly height: number
  readonly times: readonly number[]
  readonly lines: readonly ChartLine[]
  readonly fromMs: number
  readonly toMs: number
  readonly unit: string
  readonly unitRight?: string
  readonly decimals?: number | undefined
  readonly min?: number | undefined
  readonly max?: number | undefined
  readonly limits?: readonly ChartLimit[]
  readonly hasAxes?: boolean
  /** Charts with the same group share the crosshair. */
  readonly group?: string
  readonly label: string
  onRange?(fromMs: number, toMs: number): void
  onZoomOut?(): void
  /** The row under the pointer, and the line that is nearest to it. */
  onCursor?(row: number | undefined, line: number | undefined): void
  tooltip?(row: number, line: number): { time: string; name: string; value: string; color: string }
}

/**
 * Lines over time on a canvas: horizontal hairlines only, the last point marked, gaps stay gaps,
 * headroom above the data. Dragging chooses a range, a double click widens it.
 */
export function LineChart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const tip = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | undefined>(undefined)
  const latest = useRef(props)
  latest.current = props
  const palette = usePalette()
  const shape = JSON.stringify([
    props.lines.map(({ key, color, style, width, fill, dash, step, hasPoints, isRight }) => [
      key,
      color,
      style,
      width,
      fill,
      dash,
      step,
      hasPoints,
      isRight,
    ]),
    props.unit,
    props.unitRight,
    props.limits,
    props.group,
    props.hasAxes,
    props.min,
    props.max,
  ])

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const plot = new uPlot(optionsOf(latest, palette, tip), dataOf(latest.current), element)
    chart.current = plot
    const over = plot.over
    over.addEventListener('dblclick', () => latest.current.onZoomOut?.())
    return () => {
      plot.destroy()
      chart.current = undefined
    }
  }, [shape, palette])

  useEffect(() => {
    chart.current?.setSize({ width: props.width, height: props.height })
  }, [props.width, props.height])

  useEffect(() => {
    const plot = chart.current
    if (!plot) return
    plot.batch(() => {
      latest.current.lines.forEach((line, index) => {
        const series = plot.series[index + 1]
        if (series && series.show === line.isHidden)
          plot.setSeries(index + 1, { show: !line.isHidden })
      })
      plot.setData(dataOf(latest.current), true)
    })
  }, [props.times, props.lines, props.fromMs, props.toMs])

  return (
    <div className="chart" ref={box} role="img" aria-label={props.label}>
      <div className="chart-tip" ref={tip} hidden />
    </div>
  )
}

function dataOf({ times, lines }: ChartProps): uPlot.AlignedData {
  return [
    times.map((time) => time / 1000),
    ...lines.map((line) => line.values as (number | null | undefined)[]),
  ] as uPlot.AlignedData
}

function optionsOf(
  latest: { readonly current: ChartProps },
  palette: Palette,
  tip: { readonly current: HTMLDivElement | null },
): uPlot.Options {
  const props = latest.current
  const hasAxes = props.hasAxes !== false
  const font = '11px "Inter Variable", "IBM Plex Sans Thai", sans-serif'
  const hasRight = props.lines.some(({ isRight }) => isRight)
  const axisY = (scale: string, unit: string, side: 1 | 3): uPlot.Axis => ({
    scale,
    side,
    show: hasAxes,
    stroke: palette.ink3,
    font,
    gap: 6,
    ticks: { show: false },
    grid: side === 3 ? { stroke: palette.line, width: 1 } : { show: false },
    space: 34,
    ...(/^k?bytes$|^bits$|ibps$|^[KMG]iBs$/.test(unit) ? { incrs: binarySteps } : {}),
    size: (plot, values) => {
      if (!values || values.length === 0) return 36
      plot.ctx.font = font.replace('11px', `${11 * devicePixelRatio}px`)
      const widest = Math.max(...values.map((value) => plot.ctx.measureText(value).width))
      return Math.ceil(widest / devicePixelRatio) + 12
    },
    values: (_, splits) => axisTexts(splits, unit),
  })
  return {
    width: props.width,
    height: props.height,
    padding: hasAxes ? [10, hasRight ? 0 : 10, 0, 0] : [2, 4, 2, 4],
    legend: { show: false },
    focus: { alpha: 0.35 },
    scales: {
      x: { time: true, range: () => [latest.current.fromMs / 1000, latest.current.toMs / 1000] },
      y: { range: (plot, low, high) => yRange(plot, low, high, latest.current) },
      right: {
        range: (plot, low, high) =>
          yRange(plot, low, high, { ...latest.current, min: undefined, max: undefined }),
      },
    },
    axes: [
      {
        show: hasAxes,
        stroke: palette.ink3,
        font,
        gap: 4,
        size: 24,
        space: 72,
        grid: { show: false },
        ticks: { stroke: palette.line, width: 1, size: 4 },
        values: (_, splits, _axis, _space, increment) =>
          splits.map((split) =>
            increment >= 86_400
              ? shortDateText(split * 1000)
              : timeText(split * 1000, increment < 60),
          ),
      },
      axisY('y', props.unit, 3),
      ...(hasRight ? [axisY('right', props.unitRight ?? props.unit, 1)] : []),
    ],
    cursor: {
      y: false,
      points: { size: 8, width: 1.5, fill: palette.surface },
      focus: { prox: 24 },
      drag: { x: props.onRange !== undefined, y: false, dist: 6 },
      ...(props.group === undefined
        ? {}
        : { sync: { key: props.group, setSeries: false, scales: ['x', null] } }),
    },
    series: [{}, ...props.lines.map((line) => seriesOptions(line, palette))],
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width } = plot.select
          if (width < 6) return
          const from = plot.posToVal(left, 'x') * 1000
          const to = plot.posToVal(left + width, 'x') * 1000
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          latest.current.onRange?.(Math.round(from), Math.round(to))
        },
      ],
      setCursor: [
        (plot) => {
          const row =
            plot.cursor.left === undefined || plot.cursor.left < 0 ? undefined : plot.cursor.idx
          latest.current.onCursor?.(row ?? undefined, undefined)
          showTip(plot, latest.current, tip.current)
        },
      ],
      drawAxes: [(plot) => drawLimits(plot, latest.current.limits ?? [], palette)],
      draw: [(plot) => drawLast(plot, latest.current.lines)],
    },
  }
}

function seriesOptions(line: ChartLine, palette: Palette): uPlot.Series {
  const paths = uPlot.paths
  const drawing =
    line.style === 'bars'
      ? paths.bars?.({ size: [0.7, 24], align: 0 })
      : line.step === 'none'
        ? paths.linear?.()
        : paths.stepped?.({ align: line.step === 'after' ? 1 : -1 })
  return {
    label: line.name,
    show: !line.isHidden,
    scale: line.isRight ? 'right' : 'y',
    stroke: line.color,
    width: line.style === 'points' ? 0 : line.width,
    spanGaps: line.spansGaps,
    ...(line.dash ? { dash: [...line.dash] } : {}),
    ...(line.fill > 0 ? { fill: faded(line.color, line.fill) } : {}),
    ...(drawing ? { paths: line.style === 'points' ? () => null : drawing } : {}),
    points: {
      show: line.hasPoints || line.style === 'points',
      size: line.pointSize,
      width: 0,
      stroke: palette.surface,
      fill: line.color,
    },
  }
}

/** Data with headroom above; limits that were configured hold unless data goes beyond them. */
function yRange(
  _plot: uPlot,
  low: number | null,
  high: number | null,
  { min, max }: Pick<ChartProps, 'min' | 'max'>,
): [number, number] {
  if (low === null || high === null) return [min ?? 0, max ?? 1]
  const span = high - low || Math.abs(high) * 0.1 || 1
  const bottom = low >= 0 && low - span * 0.08 < 0 ? 0 : low - span * 0.08
  return [min ?? bottom, max ?? high + span * 0.14]
}

// Bytes are counted in powers of two, and so is their axis.
const binarySteps = Array.from({ length: 50 }, (_, power) => 2 ** power)

/** Axis texts with as many decimals as tell neighbours apart, and the unit's prefix. */
function axisTexts(splits: readonly number[], unit: string): string[] {
  const gap = Math.abs((splits[1] ?? 1) - (splits[0] ?? 0))
  return splits.map((split) => {
    const formatted = formatValue(split, unit)
    const isScaled =
      !/^[\d,.-]*$/.test(formatted.text) ||
      /^[kMGTPm]|i?B|µ|^(?:s|min|h|d|ms|ns)$/.test(formatted.suffix)
    if (isScaled) return `${formatted.text}${formatted.suffix === '' ? '' : ` ${formatted.suffix}`}`
    const decimals = Math.max(0, Math.min(4, -Math.floor(Math.log10(gap || 1))))
    const factor = unit === 'percentunit' ? 100 : 1
    return formatNumber(split * factor, gap >= 1 || factor > 1 ? 0 : decimals)
  })
}

function drawLimits(plot: uPlot, limits: readonly ChartLimit[], palette: Palette): void {
  const { ctx, bbox } = plot
  for (const { value, tone } of limits) {
    const y = plot.valToPos(value, 'y', true)
    if (y < bbox.top || y > bbox.top + bbox.height || tone === 'neutral') continue
    ctx.save()
    ctx.strokeStyle = tone === 'critical' ? palette.critical : palette.warn
    ctx.lineWidth = devicePixelRatio
    ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio])
    ctx.beginPath()
    ctx.moveTo(bbox.left, Math.round(y))
    ctx.lineTo(bbox.left + bbox.width, Math.round(y))
    ctx.stroke()
    ctx.restore()
  }
}

/** Marks the newest point of each line: where the water is now. */
function drawLast(plot: uPlot, lines: readonly ChartLine[]): void {
  const { ctx, bbox } = plot
  lines.forEach((line, index) => {
    if (line.isHidden || line.style !== 'line') return
    const values = plot.data[index + 1]!
    let row = values.length - 1
    while (row >= 0 && typeof values[row] !== 'number') row--
    const value = values[row]
    if (typeof value !== 'number') return
    const x = plot.valToPos(plot.data[0][row]!, 'x', true)
    const y = plot.valToPos(value, line.isRight ? 'right' : 'y', true)
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return
    ctx.save()
    ctx.fillStyle = line.color
    ctx.beginPath()
    ctx.arc(x, y, 2.5 * devicePixelRatio, 0, Math.PI * 2)
    ctx.fill()
    ctx.restore()
  })
}

/** Names the line under the pointer only, beside it and never over it. */
function showTip(plot: uPlot, props: ChartProps, tip: HTMLDivElement | null): void {
  if (!tip) return
  const { left = -1, top = -1, idx } = plot.cursor
  const nearest =
    left < 0 || top < 0 || idx == null ? undefined : nearestLine(plot, props, idx, top)
  if (nearest === undefined || idx == null || !props.tooltip) {
    tip.hidden = true
    return
  }
  const { time, name, value, color } = props.tooltip(idx, nearest)
  const parts = [
    document.createElement('small'),
    document.createElement('i'),
    document.createElement('span'),
    document.createElement('b'),
  ]
  parts[0]!.textContent = time
  parts[1]!.style.background = color
  parts[2]!.textContent = name
  parts[3]!.textContent = value
  tip.replaceChildren(...parts)
  tip.hidden = false
  const width = tip.offsetWidth
  const x = plot.over.offsetLeft + left
  const isLeft = x + width + 16 > props.width
  const y = plot.over.offsetTop + top
  const above = y - tip.offsetHeight - 14
  tip.style.transform = `translate(${Math.max(0, isLeft ? x - width - 14 : x + 14)}px, ${above < 0 ? y + 18 : above}px)`
}

function nearestLine(
  plot: uPlot,
  { lines }: ChartProps,
  row: number,
  top: number,
): number | undefined {
  let best: number | undefined
  let bestDistance = 28
  lines.forEach((line, index) => {
    const value = plot.data[index + 1]?.[row]
    if (line.isHidden || typeof value !== 'number') return
    const distance = Math.abs(plot.valToPos(value, line.isRight ? 'right' : 'y') - top)
    if (distance < bestDistance) {
      best = index
      bestDistance = distance
    }
  })
  return best
}
