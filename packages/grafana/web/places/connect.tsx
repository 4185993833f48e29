import { useState } from 'react'
import { itemKey, partOf } from '../../src/model/flow-rates.ts'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { countText, rateText } from '../lib/format.ts'
import { flowRates, snapshotStore } from '../lib/live.ts'
import { refreshQueries, useQuery } from '../lib/query.ts'
import { go, hrefTo, Link, useParam } from '../lib/router.tsx'
import { useMay } from '../lib/session.ts'
import { useStore } from '../lib/store.ts'
import { Empty, Failure, PlaceFace, Tag } from '../ui/faces.tsx'
import { FilterField } from '../ui/filter-field.tsx'
import { ListPanel } from '../ui/list-panel.tsx'
import { PartFacts, StateLabel } from '../ui/part-facts.tsx'
import { useTitle } from '../ui/place-title.ts'

interface Connector {
  readonly info: { name: string; type: string; config: Record<string, string> }
  readonly status: {
    connector: { state: string; worker_id: string; trace?: string }
    tasks: { id: number; state: string; worker_id: string; trace?: string }[]
  }
}

/** Is it wired right? Connectors and tasks with state and trace, pause, resume and restart. */
export function ConnectPlace({ rest }: { rest: string[] }) {
  const text = useText()
  useTitle('Connect')
  const [filter, setFilter] = useParam('q')
  const part = partOf(useStore(snapshotStore), 'connect')
  const answer = useQuery(
    'connect connectors',
    (signal) =>
      ask<Record<string, Connector>>('/-/connect/connectors?expand=info&expand=status', { signal }),
    3_000,
  )
  const all = Object.values(answer.data ?? {}).sort((a, b) =>
    a.info.name.localeCompare(b.info.name),
  )
  const shown = all.filter(({ info }) => info.name.toLowerCase().includes(filter.toLowerCase()))
  const selected = all.find(({ info }) => info.name === rest[0])
  return (
    <>
      <header className="place-head">
        <h1>Connect</h1>
        <span className="quiet">{answer.data ? all.length : ''}</span>
      </header>
      <PartFacts part={part} />
      {!answer.data ? (
        <PlaceFace
          part="Connect"
          setting="grafana: { connect: http://127.0.0.1:8083 }"
          error={answer.error}
          onRetry={answer.retry}
        />
      ) : (
        <div className={selected ? 'two-columns' : ''}>
          <ListPanel
            label={text('fact_connectors')}
            head={
              <div className="toolbar">
                <FilterField label={text('filter')} value={filter} onChange={setFilter} />
              </div>
            }
            columns={[
              text('name'),
              text('state'),
              text('type'),
              { figure: text('connectTasks') },
              { figure: text('rate') },
              { figure: text('lag') },
            ]}
            empty={
              shown.length === 0 && (
                <Empty
                  title={text(all.length === 0 ? 'connectNone' : 'nothingMatches')}
                  {...(all.length === 0
                    ? {
                        hint: text('connectNoneHint'),
                        command: `curl -X POST ${location.origin}/-/connect/connectors -H 'content-type: application/json' -d @connector.json`,
                      }
                    : {})}
                />
              )
            }
          >
            {shown.map(({ info, status }) => {
              const item = part?.vitals?.items.find(({ name }) => name === info.name)
              const rate = item && flowRates.of(itemKey('connect', item))
              const running = status.tasks.filter(({ state }) => state === 'RUNNING').length
              const failed = status.tasks.some(({ state }) => state === 'FAILED')
              const href = hrefTo(`/connect/${encodeURIComponent(info.name)}`)
              return (
                <tr
                  key={info.name}
                  className="clickable"
                  aria-selected={info.name === rest[0]}
                  onClick={() => go(href)}
                >
                  <td>
                    <Link to={href} onClick={(event) => event.stopPropagation()}>
                      {info.name}
                    </Link>
                  </td>
                  <td>
                    <StateLabel state={failed ? 'FAILED' : status.connector.state} />
                  </td>
                  <td>
                    <Tag>{info.type}</Tag>
                  </td>
                  <td className={`figure ${failed ? 'critical' : ''}`}>
                    {running} / {status.tasks.length}
                  </td>
                  <td className="figure">{rate ? rateText(rate.outPerSecond) : '–'}</td>
                  <td className="figure">{item?.lag === undefined ? '–' : countText(item.lag)}</td>
                </tr>
              )
            })}
          </ListPanel>
          {selected && (
            <aside className="side">
              <ConnectorDetail connector={selected} />
            </aside>
          )}
        </div>
      )}
    </>
  )
}

function ConnectorDetail({ connector }: { connector: Connector }) {
  const text = useText()
  const mayEdit = useMay('editor')
  const { info, status } = connector
  const [result, setResult] = useState<string | Error | undefined>(undefined)
  const act = (action: 'pause' | 'resume' | 'restart'): void => {
    const path = `/-/connect/connectors/${encodeURIComponent(info.name)}/${action}`
    const query = action === 'restart' ? '?includeTasks=true&onlyFailed=false' : ''
    ask(path + query, { method: action === 'restart' ? 'POST' : 'PUT' }).then(
      () => {
        setResult(text('connectDone', { action: text(action), name: info.name }))
        setTimeout(() => refreshQueries('connect'), 300)
      },
      (error: Error) => setResult(error),
    )
  }
  const traces = [status.connector, ...status.tasks]
    .map(({ trace }) => trace)
    .filter((trace) => trace !== undefined)
  const isPaused = status.connector.state === 'PAUSED'
  return (
    <section className="panel pad stack" aria-label={info.name}>
      <header>
        <h2>{info.name}</h2>
        <StateLabel state={status.connector.state} />
      </header>
      {mayEdit && (
        <div className="row">
          <button
            type="button"
            className="button"
            onClick={() => act(isPaused ? 'resume' : 'pause')}
          >
            {text(isPaused ? 'resume' : 'pause')}
          </button>
          <button type="button" className="button" onClick={() => act('restart')}>
            {text('restart')}
          </button>
        </div>
      )}
      <div aria-live="polite">
        {result instanceof Error ? (
          <Failure title={text('failedTitle', { part: 'Connect' })} error={result} />
        ) : (
          result && <p className="ok">{result}</p>
        )}
      </div>
      {traces.length > 0 && (
        <>
          <h3>{text('connectTrace')}</h3>
          <pre className="code critical">{traces[0]}</pre>
        </>
      )}
      <h3>{text('connectTasks')}</h3>
      <ul>
        {status.tasks.map((task) => (
          <li key={task.id} className="row">
            <b>{task.id}</b> <StateLabel state={task.state} />{' '}
            <span className="quiet mono">{task.worker_id}</span>
          </li>
        ))}
      </ul>
      <h3>{text('connectConfig')}</h3>
      <dl className="pairs config mono">
        {Object.entries(info.config).map(([key, value]) => (
          <div key={key}>
            <dt>{key}</dt>
            {/* What looks like a secret is not shown. */}
            <dd>
              {/password|secret|token/i.test(key)
                ? '••••••'
                : value.replace(/:\/\/[^@/]+@/, '://••••@')}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
