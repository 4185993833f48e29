import { Component, lazy, type ReactNode, Suspense, useEffect } from 'react'
import { useText } from './i18n/index.ts'
import { hrefTo, Link, usePlace } from './lib/router.tsx'
import { useStore } from './lib/store.ts'
import { DashboardPlace } from './places/dashboards.tsx'
import { Bar } from './shell/bar.tsx'
import { useKeyboard } from './shell/keyboard.ts'
import { paletteStore } from './shell/palette-store.ts'
import { PhoneNav } from './shell/phone-nav.tsx'
import { Rail } from './shell/rail.tsx'
import { Failure, Skeleton } from './ui/faces.tsx'

const lazyPlaces = {
  flow: lazy(() => import('./places/flow/flow.tsx').then((m) => ({ default: m.FlowPlace }))),
  sensors: lazy(() => import('./places/sensors.tsx').then((m) => ({ default: m.SensorsPlace }))),
  mqtt: lazy(() => import('./places/mqtt.tsx').then((m) => ({ default: m.MqttPlace }))),
  kafka: lazy(() => import('./places/kafka.tsx').then((m) => ({ default: m.KafkaPlace }))),
  connect: lazy(() => import('./places/connect.tsx').then((m) => ({ default: m.ConnectPlace }))),
  streams: lazy(() => import('./places/streams.tsx').then((m) => ({ default: m.StreamsPlace }))),
  documents: lazy(() =>
    import('./places/documents.tsx').then((m) => ({ default: m.DocumentsPlace })),
  ),
  scrapes: lazy(() => import('./places/scrapes.tsx').then((m) => ({ default: m.ScrapesPlace }))),
  explore: lazy(() => import('./places/explore.tsx').then((m) => ({ default: m.ExplorePlace }))),
  zookeeper: lazy(() =>
    import('./places/zookeeper.tsx').then((m) => ({ default: m.ZooKeeperPlace })),
  ),
  people: lazy(() =>
    import('./places/people/people.tsx').then((m) => ({ default: m.PeoplePlace })),
  ),
  alerts: lazy(() => import('./places/alerts.tsx').then((m) => ({ default: m.AlertsPlace }))),
} as const

const Palette = lazy(() => import('./shell/palette.tsx').then((m) => ({ default: m.Palette })))
const Keys = lazy(() => import('./shell/keys.tsx').then((m) => ({ default: m.Keys })))
const PasswordDialog = lazy(() =>
  import('./shell/password-dialog.tsx').then((m) => ({ default: m.PasswordDialog })),
)
const SendDialog = lazy(() => import('./ui/send-own.tsx').then((m) => ({ default: m.SendDialog })))

export function App() {
  const text = useText()
  useKeyboard()
  const { path, params } = usePlace()
  const dialog = useStore(paletteStore)
  const isKiosk = params.has('kiosk')
  useEffect(() => {
    document.documentElement.classList.toggle('kiosk', isKiosk)
  }, [isKiosk])
  return (
    <div className="app">
      <a className="skip" href="#content">
        {text('skipToContent')}
      </a>
      {!isKiosk && <Rail />}
      {!isKiosk && <Bar />}
      <main id="content" tabIndex={-1}>
        <Boundary key={path.split('/')[1]}>
          <Suspense fallback={<Skeleton rows={6} />}>
            <Route path={path} />
          </Suspense>
        </Boundary>
      </main>
      {!isKiosk && <PhoneNav />}
      <Suspense fallback={null}>
        {dialog === 'open' && <Palette />}
        {dialog === 'keys' && <Keys />}
        {dialog === 'password' && <PasswordDialog />}
        {dialog === 'send' && <SendDialog onClose={() => paletteStore.set('closed')} />}
      </Suspense>
    </div>
  )
}

function Route({ path }: { path: string }) {
  const [, place = '', ...rest] = path.split('/')
  if (place === '' || place === 'dashboards' || place === 'd')
    return (
      <DashboardPlace
        uid={place === 'd' ? (rest[0] ?? '') : undefined}
        list={place === 'dashboards'}
      />
    )
  if (place in lazyPlaces) {
    const Found = lazyPlaces[place as keyof typeof lazyPlaces]
    return <Found rest={rest.map(decodeURIComponent)} />
  }
  return <NotFound />
}

function NotFound() {
  const text = useText()
  return (
    <section className="panel pad">
      <h1>{text('notFound')}</h1>
      <p>
        <Link to={hrefTo('/')}>{text('goHome')}</Link>
      </p>
    </section>
  )
}

/** A place that throws says so and leaves the others alone. */
class Boundary extends Component<{ children: ReactNode }, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined }

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error }
  }

  override render(): ReactNode {
    if (!this.state.error) return this.props.children
    return <Crashed error={this.state.error} onRetry={() => this.setState({ error: undefined })} />
  }
}

function Crashed({ error, onRetry }: { error: Error; onRetry: () => void }) {
  const text = useText()
  return (
    <section className="panel pad">
      <Failure title={text('crashed')} error={error} onRetry={onRetry} />
    </section>
  )
}
