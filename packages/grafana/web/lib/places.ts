import type { Role } from '../../src/model/people.ts'
import type { TextKey } from '../i18n/index.ts'
import type { IconName } from '../ui/icons.tsx'
import { mayAs, sessionStore } from './session.ts'
import { useStore } from './store.ts'

/** One place of the console: its address, its name, the letter that goes there after `g`. */
export interface PlaceInfo {
  readonly path: string
  readonly name: TextKey
  readonly letter: string
  readonly icon: IconName
  readonly group: 'top' | 'way' | 'look'
  /** The part of the pipeline that it shows. */
  readonly part?: string
  /** Who may see it; everybody where it is left out. */
  readonly role?: Role
}

/** All places in the order of the rail; the middle ones in the order of a frame. */
export const places: readonly PlaceInfo[] = [
  { path: '/', name: 'dashboards', letter: 'h', icon: 'dashboards', group: 'top' },
  { path: '/flow', name: 'flow', letter: 'f', icon: 'flow', group: 'top' },
  { path: '/sensors', name: 'sensors', letter: 's', icon: 'sensor', group: 'way', part: 'sensors' },
  { path: '/mqtt', name: 'mqtt', letter: 'm', icon: 'send', group: 'way', part: 'mqtt' },
  { path: '/connect', name: 'connect', letter: 'c', icon: 'plug', group: 'way', part: 'connect' },
  { path: '/kafka', name: 'kafka', letter: 'k', icon: 'topic', group: 'way', part: 'kafka' },
  { path: '/streams', name: 'streams', letter: 't', icon: 'flow', group: 'way', part: 'streams' },
  {
    path: '/documents',
    name: 'documents',
    letter: 'd',
    icon: 'table',
    group: 'way',
    part: 'mongodb',
  },
  {
    path: '/scrapes',
    name: 'metrics',
    letter: 'p',
    icon: 'explore',
    group: 'way',
    part: 'prometheus',
  },
  { path: '/explore', name: 'explore', letter: 'e', icon: 'explore', group: 'look' },
  {
    path: '/zookeeper',
    name: 'zookeeper',
    letter: 'z',
    icon: 'zookeeper',
    group: 'look',
    part: 'zookeeper',
  },
  { path: '/alerts', name: 'alerts', letter: 'a', icon: 'alerts', group: 'look' },
  {
    path: '/people',
    name: 'people',
    letter: 'u',
    icon: 'people',
    group: 'look',
    role: 'administrator',
  },
]

/** The places that the reader may see. */
export function usePlaces(): readonly PlaceInfo[] {
  const session = useStore(sessionStore)
  return places.filter(({ role }) => role === undefined || mayAs(session, role))
}

/** The place that shows a part. */
export function pathOfPart(part: string): string {
  return places.find((place) => place.part === part)?.path ?? '/flow'
}

/** Whether the address lies in a place. */
export function isWithin(path: string, place: PlaceInfo): boolean {
  if (place.path === '/') return path === '/' || path === '/dashboards' || path.startsWith('/d/')
  return path === place.path || path.startsWith(`${place.path}/`)
}
