import { useEffect } from 'react'
import { itemKey } from '../../../src/model/flow-rates.ts'
import { healthOf, type Trouble } from '../../../src/model/health.ts'
import type { PlatformSnapshot } from '../../../src/model/platform.ts'
import { formatNumber } from '../../../src/model/units.ts'
import { useText } from '../../i18n/index.ts'
import { duration } from '../../lib/duration.ts'
import {
  bytesFigure,
  countdownText,
  countText,
  type Figure,
  rateFigure,
  rateText,
} from '../../lib/format.ts'
import { flowRates, snapshotStore } from '../../lib/live.ts'
import { pathOfPart } from '../../lib/places.ts'
import { hrefTo, Link } from '../../lib/router.tsx'
import { useSetup } from '../../lib/setup.ts'
import { useStore } from '../../lib/store.ts'
import { useBox } from '../../panels/panel-data.ts'
import { stateSentence } from '../../shell/bar.tsx'
import { useWindow } from '../../ui/countdown.tsx'
import { Empty, Skeleton, Tag } from '../../ui/faces.tsx'
import { Icon } from '../../ui/icons.tsx'
import { Canal, CanalDown, canalWidthMin } from './canal.tsx'
import { EventList } from './events.tsx'
import { type Account, accountOf, flowOf } from './flow-model.ts'
import { HistoryChart } from './history-chart.tsx'
import { nodeName } from './node-card.tsx'

/** Is it flowing? The canal from the running system's own snapshot, and where it hurts. */
export function FlowPlace() {
  const text = useText()
  const snapshot = useStore(snapshotStore)
  const setup = useSetup()
  const box = useBox<HTMLDivElement>()
  useEffect(() => {
    document.title = `${text('flow')} · Khlong`
  }, [text])
  const health = healthOf(snapshot)
  const tone = health.level === 'ok' ? 'ok' : health.level === 'idle' ? 'neutral' : health.level
  return (
    <>
      <header className="place-head">
        <h1>{text('flow')}</h1>
        {snapshot && <Tag tone={tone}>{stateSentence(text, health)}</Tag>}
      </header>
      <div ref={box.ref} className="flow-place">
        {!snapshot ? (
          setup && !setup.configured.platform ? (
            <section className="panel pad">
              <Empty
                title={text('noPlatform')}
                hint={text('noPlatformHint')}
                command="npx khlong up pipelines/iot"
              />
            </section>
          ) : (
            <Skeleton rows={10} />
          )
        ) : (
          <FlowBody snapshot={snapshot} width={box.width} />
        )}
      </div>
    </>
  )
}

function FlowBody({ snapshot, width }: { snapshot: PlatformSnapshot; width: number }) {
  const flow = flowOf(snapshot, flowRates)
  const account = accountOf(snapshot, flowRates)
  const health = healthOf(snapshot)
  const isWide = width >= canalWidthMin
  const trouble = <Hurts trouble={health.troubles[0]} rest={health.troubles.length - 1} />
  return (
    <>
      <Facts snapshot={snapshot} account={account} isWide={isWide} />
      {!isWide && health.troubles.length > 0 && trouble}
      {width > 0 &&
        (isWide ? (
          <section className="panel canal-panel">
            <Canal flow={flow} width={width - 2} />
          </section>
        ) : (
          <CanalDown flow={flow} />
        ))}
      <div className="flow-foot">
        {(isWide || health.troubles.length === 0) && trouble}
        <AccountTable account={account} />
        <EventList />
      </div>
    </>
  )
}

function Facts({
  snapshot,
  account,
  isWide,
}: {
  snapshot: PlatformSnapshot
  account: Account | undefined
  isWide: boolean
}) {
  const text = useText()
  const window = useWindow()
  const lag = snapshot.parts
    .flatMap((part) => part.vitals?.items ?? [])
    .reduce((total, item) => total + (item.lag ?? 0), 0)
  const dead = snapshot.parts
    .flatMap((part) => part.vitals?.items ?? [])
    .reduce((total, item) => total + (item.deadLetters ?? 0), 0)
  const count = (value: number): Figure => ({ text: countText(value), unit: '' })
  const facts: { name: string; figure: Figure; tone?: string; isMain?: boolean }[] = [
    { name: text('flowIn'), figure: rateFigure(flowRates.of('mqtt').inPerSecond), isMain: true },
    {
      name: text('flowStored'),
      figure: rateFigure(flowRates.of('mongodb').inPerSecond),
      isMain: true,
      tone: lag > 1000 ? 'warn' : '',
    },
    { name: text('flowLag'), figure: count(lag), tone: lag > 1000 ? 'warn' : '' },
    {
      name: text('flowDeadLetters'),
      figure: count(dead),
      tone: dead > 0 ? 'critical' : '',
      isMain: true,
    },
    {
      name: text('flowLost'),
      figure: account ? count(account.unaccounted) : { text: '–', unit: '' },
      tone: account && account.unaccounted > 0 ? 'critical' : '',
      isMain: true,
    },
    {
      name: text('flowMemory'),
      figure: snapshot.memory
        ? bytesFigure(snapshot.memory.anonymousBytes)
        : { text: '–', unit: '' },
    },
    {
      name: text('flowCpu'),
      figure: { text: String(Math.round(snapshot.cpuPercent ?? 0)), unit: '%' },
    },
    window
      ? { name: text('flowWindow'), figure: { text: countdownText(window.leftMs), unit: '' } }
      : { name: text('flowUptime'), figure: { text: duration(snapshot.uptimeMs), unit: '' } },
  ]
  return (
    <dl className="facts panel">
      {facts
        .filter(({ isMain }) => isWide || isMain)
        .map(({ name, figure, tone }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className={`fact-figure ${tone ?? ''}`}>
              {figure.text}
              {figure.unit && <small> {figure.unit}</small>}
            </dd>
          </div>
        ))}
    </dl>
  )
}

/** What, since when, why, what is safe, a chart of it, and the next step. */
function Hurts({ trouble, rest }: { trouble: Trouble | undefined; rest: number }) {
  const text = useText()
  if (!trouble)
    return (
      <section className="panel pad hurts">
        <header>
          <h2>{text('nothingHurts')}</h2>
        </header>
        <p>{text('nothingHurtsWhy')}</p>
        <HistoryChart
          read={(point) => point.rates.get('mqtt') ?? 0}
          label={text('flowIn')}
          unit="/s"
        />
      </section>
    )
  const item = trouble.item
  const key = item ? itemKey(trouble.part, item) : trouble.part
  const rate = flowRates.of(key)
  const name = item?.name ?? nodeName({ name: trouble.part })
  const href = hrefTo(
    `${pathOfPart(trouble.part)}${item ? `/${encodeURIComponent(item.name)}` : ''}`,
  )
  const inPerSecond = Math.max(rate.inPerSecond, rate.outPerSecond + rate.lagPerSecond)
  const level = trouble.kind === 'behind' ? 'warn' : 'critical'
  const isShrinking = rate.lagPerSecond < -0.5
  const sentences = {
    failed: {
      title: text('hurtsFailed', { name }),
      why: `${trouble.note === '' ? '' : `${trouble.note}. `}${text('hurtsFailedWhy')}`,
    },
    behind: {
      title: text('hurtsLag', { name, count: countText(trouble.count) }),
      why: text(isShrinking ? 'hurtsLagShrinking' : 'hurtsLagWhy', {
        out: rateText(rate.outPerSecond),
        in: rateText(Math.max(0, inPerSecond)),
        duration: duration((rate.lag / Math.max(0.1, -rate.lagPerSecond)) * 1000),
      }),
    },
    deadLetters: {
      title: text('hurtsDead', { name, count: countText(trouble.count) }),
      why: `${trouble.note === '' ? '' : `${trouble.note}. `}${text('hurtsDeadWhy')}`,
    },
  }[trouble.kind]
  return (
    <section className={`panel pad hurts hurts-${level}`}>
      <header>
        <h2 className={level}>
          <Icon name="warning" /> {sentences.title}
        </h2>
        {rest > 0 && <small>+{rest}</small>}
      </header>
      <p>{sentences.why}</p>
      {trouble.kind === 'behind' && (
        <HistoryChart
          read={(point) => point.lag.get(key) ?? 0}
          label={text('lag')}
          unit="short"
          tone="warn"
        />
      )}
      <div className="row">
        <Link className="button primary" to={href}>
          {text('openIt', { name })}
        </Link>
      </div>
    </section>
  )
}

function AccountTable({ account }: { account: Account | undefined }) {
  const text = useText()
  if (!account) return null
  const line = (name: string, value: number | undefined, tone = '') =>
    value === undefined ? null : (
      <tr>
        <th scope="row">{name}</th>
        {/* In full: what is said to add up must add up to the record. */}
        <td className={`figure ${tone}`}>{formatNumber(value, 0)}</td>
      </tr>
    )
  return (
    <section className="panel pad account">
      <header>
        <h2 title={text('accountedHint')}>{text('accountedTitle')}</h2>
        <small>{text('accountedSince')}</small>
      </header>
      <table>
        <tbody>
          {line(text('accountedSent'), account.sent)}
          {line(text('accountedAcked'), account.acknowledged)}
          {line(text('accountedInKafka'), account.inKafka)}
          {line(
            text('accountedDead'),
            account.deadLetters,
            account.deadLetters > 0 ? 'critical' : 'quiet',
          )}
          {line(text('accountedStored'), account.stored)}
          {line(text('accountedOnWay'), account.onWay, account.onWay > 1000 ? 'warn' : 'quiet')}
        </tbody>
        <tfoot>
          {line(
            text('accountedLost'),
            account.unaccounted,
            account.unaccounted > 0 ? 'critical' : 'ok',
          )}
        </tfoot>
      </table>
    </section>
  )
}
