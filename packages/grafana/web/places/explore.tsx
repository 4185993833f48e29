import { useEffect, useMemo, useState } from 'react'
import { type AnswerFrame, alignSeries, calculate, seriesOf } from '../../src/model/series.ts'
import { formatText } from '../../src/model/units.ts'
import { useText } from '../i18n/index.ts'
import { ApiError, ask } from '../lib/api.ts'
import { timeText } from '../lib/format.ts'
import { remember, remembered } from '../lib/preferences.ts'
import { useQuery } from '../lib/query.ts'
import { useParam } from '../lib/router.tsx'
import { useSetup } from '../lib/setup.ts'
import { chooseRange, resolveRange, useTimeRange, zoomOut } from '../lib/time.ts'
import { type ChartLine, LineChart } from '../panels/line-chart.tsx'
import { niceStep, useBox } from '../panels/panel-data.ts'
import { usePalette } from '../ui/colors.ts'
import { Empty, Failure, PlaceFace, Skeleton } from '../ui/faces.tsx'
import { useTitle } from '../ui/place-title.ts'
import { QueryForm } from '../ui/query-form.tsx'

const examples = [
  'sample_sensor_metric_temperature',
  'avg by (place_id) (sample_sensor_metric_temperature)',
  'max_over_time(sample_sensor_metric_humidity[5m])',
  'up',
]
const linesMax = 40

/** An ad-hoc question in PromQL, as graph and table. */
export function ExplorePlace(_: { rest: string[] }) {
  const text = useText()
  useTitle(text('explore'))
  const setup = useSetup()
  const [query, setQuery] = useParam('q')
  const [draft, setDraft] = useState(query)
  useEffect(() => setDraft(query), [query])
  const history = readHistory()
  const pick = (next: string): void => {
    setDraft(next)
    setQuery(next.trim())
    if (next.trim() !== '')
      remember(
        'asked',
        JSON.stringify(
          [next.trim(), ...history.filter((each) => each !== next.trim())].slice(0, 12),
        ),
      )
  }
  if (setup && !setup.configured.prometheus)
    return (
      <>
        <header className="place-head">
          <h1>{text('explore')}</h1>
        </header>
        <PlaceFace
          part="Prometheus"
          setting="grafana: { prometheus: http://127.0.0.1:9090 }"
          error={new ApiError('', 503, 'GRAFANA_NOT_CONFIGURED')}
          onRetry={() => {}}
        />
      </>
    )
  return (
    <>
      <header className="place-head">
        <h1>{text('explore')}</h1>
      </header>
      <QueryForm
        className="panel pad stack"
        label={text('exploreQueryLabel')}
        hint={text('exploreHint')}
        placeholder="sample_sensor_metric_temperature"
        value={draft}
        onChange={setDraft}
        onRun={() => pick(draft)}
      />
      {query === '' ? (
        <section className="panel pad stack gap-top">
          <Empty title={text('exploreEmpty')} hint={text('exploreEmptyHint')} />
          {history.length > 0 && (
            <QueryList title={text('exploreHistory')} queries={history} onPick={pick} />
          )}
          <QueryList title={text('exploreExamples')} queries={examples} onPick={pick} />
        </section>
      ) : (
        <Result query={query} />
      )}
    </>
  )
}

function QueryList({
  title,
  queries,
  onPick,
}: {
  title: string
  queries: readonly string[]
  onPick: (query: string) => void
}) {
  return (
    <div>
      <h3>{title}</h3>
      <ul>
        {queries.map((query) => (
          <li key={query}>
            <button type="button" className="link mono" onClick={() => onPick(query)}>
              {query}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Result({ query }: { query: string }) {
  const text = useText()
  const palette = usePalette()
  const range = useTimeRange()
  const box = useBox<HTMLDivElement>()
  const { fromMs, toMs } = resolveRange(range, Date.now())
  const stepMs = niceStep((toMs - fromMs) / 600)
  const answer = useQuery(
    `explore ${query} ${range.from} ${range.to}`,
    async (signal) => {
      const now = resolveRange(range, Date.now())
      const { results } = await ask<{
        results: Record<string, { frames?: AnswerFrame[]; error?: string }>
      }>('/api/ds/query', {
        method: 'POST',
        signal,
        body: {
          queries: [
            {
              refId: 'A',
              datasource: { uid: 'prometheus' },
              expr: query,
              intervalMs: stepMs,
              maxDataPoints: 1200,
            },
          ],
          from: String(Math.round(now.fromMs)),
          to: String(Math.round(now.toMs)),
        },
      })
      if (results.A?.error) throw new ApiError(results.A.error, 400, 'QUERY')
      return { ...now, frames: results.A?.frames ?? [] }
    },
    range.refreshMs === 0 ? 0 : Math.max(range.refreshMs, stepMs),
  )
  const series = useMemo(() => seriesOf(answer.data?.frames ?? []), [answer.data])
  const shown = series.slice(0, linesMax)
  const aligned = useMemo(() => alignSeries(shown), [shown])
  const lines: ChartLine[] = shown.map((one, index) => ({
    key: one.key,
    name: one.name,
    color: palette.series[index % palette.series.length]!,
    values: aligned.columns[index]!,
    isHidden: false,
    style: 'line',
    width: 1.5,
    fill: 0,
    dash: index >= palette.series.length ? [6, 4] : undefined,
    step: 'none',
    hasPoints: one.values.length === 1,
    pointSize: 5,
    spansGaps: false,
    isRight: false,
  }))
  if (answer.error && !answer.data)
    return (
      <section className="panel pad gap-top">
        <Failure title={text('queryFailed')} error={answer.error} onRetry={answer.retry} />
      </section>
    )
  return (
    <div className={`stack gap-top ${answer.error ? 'stale' : ''}`}>
      <section className="panel pad" aria-label={text('exploreGraph')}>
        <div ref={box.ref} className="explore-chart">
          {!answer.data ? (
            <Skeleton />
          ) : series.length === 0 ? (
            <Empty title={text('exploreNoResult')} />
          ) : (
            box.width > 0 && (
              <LineChart
                width={box.width}
                height={320}
                times={aligned.times}
                lines={lines}
                fromMs={answer.data.fromMs}
                toMs={answer.data.toMs}
                unit="short"
                label={text('chartOf', { title: query })}
                onRange={chooseRange}
                onZoomOut={() => zoomOut(range)}
                tooltip={(row, line) => ({
                  time: timeText(aligned.times[row] ?? 0),
                  name: lines[line]?.name ?? '',
                  value: formatText(lines[line]?.values[row], 'short'),
                  color: lines[line]?.color ?? '',
                })}
              />
            )
          )}
        </div>
      </section>
      {series.length > 0 && (
        <section className="panel" aria-label={text('exploreTable')}>
          <h2 className="panel-title">{text('exploreSeries', { count: series.length })}</h2>
          <table className="dense">
            <tbody>
              {series.slice(0, 200).map((one, index) => (
                <tr key={one.key}>
                  <td className="mono wrap">
                    <i
                      className="swatch"
                      style={{ background: lines[index]?.color ?? 'transparent' }}
                    />{' '}
                    {one.name}
                  </td>
                  <td className="figure">
                    {formatText(calculate('lastNotNull', one.values), 'short')}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </div>
  )
}

function readHistory(): string[] {
  try {
    const read: unknown = JSON.parse(remembered('asked') ?? '[]')
    return Array.isArray(read) ? read.filter((each) => typeof each === 'string') : []
  } catch {
    return []
  }
}
