import { displayOf } from '../../src/model/thresholds.ts'
import { formatNumber } from '../../src/model/units.ts'
import { useText } from '../i18n/index.ts'
import { duration } from '../lib/duration.ts'
import { Sparkline } from '../ui/sparkline.tsx'
import { useDashboard } from './context.ts'
import { type Reading, readingsOf } from './readings.ts'
import type { PanelProps } from './registry.ts'

const shownMax = 24

/** A large figure with one line of context and a sparkline; several series share the box. */
export function StatPanel({ panel, data, width, height }: PanelProps) {
  const readings = readingsOf(panel, data.frames).slice(0, shownMax)
  const isAlone = readings.length === 1
  const columns = isAlone
    ? 1
    : panel.options.orientation === 'horizontal'
      ? 1
      : Math.max(1, Math.min(readings.length, Math.floor(width / 130)))
  return (
    <div className="stats" style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}>
      {readings.map((reading) => (
        <Stat
          key={reading.key}
          reading={reading}
          panel={panel}
          spanMs={data.toMs - data.fromMs}
          isAlone={isAlone}
          hasRoom={height / Math.ceil(readings.length / columns) >= 64}
        />
      ))}
    </div>
  )
}

function Stat({
  reading,
  panel,
  spanMs,
  isAlone,
  hasRoom,
}: {
  reading: Reading
  panel: PanelProps['panel']
  spanMs: number
  isAlone: boolean
  hasRoom: boolean
}) {
  const { translate } = useDashboard()
  const { value, series, config, name } = reading
  const shown = displayOf(value, config)
  const { textMode, graphMode, colorMode } = panel.options
  const tone = colorMode === 'none' ? 'neutral' : shown.tone
  const hasGraph = graphMode === 'area' && series.values.length > 1
  const showsName =
    textMode === 'name' || textMode === 'value_and_name' || (!isAlone && textMode !== 'value')
  // One accent per row: the panel that the dashboard gives a colour of its own.
  const isAccent = config.fixedColor !== undefined
  return (
    <div className={`stat tone-${tone}`}>
      {showsName && <div className="stat-name">{name}</div>}
      {textMode !== 'name' && textMode !== 'none' && (
        <div className="stat-figure">
          {panel.options.prefix || shown.prefix}
          {shown.text}
          <small>{panel.options.postfix || shown.suffix}</small>
        </div>
      )}
      {hasRoom && (
        <p className="stat-context">
          {panel.description !== '' && isAlone ? (
            translate(panel.description)
          ) : hasGraph ? (
            <Context reading={reading} spanMs={spanMs} />
          ) : null}
        </p>
      )}
      {hasGraph && <Sparkline values={series.values} accent={isAccent} />}
    </div>
  )
}

/** How the value moved over the range that is shown. */
function Context({ reading, spanMs }: { reading: Reading; spanMs: number }) {
  const text = useText()
  const { series, config } = reading
  const present = series.values.filter((value): value is number => value !== null)
  const first = present[0]
  const last = present.at(-1)
  if (first === undefined || last === undefined) return null
  const low = Math.min(...present)
  const high = Math.max(...present)
  const change = last - first
  const digits = config.decimals ?? (high - low < 10 ? 1 : 0)
  const isSteady = Math.abs(change) < Math.max(Math.abs(high), 1e-9) * 0.002
  const moved = isSteady
    ? text('steady')
    : text('changeIn', {
        change: `${change > 0 ? '+' : '−'}${formatNumber(Math.abs(change), digits)}`,
        duration: duration(spanMs),
      })
  const range = text('rangeOf', { from: formatNumber(low, digits), to: formatNumber(high, digits) })
  return (
    <>
      {moved} · {range}
    </>
  )
}
