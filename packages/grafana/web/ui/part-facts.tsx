import { itemKey } from '../../src/model/flow-rates.ts'
import { shownFacts } from '../../src/model/open-window.ts'
import type { PlatformPart, VitalItem } from '../../src/model/platform.ts'
import { type TextKey, textOr, useText } from '../i18n/index.ts'
import { countText, rateText } from '../lib/format.ts'
import { flowRates } from '../lib/live.ts'
import { type Level, StateMark } from './state-mark.tsx'

/** The state of a part in a row of figures; nothing where the platform does not tell. */
export function PartFacts({ part }: { part: PlatformPart | undefined }) {
  const text = useText()
  if (!part?.vitals) return null
  const rate = flowRates.of(part.name)
  const { facts, lag } = part.vitals
  return (
    <dl className="facts panel part-facts">
      <div>
        <dt>{text('state')}</dt>
        <dd className="fact-figure">
          <StateLabel state={part.status} />
        </dd>
      </div>
      <div>
        <dt>{text('in')}</dt>
        <dd className="fact-figure">{rateText(rate.inPerSecond)}</dd>
      </div>
      <div>
        <dt>{text('out')}</dt>
        <dd className="fact-figure">{rateText(rate.outPerSecond)}</dd>
      </div>
      {lag !== undefined && (
        <div>
          <dt>{text('lag')}</dt>
          <dd className="fact-figure">{countText(lag)}</dd>
        </div>
      )}
      {shownFacts(facts)
        .slice(0, 4)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{textOr(`fact_${name}`, name)}</dt>
            <dd className="fact-figure">{typeof value === 'number' ? countText(value) : value}</dd>
          </div>
        ))}
    </dl>
  )
}

export function levelOfState(state: string): Level {
  switch (state.toLowerCase()) {
    case 'ready':
    case 'running':
    case 'external':
    case 'up':
    case 'stable':
      return 'ok'
    case 'failed':
    case 'down':
    case 'dead':
      return 'critical'
    case 'paused':
    case 'stopping':
      return 'warn'
    default:
      return 'idle'
  }
}

/** A state by shape, colour and word. */
export function StateLabel({ state }: { state: string }) {
  const lower = state.toLowerCase()
  const word = textOr(`status${lower.charAt(0).toUpperCase()}${lower.slice(1)}`, lower)
  const level = levelOfState(state)
  return (
    <span className={`state-label ${level === 'critical' ? 'critical' : ''}`}>
      <StateMark level={level} /> {word}
    </span>
  )
}

/** What a part consists of, with rates from the running system. */
export function ItemTable({
  part,
  kind,
  title,
}: {
  part: PlatformPart
  kind: VitalItem['kind']
  title: string
}) {
  const text = useText()
  const items = (part.vitals?.items ?? []).filter((item) => item.kind === kind)
  if (items.length === 0) return null
  const hasLag = items.some(({ lag }) => lag !== undefined)
  return (
    <section className="panel" aria-label={title}>
      <h2 className="panel-title">{title}</h2>
      <table className="dense">
        <thead>
          <tr>
            <th>{text('name' satisfies TextKey)}</th>
            <th className="figure">{text('in')}</th>
            <th className="figure">{text('out')}</th>
            {hasLag && <th className="figure">{text('lag')}</th>}
          </tr>
        </thead>
        <tbody>
          {items.slice(0, 100).map((item) => {
            const rate = flowRates.of(itemKey(part.name, item))
            return (
              <tr key={item.name}>
                <td className="clip" title={item.note ?? item.name}>
                  {item.name}
                </td>
                <td className="figure">{rateText(rate.inPerSecond)}</td>
                <td className="figure">{rateText(rate.outPerSecond)}</td>
                {hasLag && (
                  <td className="figure">{item.lag === undefined ? '–' : countText(item.lag)}</td>
                )}
              </tr>
            )
          })}
        </tbody>
      </table>
    </section>
  )
}
