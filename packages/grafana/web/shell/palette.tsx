import { Fragment, type KeyboardEvent, type ReactNode, useMemo, useRef, useState } from 'react'
import { type TextKey, useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { sensorsStore, snapshotStore } from '../lib/live.ts'
import { pathOfPart, usePlaces } from '../lib/places.ts'
import { chooseLanguage, chooseTheme } from '../lib/preferences.ts'
import { useQuery } from '../lib/query.ts'
import { go, hrefTo } from '../lib/router.tsx'
import { mayAs, sessionStore } from '../lib/session.ts'
import { useStore } from '../lib/store.ts'
import { chooseRange } from '../lib/time.ts'
import { copyText } from '../ui/copy.tsx'
import { Tag } from '../ui/faces.tsx'
import { Icon, type IconName } from '../ui/icons.tsx'
import { Dialog } from './dialog.tsx'
import { paletteStore } from './palette-store.ts'
import { quickRanges } from './time-picker.tsx'
import { logOut } from './user-menu.tsx'

interface Entry {
  readonly id: string
  readonly name: string
  readonly group: TextKey
  readonly icon: IconName
  readonly end?: ReactNode
  readonly also?: string
  run(): void
}

const perGroup = 6

/** Finds any place, dashboard, sensor, topic or command by a few letters. */
export function Palette() {
  const text = useText()
  const [query, setQuery] = useState('')
  const [at, setAt] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const entries = useEntries()
  const close = (): void => paletteStore.set('closed')
  const groups = useMemo(() => search(entries, query), [entries, query])
  const flat = groups.flatMap(([, found]) => found)
  const chosen = Math.min(at, flat.length - 1)
  const run = (entry: Entry | undefined): void => {
    if (!entry) return
    close()
    entry.run()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && flat.length > 0) {
      event.preventDefault()
      const next = (chosen + step + flat.length) % flat.length
      setAt(next)
      list.current?.querySelectorAll('[role="option"]')[next]?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      event.preventDefault()
      run(flat[chosen])
    }
  }
  let index = -1
  return (
    <Dialog label={text('searchOrRun')} className="palette" onClose={close}>
      <div className="palette-field">
        <Icon name="search" />
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={flat[chosen] ? `palette-${flat[chosen].id}` : undefined}
          aria-label={text('palettePlaceholder')}
          placeholder={text('palettePlaceholder')}
          value={query}
          spellCheck={false}
          onChange={(event) => {
            setQuery(event.target.value)
            setAt(0)
          }}
          onKeyDown={onKeyDown}
        />
        <kbd>Esc</kbd>
      </div>
      <div
        className="palette-list"
        id="palette-list"
        role="listbox"
        aria-label={text('paletteResults')}
        ref={list}
      >
        {flat.length === 0 && (
          <p className="palette-none">{text('paletteNone', { text: query })}</p>
        )}
        {groups.map(([group, found]) => (
          <Fragment key={group}>
            <p className="palette-group" role="presentation">
              {text(group)}
            </p>
            {found.map((entry) => {
              index++
              const own = index
              return (
                <div
                  key={entry.id}
                  tabIndex={-1}
                  id={`palette-${entry.id}`}
                  role="option"
                  aria-selected={own === chosen}
                  className="palette-line"
                  onPointerMove={() => setAt(own)}
                  onPointerUp={() => run(entry)}
                >
                  <Icon name={entry.icon} />
                  <span>{marked(entry.name, query)}</span>
                  <small>{entry.end}</small>
                  {own === chosen && <kbd>↵</kbd>}
                </div>
              )
            })}
          </Fragment>
        ))}
      </div>
      <footer>
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> {text('paletteMove')}
        </span>
        <span>
          <kbd>↵</kbd> {text('paletteOpen')}
        </span>
        <span className="bar-space" />
        <button type="button" onClick={() => paletteStore.set('keys')}>
          <kbd>?</kbd> {text('paletteAllKeys')}
        </button>
      </footer>
    </Dialog>
  )
}

function useEntries(): Entry[] {
  const text = useText()
  const snapshot = useStore(snapshotStore)
  const { sensors } = useStore(sensorsStore)
  const session = useStore(sessionStore)
  const places = usePlaces()
  const dashboards = useQuery('search', () =>
    ask<{ uid: string; title: string; url: string }[]>('/api/search'),
  )
  return useMemo(() => {
    const entries: Entry[] = places.map((place) => ({
      id: `place${place.path.replaceAll('/', '-')}`,
      name: text(place.name),
      group: 'palettePlaces',
      icon: place.icon,
      ...(place.part === undefined ? {} : { also: place.part }),
      end: (
        <>
          <kbd>G</kbd> <kbd>{place.letter.toUpperCase()}</kbd>
        </>
      ),
      run: () => go(hrefTo(place.path)),
    }))
    for (const one of dashboards.data ?? [])
      entries.push({
        id: `dashboard-${one.uid}`,
        name: one.title,
        group: 'paletteDashboards',
        icon: 'dashboards',
        end: text('kindDashboard'),
        run: () => go(hrefTo(one.url)),
      })
    for (const part of snapshot?.parts ?? [])
      for (const item of part.vitals?.items.slice(0, 200) ?? [])
        if (item.kind !== 'sensor')
          entries.push({
            id: `item-${part.name}-${item.kind}-${item.name}`.replaceAll(/[^\w-]/g, '_'),
            name: item.name,
            group: 'paletteParts',
            icon: item.kind === 'topic' ? 'topic' : item.kind === 'connector' ? 'plug' : 'table',
            end: (
              <>
                {item.state === 'failed' && <Tag tone="critical">{text('statusFailed')}</Tag>}{' '}
                {text(`kind${item.kind[0]!.toUpperCase()}${item.kind.slice(1)}` as TextKey)}
              </>
            ),
            run: () => go(hrefTo(`${pathOfPart(part.name)}/${encodeURIComponent(item.name)}`)),
          })
    for (const sensor of [...sensors.values()].slice(0, 2_000))
      entries.push({
        id: `sensor-${sensor.id.replaceAll(/[^\w-]/g, '_')}`,
        name: sensor.name,
        also: sensor.id,
        group: 'paletteSensors',
        icon: 'sensor',
        end: <span className="mono">{sensor.id}</span>,
        run: () => go(hrefTo(`/sensors/${encodeURIComponent(sensor.id)}`)),
      })
    const command = (id: string, name: string, icon: IconName, run: () => void): void => {
      entries.push({ id: `command-${id}`, name, group: 'paletteCommands', icon, run })
    }
    if (mayAs(session, 'editor'))
      command('send', text('cmdSend'), 'send', () => paletteStore.set('send'))
    if (session.kind === 'in') {
      command('logout', text('logOut'), 'out', () => void logOut())
      if (session.isUser)
        command('password', text('changePassword'), 'key', () => paletteStore.set('password'))
    }
    command('dark', text('cmdDark'), 'moon', () => chooseTheme('dark'))
    command('light', text('cmdLight'), 'sun', () => chooseTheme('light'))
    command('system', text('cmdSystem'), 'desktop', () => chooseTheme('system'))
    command('th', text('cmdThai'), 'command', () => chooseLanguage('th'))
    command('en', text('cmdEnglish'), 'command', () => chooseLanguage('en'))
    for (const [from, name] of quickRanges)
      command(from, text('cmdRange', { duration: text(name) }), 'clock', () =>
        chooseRange(from, 'now'),
      )
    for (const part of snapshot?.parts ?? [])
      if (part.address)
        command(
          `copy-${part.name}`,
          `${text('cmdCopyAddress', { name: part.name })} ${part.address}`,
          'copy',
          () => {
            void copyText(part.address ?? '')
          },
        )
    return entries
  }, [text, snapshot?.parts, sensors, session, places, dashboards.data])
}

/** Entries whose name holds all letters of the query in order; best first, in their groups. */
function search(entries: readonly Entry[], query: string): [TextKey, Entry[]][] {
  const words = query.trim().toLowerCase()
  if (words === '') {
    const places = entries.filter(({ group }) => group === 'palettePlaces')
    const boards = entries.filter(({ group }) => group === 'paletteDashboards')
    const commands = entries.filter(({ group }) => group === 'paletteCommands').slice(0, 4)
    return (
      [
        ['palettePlaces', places],
        ['paletteDashboards', boards.slice(0, 5)],
        ['paletteCommands', commands],
      ] satisfies [TextKey, Entry[]][]
    ).filter(([, found]) => found.length > 0)
  }
  const scored = entries
    .map((entry) => ({ entry, score: scoreOf(entry, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
  const [best, ...rest] = scored
  if (!best) return []
  const groups = new Map<TextKey, Entry[]>([['paletteBest', [best.entry]]])
  for (const { entry } of rest) {
    const found = groups.get(entry.group) ?? []
    if (found.length < perGroup) groups.set(entry.group, [...found, entry])
  }
  return [...groups]
}

function scoreOf({ name, also = '' }: Entry, words: string): number {
  const lower = name.toLowerCase()
  const at = lower.indexOf(words)
  if (at === 0) return 100 - Math.min(50, name.length - words.length)
  if (at > 0) return 60 - Math.min(30, at)
  if (also.toLowerCase().includes(words)) return 40
  let from = 0
  for (const letter of words) {
    from = lower.indexOf(letter, from) + 1
    if (from === 0) return 0
  }
  return 10
}

function marked(name: string, query: string): ReactNode {
  const words = query.trim().toLowerCase()
  const at = words === '' ? -1 : name.toLowerCase().indexOf(words)
  if (at < 0) return name
  return (
    <>
      {name.slice(0, at)}
      <mark>{name.slice(at, at + words.length)}</mark>
      {name.slice(at + words.length)}
    </>
  )
}
