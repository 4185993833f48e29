import { useEffect } from 'react'
import { places } from '../lib/places.ts'
import { go, hrefTo, placeStore, setParams } from '../lib/router.tsx'
import { paletteStore } from './palette-store.ts'

const goMs = 1_200

/** Keys that work everywhere: palette, `g` and a letter, `/`, `?`, Esc. */
export function useKeyboard(): void {
  useEffect(() => {
    let goUntilMs = 0
    const onKey = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        paletteStore.set(paletteStore.get() === 'open' ? 'closed' : 'open')
        return
      }
      if (event.key === 'Escape') {
        if (paletteStore.get() !== 'closed') paletteStore.set('closed')
        else if (event.defaultPrevented) return
        else if (placeStore.get().params.has('viewPanel')) setParams({ viewPanel: null })
        else if (placeStore.get().params.has('kiosk')) setParams({ kiosk: null })
        return
      }
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return
      if (paletteStore.get() !== 'closed') return
      if (Date.now() < goUntilMs) {
        goUntilMs = 0
        const place = places.find(({ letter }) => letter === event.key.toLowerCase())
        if (!place) return
        event.preventDefault()
        go(hrefTo(place.path))
      } else if (event.key === 'g') goUntilMs = Date.now() + goMs
      else if (event.key === '?') paletteStore.set('keys')
      else if (event.key === '/') {
        event.preventDefault()
        const filter = document.querySelector<HTMLElement>('[data-filter]')
        if (filter) filter.focus()
        else paletteStore.set('open')
      }
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
}

function isTyping({ target }: KeyboardEvent): boolean {
  const element = target as HTMLElement
  return element.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(element.tagName)
}
