import { itemKey, partOf } from '../../src/model/flow-rates.ts'
import { useText } from '../i18n/index.ts'
import { countText, rateText } from '../lib/format.ts'
import { flowRates, snapshotStore } from '../lib/live.ts'
import { hrefTo, Link } from '../lib/router.tsx'
import { useStore } from '../lib/store.ts'
import { WindowCountdown } from '../ui/countdown.tsx'
import { Empty } from '../ui/faces.tsx'
import { PartFacts, StateLabel } from '../ui/part-facts.tsx'
import { useTitle } from '../ui/place-title.ts'

/** What does my code do? Applications with what they read and write, rates and lag. */
export function StreamsPlace({ rest }: { rest: string[] }) {
  const text = useText()
  useTitle('Streams')
  const part = partOf(useStore(snapshotStore), 'streams')
  const items = (part?.vitals?.items ?? []).filter(({ kind }) => kind === 'application')
  return (
    <>
      <header className="place-head">
        <h1>Streams</h1>
        <span className="bar-space" />
        <WindowCountdown />
      </header>
      <PartFacts part={part} />
      <section className="panel" aria-label={text('streamsApplications')}>
        {items.length === 0 ? (
          <div className="pad">
            <Empty
              title={text('streamsNone')}
              hint={text('streamsNoneHint')}
              command="ls pipelines/iot/streams"
            />
          </div>
        ) : (
          <table className="fold">
            <thead>
              <tr>
                <th>{text('name')}</th>
                <th>{text('state')}</th>
                <th>{text('streamsReads')}</th>
                <th className="figure">{text('in')}</th>
                <th>{text('streamsWrites')}</th>
                <th className="figure">{text('out')}</th>
                <th className="figure">{text('lag')}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => {
                const rate = flowRates.of(itemKey('streams', item))
                return (
                  <tr key={item.name} aria-selected={rest[0] === item.name}>
                    <td>
                      <b>{item.name}</b>
                      {item.note && <small className="critical"> {item.note}</small>}
                    </td>
                    <td>
                      <StateLabel state={item.state} />
                    </td>
                    <td>
                      <Topics names={item.from ?? []} />
                    </td>
                    <td className="figure">{rateText(rate.inPerSecond)}</td>
                    <td>
                      <Topics names={item.to ?? []} />
                    </td>
                    <td className="figure">{rateText(rate.outPerSecond)}</td>
                    <td className="figure">{item.lag === undefined ? '–' : countText(item.lag)}</td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        )}
      </section>
    </>
  )
}

function Topics({ names }: { names: readonly string[] }) {
  return names.map((name, index) => (
    <span key={name}>
      {index > 0 && ', '}
      <Link to={hrefTo(`/kafka/${encodeURIComponent(name)}`)}>{name}</Link>
    </span>
  ))
}
