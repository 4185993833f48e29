import { partOf } from '../../src/model/flow-rates.ts'
import { useText } from '../i18n/index.ts'
import { ApiError, ask } from '../lib/api.ts'
import { useNow } from '../lib/clock.ts'
import { ago, duration } from '../lib/duration.ts'
import { snapshotStore } from '../lib/live.ts'
import { useQuery } from '../lib/query.ts'
import { hrefTo, Link } from '../lib/router.tsx'
import { useSetup } from '../lib/setup.ts'
import { useStore } from '../lib/store.ts'
import { PlaceFace } from '../ui/faces.tsx'
import { PartFacts, StateLabel } from '../ui/part-facts.tsx'
import { useTitle } from '../ui/place-title.ts'

interface Target {
  readonly labels: Record<string, string>
  readonly scrapePool: string
  readonly scrapeUrl: string
  readonly lastError: string
  readonly lastScrape: string
  readonly lastScrapeDuration: number
  readonly health: string
}

/** Where metrics come from: the targets that Prometheus scrapes. */
export function ScrapesPlace(_: { rest: string[] }) {
  const text = useText()
  useTitle(text('metrics'))
  const setup = useSetup()
  const nowMs = useNow()
  const part = partOf(useStore(snapshotStore), 'prometheus')
  const answer = useQuery(
    setup?.configured.prometheus ? 'scrapes' : undefined,
    (signal) =>
      ask<{ data: { activeTargets: Target[] } }>(
        '/api/datasources/proxy/uid/prometheus/api/v1/targets?state=active',
        { signal },
      ),
    2_000,
  )
  const targets = answer.data?.data.activeTargets ?? []
  const missing =
    setup && !setup.configured.prometheus
      ? new ApiError('', 503, 'GRAFANA_NOT_CONFIGURED')
      : answer.error
  return (
    <>
      <header className="place-head">
        <h1>{text('metrics')}</h1>
        <span className="quiet">Prometheus</span>
        <span className="bar-space" />
        <Link className="button" to={hrefTo('/explore')}>
          {text('explore')}
        </Link>
      </header>
      <PartFacts part={part} />
      {!answer.data ? (
        <PlaceFace
          part="Prometheus"
          setting="grafana: { prometheus: http://127.0.0.1:9090 }"
          error={missing}
          onRetry={answer.retry}
        />
      ) : (
        <section className="panel" aria-label={text('fact_targets')}>
          <table className="fold">
            <thead>
              <tr>
                <th>{text('kindJob')}</th>
                <th>{text('state')}</th>
                <th>{text('address')}</th>
                <th className="figure">{text('columnLastSeen')}</th>
                <th className="figure">{text('time')}</th>
              </tr>
            </thead>
            <tbody>
              {targets.map((target) => (
                <tr key={`${target.scrapePool} ${target.scrapeUrl}`}>
                  <td>
                    <Link to={hrefTo('/explore', { q: `up{job="${target.scrapePool}"}` })}>
                      {target.scrapePool}
                    </Link>
                  </td>
                  <td>
                    <StateLabel state={target.health} />{' '}
                    {target.lastError && <small className="critical">{target.lastError}</small>}
                  </td>
                  <td className="mono wrap">{target.scrapeUrl}</td>
                  <td className="figure">
                    {ago(Math.max(0, nowMs - Date.parse(target.lastScrape)))}
                  </td>
                  <td className="figure">{duration(target.lastScrapeDuration * 1000)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  )
}
