import type { HistoryPoint } from '../../../src/model/flow-rates.ts'
import { useNow } from '../../lib/clock.ts'
import { flowRates } from '../../lib/live.ts'
import { type ChartLine, LineChart } from '../../panels/line-chart.tsx'
import { useBox } from '../../panels/panel-data.ts'
import { usePalette } from '../../ui/colors.ts'

const pointsMax = 600

/** One figure of the running system since this page was opened, half an hour at most. */
export function HistoryChart({
  read,
  label,
  unit,
  tone = 'neutral',
}: {
  read: (point: HistoryPoint) => number
  label: string
  unit: string
  tone?: 'neutral' | 'warn'
}) {
  const palette = usePalette()
  const box = useBox<HTMLDivElement>()
  const nowMs = useNow()
  const step = Math.ceil(flowRates.history.length / pointsMax)
  const points = flowRates.history.filter(
    (_, index, { length }) => (length - 1 - index) % step === 0,
  )
  const firstMs = points[0]?.atMs ?? nowMs
  const color = tone === 'warn' ? palette.warn : palette.accent
  const line: ChartLine = {
    key: label,
    name: label,
    color,
    values: points.map(read),
    isHidden: false,
    style: 'line',
    width: 1.5,
    fill: 0.14,
    dash: undefined,
    step: 'none',
    hasPoints: false,
    pointSize: 4,
    spansGaps: true,
    isRight: false,
  }
  return (
    <div className="history-chart" ref={box.ref}>
      {box.width > 0 && (
        <LineChart
          width={box.width}
          height={96}
          times={points.map(({ atMs }) => atMs)}
          lines={[line]}
          fromMs={Math.min(firstMs, nowMs - 60_000)}
          toMs={Math.max(nowMs, points.at(-1)?.atMs ?? 0)}
          unit={unit === '/s' ? 'short' : unit}
          min={0}
          label={label}
        />
      )}
    </div>
  )
}
