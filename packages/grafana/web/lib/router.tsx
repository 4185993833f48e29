import type { AnchorHTMLAttributes, MouseEvent, ReactNode } from 'react'
import { createStore, useStore } from './store.ts'

/** The page's address: everything that a link shall show again is in it. */
export interface Place {
  readonly path: string
  readonly params: URLSearchParams
}

const readPlace = (): Place => ({
  path: location.pathname,
  params: new URLSearchParams(location.search),
})

export const placeStore = createStore<Place>(readPlace())
addEventListener('popstate', () => placeStore.set(readPlace()))

export const usePlace = (): Place => useStore(placeStore)

/** These stay when one goes from place to place. */
const lasting = ['from', 'to', 'refresh', 'kiosk']

/** The address of a place, with the time range that is chosen now. */
export function hrefTo(path: string, params: Record<string, string> = {}): string {
  const search = new URLSearchParams()
  for (const name of lasting) {
    const value = placeStore.get().params.get(name)
    if (value !== null) search.set(name, value)
  }
  for (const [name, value] of Object.entries(params)) search.set(name, value)
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}

export function go(href: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, '', href)
  else history.pushState(null, '', href)
  const before = placeStore.get().path
  placeStore.set(readPlace())
  if (placeStore.get().path !== before) scrollTo(0, 0)
}

/** Changes parameters of the address; null and the empty text remove one. */
export function setParams(
  changes: Readonly<Record<string, string | readonly string[] | null>>,
  options: { replace?: boolean } = {},
): void {
  const params = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(changes)) {
    params.delete(name)
    if (value === null || value === '') continue
    for (const one of [value].flat()) params.append(name, one)
  }
  const text = params.toString()
  go(text === '' ? location.pathname : `${location.pathname}?${text}`, options)
}

/** One parameter of the address with its setter; the default is not written. */
export function useParam(name: string, otherwise = ''): [string, (value: string) => void] {
  const { params } = usePlace()
  return [
    params.get(name) ?? otherwise,
    (value) => setParams({ [name]: value === otherwise ? null : value }, { replace: true }),
  ]
}

/** A link inside the console. */
export function Link({
  to,
  children,
  onClick,
  ...rest
}: { to: string; children: ReactNode } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event)
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to)
  }
  return (
    <a href={to} onClick={follow} {...rest}>
      {children}
    </a>
  )
}
