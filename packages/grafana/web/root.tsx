import { lazy, Suspense } from 'react'
import { App } from './app.tsx'
import { loadTexts } from './i18n/index.ts'
import { languageStore } from './lib/preferences.ts'
import { usePlace } from './lib/router.tsx'
import { sessionStore } from './lib/session.ts'
import { createStore, useStore } from './lib/store.ts'

const PhonePage = lazy(() =>
  import('./places/phone/phone.tsx').then((m) => ({ default: m.PhonePage })),
)
const Entry = lazy(() => import('./entry/entry.tsx').then((m) => ({ default: m.Entry })))

// Counts the catalogues that were loaded, so that a change is drawn when its texts are here.
const textsStore = createStore(0)
languageStore.subscribe(() => {
  void loadTexts().then(() => textsStore.set(textsStore.get() + 1))
})

/** The console, or the way in. */
export function Root() {
  useStore(textsStore)
  const session = useStore(sessionStore)
  const { path } = usePlace()
  // A device knows the broker, not the console: it needs no login here.
  if (path === '/phone')
    return (
      <Suspense fallback={null}>
        <PhonePage />
      </Suspense>
    )
  if (session.kind !== 'login' && session.kind !== 'setup') return <App />
  return (
    <Suspense fallback={null}>
      <Entry />
    </Suspense>
  )
}
