import { partOf } from '../../src/model/flow-rates.ts'
import { healthOf, troublesOf } from '../../src/model/health.ts'
import { useText } from '../i18n/index.ts'
import { useFiringCount } from '../lib/alerts.ts'
import { duration } from '../lib/duration.ts'
import { bytesText, countText, rateText } from '../lib/format.ts'
import { flowRates, sensorsStore, snapshotStore } from '../lib/live.ts'
import { isWithin, type PlaceInfo, usePlaces } from '../lib/places.ts'
import { hrefTo, Link, usePlace } from '../lib/router.tsx'
import { useSetup } from '../lib/setup.ts'
import { useStore } from '../lib/store.ts'
import { Icon, Logo } from '../ui/icons.tsx'

/** The way a frame takes, as a canal with a live figure at every station, and the other places. */
export function Rail() {
  const text = useText()
  const { path } = usePlace()
  const snapshot = useStore(snapshotStore)
  const setup = useSetup()
  const places = usePlaces()
  const firing = useFiringCount()
  const link = (place: PlaceInfo, end?: React.ReactNode) => (
    <li key={place.path}>
      <Link
        to={hrefTo(place.path)}
        className="rail-link"
        aria-current={isWithin(path, place) ? 'page' : undefined}
      >
        <Icon name={place.icon} />
        <span className="rail-name">{text(place.name)}</span>
        {end}
      </Link>
    </li>
  )
  return (
    <nav className="rail" aria-label={text('mainNavigation')}>
      <Link to={hrefTo('/')} className="brand">
        <Logo /> <b>Khlong</b> <small>{setup?.version ?? ''}</small>
      </Link>
      <ul>{places.filter(({ group }) => group === 'top').map((place) => link(place))}</ul>
      <h2>{text('wayOfAFrame')}</h2>
      <ul className="canal">
        {places
          .filter(({ group }) => group === 'way')
          .map((place) => (
            <Station key={place.path} place={place} isHere={isWithin(path, place)} />
          ))}
      </ul>
      <h2>{text('lookInto')}</h2>
      <ul>
        {places
          .filter(({ group }) => group === 'look')
          .map((place) =>
            link(
              place,
              place.path === '/alerts' && firing > 0 ? (
                <span className="count-badge" title={text('alertsCount', { count: firing })}>
                  {firing}
                </span>
              ) : undefined,
            ),
          )}
      </ul>
      {snapshot && (
        <dl className="rail-foot">
          <div>
            <dt>{text('oneProcess')}</dt>
            <dd>
              {snapshot.memory ? bytesText(snapshot.memory.anonymousBytes) : '–'}
              {snapshot.cpuPercent !== undefined && ` · ${Math.round(snapshot.cpuPercent)} %`}
            </dd>
          </div>
          <div>
            <dt>{text('up')}</dt>
            <dd>{duration(snapshot.uptimeMs)}</dd>
          </div>
        </dl>
      )}
    </nav>
  )
}

function Station({ place, isHere }: { place: PlaceInfo; isHere: boolean }) {
  const text = useText()
  const { figure, level } = useStationFigure(place)
  return (
    <li>
      <Link
        to={hrefTo(place.path)}
        className={`rail-link station station-${level}`}
        aria-current={isHere ? 'page' : undefined}
      >
        <i className="ring" aria-hidden="true" />
        <span className="rail-name">{text(place.name)}</span>
        <span className="rail-figure">{figure}</span>
      </Link>
    </li>
  )
}

/** One figure and one level: what hurts, or how much flows. */
export function useStationFigure(place: PlaceInfo): {
  figure: string
  level: 'ok' | 'warn' | 'critical' | 'idle'
} {
  const text = useText()
  const snapshot = useStore(snapshotStore)
  const { sensors } = useStore(sensorsStore)
  const part = partOf(snapshot, place.part ?? '')
  if (place.part === 'sensors' && sensors.size > 0)
    return { figure: countText(sensors.size), level: 'ok' }
  if (!snapshot || !part) return { figure: '', level: snapshot ? 'idle' : 'ok' }
  const troubles = troublesOf(healthOf(snapshot), part.name)
  const failed = troubles.filter(({ kind }) => kind === 'failed').length
  if (failed > 0) return { figure: `${failed} ${text('failed')}`, level: 'critical' }
  if (troubles.length > 0)
    return { figure: text('behind', { count: troubles.length }), level: 'warn' }
  const rate = flowRates.of(part.name)
  const perSecond =
    place.part === 'sensors' || place.part === 'connect' ? rate.outPerSecond : rate.inPerSecond
  return { figure: rateText(Math.max(perSecond, 0)), level: 'ok' }
}
