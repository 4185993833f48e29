import { useMemo, useState } from 'react'
import type { SensorNow } from '../../src/model/platform.ts'
import { type AnswerFrame, seriesOf } from '../../src/model/series.ts'
import { formatText } from '../../src/model/units.ts'
import { type TextKey, useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { useNow } from '../lib/clock.ts'
import { useDevices } from '../lib/devices.ts'
import { ago, duration } from '../lib/duration.ts'
import { countText, dateTimeText, rateText } from '../lib/format.ts'
import { sensorsStore } from '../lib/live.ts'
import { useQuery } from '../lib/query.ts'
import { go, hrefTo, Link, useParam, usePlace } from '../lib/router.tsx'
import { useMay } from '../lib/session.ts'
import { useSetup } from '../lib/setup.ts'
import { useStore } from '../lib/store.ts'
import { resolveRange, useTimeRange } from '../lib/time.ts'
import { type ChartLine, LineChart } from '../panels/line-chart.tsx'
import { useBox } from '../panels/panel-data.ts'
import { usePalette } from '../ui/colors.ts'
import { CopyId } from '../ui/copy.tsx'
import { Empty, Tag } from '../ui/faces.tsx'
import { FilterField } from '../ui/filter-field.tsx'
import { frameCommand } from '../ui/frame-command.ts'
import { Icon } from '../ui/icons.tsx'
import { useTitle } from '../ui/place-title.ts'
import { SendOwn } from '../ui/send-own.tsx'
import { Sparkline } from '../ui/sparkline.tsx'
import { type Level, StateMark } from '../ui/state-mark.tsx'
import { UsePhone } from '../ui/use-phone.tsx'
import { CommandList } from './commands/commands.tsx'
import { SensorCommands } from './commands/sensor-commands.tsx'
import { AddDeviceDialog } from './devices/add-device.tsx'
import { DeviceList } from './devices/devices.tsx'

const measures = [
  { name: 'temperature', unit: 'celsius', decimals: 1 },
  { name: 'humidity', unit: 'humidity', decimals: 0 },
  { name: 'pressure', unit: 'pressurehpa', decimals: 1 },
  { name: 'luminosity', unit: 'lux', decimals: undefined },
] as const

type Condition = 'live' | 'late' | 'silent' | 'unknown'

const levels: Readonly<Record<Condition, Level>> = {
  live: 'ok',
  late: 'warn',
  silent: 'critical',
  unknown: 'idle',
}

const conditionTexts: Readonly<Record<Condition, TextKey>> = {
  live: 'sensorLive',
  late: 'sensorLate',
  silent: 'sensorSilent',
  unknown: 'sensorUnknown',
}

const lateMs = 5_000
const silentMs = 30_000
const rowsMax = 400

interface Row extends SensorNow {
  readonly condition: Condition
  readonly history: readonly (number | null)[]
}

/** Who sends, who is silent, and who may send. */
export function SensorsPlace({ rest }: { rest: string[] }) {
  const text = useText()
  useTitle(text('sensors'))
  const [tab] = useParam('tab')
  const [isAdding, setAdding] = useState(false)
  const mayEdit = useMay('editor')
  const rows = useRows()
  const { data: devices } = useDevices()
  const perSecond = rows.reduce((total, row) => total + row.rate, 0)
  const tabs = [
    { id: '', name: text('sensors'), count: rows.length },
    { id: 'devices', name: text('devices'), count: devices?.length ?? 0 },
    { id: 'commands', name: text('deviceCommands'), count: undefined },
  ]
  return (
    <>
      <header className="place-head">
        <h1>{text('sensors')}</h1>
        <span className="bar-space" />
        <span className="quiet">{rateText(perSecond)}</span>
        {mayEdit && devices && (
          <button type="button" className="button primary" onClick={() => setAdding(true)}>
            <Icon name="plus" size={14} /> {text('deviceAdd')}
          </button>
        )}
      </header>
      <nav className="tabs place-tabs" aria-label={text('sensors')}>
        {tabs.map(({ id, name, count }) => (
          <Link
            key={id}
            to={hrefTo('/sensors', id === '' ? {} : { tab: id })}
            aria-current={tab === id ? 'page' : undefined}
          >
            {name} {count !== undefined && <small>{countText(count)}</small>}
          </Link>
        ))}
      </nav>
      {tab === 'devices' ? (
        <DeviceList />
      ) : tab === 'commands' ? (
        <CommandList />
      ) : (
        <SensorList rows={rows} rest={rest} />
      )}
      {isAdding && <AddDeviceDialog onClose={() => setAdding(false)} />}
    </>
  )
}

/** What is heard: from the sensors' own frames, with history from Prometheus. */
function SensorList({ rows, rest }: { rows: readonly Row[]; rest: readonly string[] }) {
  const text = useText()
  const setup = useSetup()
  const { params } = usePlace()
  const [filter, setFilter] = useParam('q')
  const [condition, setCondition] = useParam('state')
  const live = useStore(sensorsStore)
  const words = filter.trim().toLowerCase()
  const matching = rows.filter(
    (row) =>
      words === '' ||
      [row.id, row.name, row.placeId].some((each) => each.toLowerCase().includes(words)),
  )
  const shown = matching.filter((row) => condition === '' || row.condition === condition)
  const selected = rows.find((row) => row.id === rest[0]) ?? undefined
  const range = useTimeRange()
  const { fromMs, toMs } = resolveRange(range, Date.now())
  const chips = [
    { condition: '', name: text('all'), level: undefined, count: matching.length },
    ...(['live', 'late', 'silent', 'unknown'] as const).map((each) => ({
      condition: each as string,
      name: text(conditionTexts[each]),
      level: levels[each],
      count: matching.filter((row) => row.condition === each).length,
    })),
  ].filter((chip) => chip.condition !== 'unknown' || chip.count > 0)
  return (
    <div className="two-columns">
      <section className="panel" aria-label={text('sensors')}>
        <div className="toolbar">
          <FilterField label={text('filterSensors')} value={filter} onChange={setFilter} />
          <div className="chips">
            {chips.map((chip) => (
              <button
                key={chip.condition}
                type="button"
                className="chip"
                aria-pressed={condition === chip.condition}
                onClick={() => setCondition(chip.condition)}
              >
                {chip.level && <StateMark level={chip.level} />} {chip.name}{' '}
                <span className="quiet">{chip.count}</span>
              </button>
            ))}
          </div>
        </div>
        {(live.error !== '' || live.thinned || live.unreadable > 0) && (
          <p className="toolbar-note">
            {live.error !== '' && (
              <Tag tone="warn">{text('tailFailed', { error: live.error })}</Tag>
            )}
            {live.thinned && <Tag tone="warn">{text('thinnedFrames')}</Tag>}
            {live.unreadable > 0 && (
              <Tag tone="critical">{text('unreadableFrames', { count: live.unreadable })}</Tag>
            )}
          </p>
        )}
        {rows.length === 0 ? (
          <div className="pad">
            <Empty
              title={text('noSensors')}
              hint={text('noSensorsHint')}
              command={frameCommand(setup, 'mosquitto')}
            />
          </div>
        ) : shown.length === 0 ? (
          <div className="pad">
            <Empty title={text('noSensorsMatch')}>
              <button
                type="button"
                className="button small"
                onClick={() => {
                  setFilter('')
                  setCondition('')
                }}
              >
                {text('clearFilter')}
              </button>
            </Empty>
          </div>
        ) : (
          <table className="sensor-table">
            <thead>
              <tr>
                <th>{text('columnState')}</th>
                <th>{text('columnSensor')}</th>
                <th className="wide">{text('columnPlace')}</th>
                <th className="figure">{text('columnLastSeen')}</th>
                <th className="figure">{text('columnRate')}</th>
                <th className="figure wide">{text('columnLost')}</th>
                <th className="figure wide">{text('columnDuplicates')}</th>
                <th>
                  {text('columnMeasure', {
                    measure: text('temperature'),
                    duration: duration(toMs - fromMs),
                  })}
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.slice(0, rowsMax).map((row) => (
                <SensorRow
                  key={row.id}
                  row={row}
                  isSelected={row.id === selected?.id}
                  search={params.toString()}
                />
              ))}
            </tbody>
          </table>
        )}
      </section>
      <aside className="side">
        {selected && <SensorDetail row={selected} />}
        {selected && <SensorCommands key={selected.id} sensor={selected} />}
        <section className="panel pad">
          <header>
            <h2>{text('sendYourOwn')}</h2>
          </header>
          <SendOwn />
        </section>
        <section className="panel pad">
          <header>
            <h2>{text('phoneUse')}</h2>
          </header>
          <UsePhone />
        </section>
      </aside>
    </div>
  )
}

function SensorRow({ row, isSelected, search }: { row: Row; isSelected: boolean; search: string }) {
  const text = useText()
  const nowMs = useNow()
  const level = levels[row.condition]
  const tone = level === 'ok' || level === 'idle' ? '' : level
  const href = `/sensors/${encodeURIComponent(row.id)}${search === '' ? '' : `?${search}`}`
  return (
    <tr className="clickable" aria-selected={isSelected} onClick={() => go(href)}>
      <td className={`sensor-state ${tone}`}>
        <span>
          <StateMark level={level} /> {text(conditionTexts[row.condition])}
        </span>
      </td>
      <td className="sensor-name">
        <Link to={href} onClick={(event) => event.stopPropagation()}>
          {row.name}
        </Link>{' '}
        <CopyId id={row.id} />
      </td>
      <td className="wide mono quiet">{row.placeId}</td>
      <td
        className={`figure ${tone}`}
        title={row.lastSeenMs > 0 ? dateTimeText(row.lastSeenMs) : ''}
      >
        {row.lastSeenMs > 0 ? ago(Math.max(0, nowMs - row.lastSeenMs)) : text('never')}
      </td>
      <td className={`figure sensor-rate ${row.rate === 0 ? 'quiet' : ''}`}>
        {row.rate.toFixed(2)}
      </td>
      <td className={`figure wide ${row.lost ? 'critical' : 'quiet'}`}>{row.lost ?? '–'}</td>
      <td className={`figure wide ${row.duplicates ? '' : 'quiet'}`}>{row.duplicates ?? '–'}</td>
      <td className="sensor-trend">
        <Sparkline values={row.history} accent={row.condition === 'live'} area={false} />
        <b>{formatText(row.values.temperature, 'celsius', 1)}</b>
      </td>
    </tr>
  )
}

/** Sensors that were heard, joined with those that only Prometheus remembers. */
function useRows(): Row[] {
  const { sensors } = useStore(sensorsStore)
  const nowMs = useNow()
  const { series } = useHistory('sample_sensor_metric_temperature', 120)
  return useMemo(() => {
    const history = new Map(series.map((one) => [one.labels.sensor_id ?? '', one]))
    const rows: Row[] = [...sensors.values()].map((sensor) => {
      const quietMs = nowMs - sensor.lastSeenMs
      const usualMs = sensor.rate > 0 ? 1000 / sensor.rate : 1000
      return {
        ...sensor,
        // What a sensor sends seldom is late later.
        condition:
          quietMs < Math.max(lateMs, usualMs * 3) ? 'live' : quietMs < silentMs ? 'late' : 'silent',
        history: history.get(sensor.id)?.values ?? [],
      }
    })
    for (const [id, one] of history)
      if (id !== '' && !sensors.has(id)) {
        const last = one.values.findLastIndex((value) => value !== null)
        rows.push({
          id,
          name: one.labels.sensor_name ?? id,
          placeId: one.labels.place_id ?? '',
          lastSeenMs: 0,
          rate: 0,
          frames: 0,
          values: last < 0 ? {} : { temperature: one.values[last] ?? 0 },
          condition: 'unknown',
          history: one.values,
        })
      }
    return rows.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))
  }, [sensors, series, nowMs])
}

/** Series of one query over the chosen range, coarse enough for small drawings. */
function useHistory(expr: string, points: number) {
  const setup = useSetup()
  const range = useTimeRange()
  const { fromMs, toMs } = resolveRange(range, Date.now())
  const intervalMs = Math.max(1_000, Math.round((toMs - fromMs) / points / 1000) * 1000)
  const { data } = useQuery(
    setup?.configured.prometheus
      ? `history ${expr} ${range.from} ${range.to} ${points}`
      : undefined,
    async (signal) => {
      const now = resolveRange(range, Date.now())
      const answer = await ask<{ results: Record<string, { frames?: AnswerFrame[] }> }>(
        '/api/ds/query',
        {
          method: 'POST',
          signal,
          body: {
            queries: [
              {
                refId: 'A',
                datasource: { uid: 'prometheus' },
                expr,
                intervalMs,
                legendFormat: '{{sensor_name}}',
              },
            ],
            from: String(Math.round(now.fromMs)),
            to: String(Math.round(now.toMs)),
          },
        },
      )
      return { frames: answer.results.A?.frames ?? [], ...now }
    },
    range.refreshMs === 0 ? 0 : Math.max(2_000, intervalMs / 2),
  )
  const series = useMemo(() => seriesOf(data?.frames ?? []), [data])
  return { series, fromMs: data?.fromMs ?? fromMs, toMs: data?.toMs ?? toMs }
}

/** One sensor: its four measures over the range, and what its frames say. */
function SensorDetail({ row }: { row: Row }) {
  const text = useText()
  const palette = usePalette()
  const box = useBox<HTMLDivElement>()
  const [measure, setMeasure] = useState<(typeof measures)[number]>(measures[0])
  const { series, fromMs, toMs } = useHistory(
    `sample_sensor_metric_${measure.name}{sensor_id=${JSON.stringify(row.id)}}`,
    200,
  )
  const one = series[0]
  const line: ChartLine = {
    key: measure.name,
    name: text(measure.name),
    color: palette.series[0]!,
    values: one?.values ?? [],
    isHidden: false,
    style: 'line',
    width: 1.5,
    fill: 0,
    dash: undefined,
    step: 'none',
    hasPoints: (one?.values.length ?? 0) < 3,
    pointSize: 4,
    spansGaps: false,
    isRight: false,
  }
  return (
    <section className="panel pad sensor-detail" aria-label={row.name}>
      <header>
        <h2>{row.name}</h2>
        <Link
          className="quiet-link"
          to={hrefTo('/explore', {
            q: `{__name__=~"sample_sensor_metric_.+",sensor_id="${row.id}"}`,
          })}
        >
          {text('openInExplore')} <Icon name="right" size={12} />
        </Link>
      </header>
      <div className="tabs" role="tablist" aria-label={row.name}>
        {measures.map((each) => (
          <button
            key={each.name}
            type="button"
            role="tab"
            aria-selected={each === measure}
            onClick={() => setMeasure(each)}
          >
            {text(each.name)}
          </button>
        ))}
      </div>
      <div ref={box.ref} className="detail-chart">
        {box.width > 0 && (
          <LineChart
            width={box.width}
            height={150}
            times={one?.times ?? []}
            lines={[line]}
            fromMs={fromMs}
            toMs={toMs}
            unit={measure.unit}
            label={text('chartOf', { title: `${row.name}, ${text(measure.name)}` })}
          />
        )}
      </div>
      <dl className="pairs">
        {measures.map((each) => (
          <div key={each.name}>
            <dt>{text(each.name)}</dt>
            <dd>{formatText(row.values[each.name], each.unit, each.decimals)}</dd>
          </div>
        ))}
        <div>
          <dt>id</dt>
          <dd>
            <CopyId id={row.id} />
          </dd>
        </div>
        <div>
          <dt>{text('columnPlace')}</dt>
          <dd>
            <CopyId id={row.placeId} />
          </dd>
        </div>
        <div>
          <dt>{text('framesHeard')}</dt>
          <dd>{countText(row.frames)}</dd>
        </div>
      </dl>
    </section>
  )
}
