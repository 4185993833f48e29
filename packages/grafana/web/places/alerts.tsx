import { formatText } from '../../src/model/units.ts'
import { type TextKey, useText } from '../i18n/index.ts'
import { type Rule, useRules } from '../lib/alerts.ts'
import { ApiError } from '../lib/api.ts'
import { useNow } from '../lib/clock.ts'
import { ago } from '../lib/duration.ts'
import { dateTimeText } from '../lib/format.ts'
import { hrefTo, Link } from '../lib/router.tsx'
import { useSetup } from '../lib/setup.ts'
import { Empty, PlaceFace, Tag } from '../ui/faces.tsx'
import { useTitle } from '../ui/place-title.ts'
import { type Level, StateMark } from '../ui/state-mark.tsx'

const levels: Readonly<Record<string, Level>> = {
  firing: 'critical',
  pending: 'warn',
  inactive: 'ok',
}
const texts: Readonly<Record<string, TextKey>> = {
  firing: 'alertsFiring',
  pending: 'alertsPending',
  inactive: 'alertsInactive',
}
const order = ['firing', 'pending', 'inactive']

/** What is wrong now: rules with their state, since when, and the value. */
export function AlertsPlace(_: { rest: string[] }) {
  const text = useText()
  useTitle(text('alerts'))
  const setup = useSetup()
  const { groups, error, retry } = useRules(2_000)
  const rules = (groups ?? []).flatMap((group) =>
    group.rules.map((rule) => ({ group: group.name, rule })),
  )
  const alerting = rules
    .filter(({ rule }) => rule.type === 'alerting')
    .sort((a, b) => order.indexOf(a.rule.state ?? '') - order.indexOf(b.rule.state ?? ''))
  const recording = rules.filter(({ rule }) => rule.type === 'recording')
  const firing = alerting
    .flatMap(({ rule }) => rule.alerts ?? [])
    .filter(({ state }) => state === 'firing').length
  const missing =
    setup && !setup.configured.prometheus ? new ApiError('', 503, 'GRAFANA_NOT_CONFIGURED') : error
  return (
    <>
      <header className="place-head">
        <h1>{text('alerts')}</h1>
        {groups && (
          <Tag tone={firing > 0 ? 'critical' : 'ok'}>
            {firing > 0 ? text('alertsCount', { count: firing }) : text('alertsQuiet')}
          </Tag>
        )}
      </header>
      {!groups ? (
        <PlaceFace
          part="Prometheus"
          setting="grafana: { prometheus: http://127.0.0.1:9090 }"
          error={missing}
          onRetry={retry}
        />
      ) : rules.length === 0 ? (
        <section className="panel pad">
          <Empty
            title={text('alertsNone')}
            hint={text('alertsNoneHint')}
            command="promtool check rules pipelines/iot/rules/*.yml"
          />
        </section>
      ) : (
        <div className="stack gap-top">
          {alerting.map(({ group, rule }) => (
            <AlertRule key={`${group} ${rule.name} ${rule.query}`} group={group} rule={rule} />
          ))}
          {recording.length > 0 && (
            <section className="panel" aria-label={text('alertsRecording')}>
              <h2 className="panel-title">{text('alertsRecording')}</h2>
              <table className="dense fold">
                <tbody>
                  {recording.map(({ group, rule }) => (
                    <tr key={`${group} ${rule.name}`}>
                      <td>
                        <Link to={hrefTo('/explore', { q: rule.name })}>{rule.name}</Link>
                      </td>
                      <td className="mono quiet wrap">{rule.query}</td>
                      <td>
                        {rule.health !== 'ok' && (
                          <Tag tone="critical">{rule.lastError || rule.health}</Tag>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </section>
          )}
        </div>
      )}
    </>
  )
}

function AlertRule({ group, rule }: { group: string; rule: Rule }) {
  const text = useText()
  const nowMs = useNow()
  const state = rule.state ?? 'inactive'
  const alerts = rule.alerts ?? []
  return (
    <section className={`panel pad stack alert-${state}`} aria-label={rule.name}>
      <header>
        <h2 className="state-label">
          <StateMark level={levels[state] ?? 'idle'} /> {rule.name}
          <span className={state === 'firing' ? 'critical' : 'quiet'}>
            {text(texts[state] ?? 'alertsInactive')}
          </span>
        </h2>
        <small>{group}</small>
      </header>
      <Link className="mono wrap" to={hrefTo('/explore', { q: rule.query })}>
        {rule.query}
      </Link>
      {rule.lastError && <p className="critical mono">{rule.lastError}</p>}
      {alerts.length > 0 && (
        <table className="dense fold">
          <thead>
            <tr>
              <th>{text('state')}</th>
              <th>{text('alertsLabels')}</th>
              <th className="figure">{text('alertsValue')}</th>
              <th className="figure">{text('alertsSince')}</th>
            </tr>
          </thead>
          <tbody>
            {alerts.slice(0, 50).map((alert) => {
              const sinceMs = alert.activeAt ? Date.parse(alert.activeAt) : 0
              const { alertname: _, ...labels } = alert.labels
              return (
                <tr key={JSON.stringify(alert.labels)}>
                  <td>
                    <span className="state-label">
                      <StateMark level={levels[alert.state] ?? 'idle'} />{' '}
                      {text(texts[alert.state] ?? 'alertsInactive')}
                    </span>
                  </td>
                  <td className="wrap">
                    {Object.entries(labels).map(([name, value]) => (
                      <Tag key={name}>
                        {name}={value}
                      </Tag>
                    ))}{' '}
                    {alert.annotations.summary}
                  </td>
                  <td className="figure">{formatText(Number(alert.value), 'short')}</td>
                  <td className="figure" title={dateTimeText(sinceMs)}>
                    {ago(nowMs - sinceMs)}
                  </td>
                </tr>
              )
            })}
          </tbody>
        </table>
      )}
    </section>
  )
}
