import { useEffect, useState } from 'react'
import { useText } from '../i18n/index.ts'
import { useFiringCount } from '../lib/alerts.ts'
import { isWithin, type PlaceInfo, usePlaces } from '../lib/places.ts'
import { hrefTo, Link, usePlace } from '../lib/router.tsx'
import { Icon } from '../ui/icons.tsx'
import { useStationFigure } from './rail.tsx'
import { UserLines } from './user-menu.tsx'

const nearest = ['/', '/flow', '/sensors', '/alerts']

/** The places under the thumb, and a sheet with the others. */
export function PhoneNav() {
  const text = useText()
  const { path } = usePlace()
  const [isOpen, setOpen] = useState(false)
  const firing = useFiringCount()
  const places = usePlaces()
  useEffect(() => setOpen(false), [path])
  useEffect(() => {
    if (!isOpen) return
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') setOpen(false)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [isOpen])
  const near = nearest.map((each) => places.find((place) => place.path === each)!)
  const others = places.filter((place) => !nearest.includes(place.path))
  return (
    <>
      {isOpen && (
        <div className="sheet-back" onPointerDown={() => setOpen(false)}>
          <nav
            className="sheet"
            aria-label={text('more')}
            onPointerDown={(event) => event.stopPropagation()}
          >
            <ul>
              {others.map((place) => (
                <SheetLine key={place.path} place={place} isHere={isWithin(path, place)} />
              ))}
            </ul>
            <hr />
            <UserLines onChosen={() => setOpen(false)} hasPeople={false} />
          </nav>
        </div>
      )}
      <nav className="phone-nav" aria-label={text('mainNavigation')}>
        {near.map((place) => (
          <Link
            key={place.path}
            to={hrefTo(place.path)}
            aria-current={isWithin(path, place) ? 'page' : undefined}
          >
            <Icon name={place.icon} size={20} />
            <span>{text(place.name)}</span>
            {place.path === '/alerts' && firing > 0 && <i className="count-badge">{firing}</i>}
          </Link>
        ))}
        <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Icon name="menu" size={20} />
          <span>{text('more')}</span>
        </button>
      </nav>
    </>
  )
}

function SheetLine({ place, isHere }: { place: PlaceInfo; isHere: boolean }) {
  const text = useText()
  const { figure, level } = useStationFigure(place)
  return (
    <li>
      <Link to={hrefTo(place.path)} aria-current={isHere ? 'page' : undefined}>
        <Icon name={place.icon} size={18} />
        <span>{text(place.name)}</span>
        <small className={level === 'ok' || level === 'idle' ? '' : level}>{figure}</small>
      </Link>
    </li>
  )
}
