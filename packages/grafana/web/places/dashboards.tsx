import { useEffect, useMemo, useState } from 'react'
import { allVariableValue, type Panel } from '../../src/model/dashboard.ts'
import { readDashboard } from '../../src/model/read-dashboard.ts'
import type { VariableValues } from '../../src/model/variables.ts'
import { useText } from '../i18n/index.ts'
import { ApiError, ask } from '../lib/api.ts'
import { rangeText } from '../lib/format.ts'
import { languageStore } from '../lib/preferences.ts'
import { useQuery } from '../lib/query.ts'
import { hrefTo, Link, setParams, usePlace } from '../lib/router.tsx'
import { useSetup } from '../lib/setup.ts'
import { useStore } from '../lib/store.ts'
import { timeDefaultsStore, useResolvedRange } from '../lib/time.ts'
import { DashboardScope } from '../panels/context.ts'
import { PanelFrame, RowHead } from '../panels/panel-frame.tsx'
import { useVariables, VariableBar } from '../panels/variable-bar.tsx'
import { copyText } from '../ui/copy.tsx'
import { Empty, Failure, Skeleton, Tag } from '../ui/faces.tsx'
import { Icon } from '../ui/icons.tsx'
import { Popover } from '../ui/popover.tsx'
import { SendStrip } from '../ui/send-strip.tsx'

interface Found {
  uid: string
  title: string
  url: string
  tags: string[]
}

interface DashboardAnswer {
  dashboard: unknown
  meta: { provisioned: boolean; provisionedExternalId: string }
}

/** The pipeline's first dashboard as home, any other by its uid, or the list of all. */
export function DashboardPlace({ uid, list }: { uid: string | undefined; list: boolean }) {
  const setup = useSetup()
  const wanted = uid ?? setup?.home ?? undefined
  if (list || (setup && wanted === undefined)) return <DashboardList />
  return <DashboardPage key={wanted ?? ''} uid={wanted} isHome={wanted === setup?.home} />
}

function DashboardList() {
  const text = useText()
  const found = useQuery('search', () => ask<Found[]>('/api/search'))
  return (
    <>
      <header className="place-head">
        <h1>{text('dashboards')}</h1>
      </header>
      {!found.data ? (
        found.error ? (
          <Failure title={text('queryFailed')} error={found.error} onRetry={found.retry} />
        ) : (
          <Skeleton />
        )
      ) : found.data.length === 0 ? (
        <section className="panel pad">
          <Empty
            title={text('noDashboards')}
            hint={text('noDashboardsHint')}
            command={`curl -X POST ${location.origin}/api/dashboards/db -H 'content-type: application/json' -d '{"dashboard": …}'`}
          />
        </section>
      ) : (
        <ul className="panel list">
          {found.data.map((one) => (
            <li key={one.uid}>
              <Link to={hrefTo(one.url)}>
                <Icon name="dashboards" /> <b>{one.title}</b>
                {one.tags.map((tag) => (
                  <Tag key={tag}>{tag}</Tag>
                ))}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function DashboardPage({ uid, isHome }: { uid: string | undefined; isHome: boolean }) {
  const text = useText()
  const language = useStore(languageStore)
  const { params } = usePlace()
  const answer = useQuery(uid === undefined ? undefined : `dashboard ${uid}`, () =>
    ask<DashboardAnswer>(`/api/dashboards/uid/${encodeURIComponent(uid ?? '')}`),
  )
  const dashboard = useMemo(
    () => (answer.data ? readDashboard(answer.data.dashboard) : undefined),
    [answer.data],
  )
  useEffect(() => {
    if (!dashboard) return
    const { time, refreshMs } = dashboard
    timeDefaultsStore.set({ ...time, refreshMs: refreshMs || 5_000 })
  }, [dashboard])
  const translate = useMemo(() => {
    const texts = dashboard?.translations[language] ?? {}
    return (one: string): string => texts[one] ?? one
  }, [dashboard, language])
  useEffect(() => {
    if (dashboard) document.title = `${translate(dashboard.title)} · Khlong`
  }, [dashboard, translate])
  const chosen = useMemo(() => chosenVariables(params), [params])
  const variables = useVariables(dashboard, chosen)
  const context = useMemo(
    () =>
      dashboard && {
        dashboard: { ...dashboard, variables: variables.variables },
        values: variables.values,
        isReady: variables.isReady,
        translate,
      },
    [dashboard, variables, translate],
  )
  if (!dashboard || !context) {
    if (!answer.error) return <DashboardSkeleton />
    const isMissing = answer.error instanceof ApiError && answer.error.status === 404
    return (
      <section className="panel pad">
        {isMissing ? (
          <Empty title={text('dashboardNotFound')}>
            <Link to={hrefTo('/dashboards')}>{text('allDashboards')}</Link>
          </Empty>
        ) : (
          <Failure title={text('queryFailed')} error={answer.error} onRetry={answer.retry} />
        )}
      </section>
    )
  }
  const alone = dashboard.panels
    .flatMap((panel) => [panel, ...panel.panels])
    .find((panel) => String(panel.id) === params.get('viewPanel'))
  return (
    <DashboardScope.Provider value={context}>
      <header className="place-head">
        <h1>{translate(dashboard.title)}</h1>
        <Tag title={answer.data?.meta.provisionedExternalId}>
          {text(answer.data?.meta.provisioned ? 'provisioned' : 'saved')}
        </Tag>
        <span className="bar-space" />
        <DashboardActions json={answer.data?.dashboard} isAlone={alone !== undefined} />
      </header>
      <div className="place-sub">
        <VariableBar variables={variables} />
        <span className="bar-space" />
        <RangeNote />
      </div>
      {isHome && !alone && <SendStrip />}
      {alone ? (
        <div className="panel-alone">
          <PanelFrame panel={alone} />
        </div>
      ) : dashboard.panels.length === 0 ? (
        <section className="panel pad">
          <Empty title={text('noPanels')} />
        </section>
      ) : (
        <PanelGrid panels={dashboard.panels} />
      )}
    </DashboardScope.Provider>
  )
}

function RangeNote() {
  const { fromMs, toMs } = useResolvedRange()
  return <span className="range-note">{rangeText(fromMs, toMs)}</span>
}

function chosenVariables(params: URLSearchParams): VariableValues {
  const chosen: Record<string, string[]> = {}
  for (const name of new Set(params.keys()))
    if (name.startsWith('var-'))
      chosen[name.slice(4)] = params
        .getAll(name)
        .map((value) => (value === 'All' ? allVariableValue : value))
  return chosen
}

function DashboardActions({ json, isAlone }: { json: unknown; isAlone: boolean }) {
  const text = useText()
  const { params } = usePlace()
  const [isCopied, setCopied] = useState(false)
  const isKiosk = params.has('kiosk')
  return (
    <>
      {isAlone && (
        <button type="button" className="button" onClick={() => setParams({ viewPanel: null })}>
          <Icon name="shrink" /> {text('backToDashboard')}
        </button>
      )}
      <button
        type="button"
        className="icon-button boxed desktop-only"
        aria-label={text(isCopied ? 'copied' : 'copyLink')}
        title={text(isCopied ? 'copied' : 'copyLink')}
        onClick={() => {
          void copyText(location.href).then(() => {
            setCopied(true)
            setTimeout(() => setCopied(false), 1_500)
          })
        }}
      >
        <Icon name={isCopied ? 'check' : 'share'} />
      </button>
      <button
        type="button"
        className="icon-button boxed desktop-only"
        aria-label={text(isKiosk ? 'leaveKiosk' : 'kiosk')}
        title={text(isKiosk ? 'leaveKiosk' : 'kiosk')}
        onClick={() => setParams({ kiosk: isKiosk ? null : '1' })}
      >
        <Icon name={isKiosk ? 'shrink' : 'expand'} />
      </button>
      <Popover
        label={text('more')}
        className="icon-button boxed"
        align="right"
        button={<Icon name="more" />}
      >
        {(close) => (
          <div className="menu">
            <Link className="menu-item" to={hrefTo('/dashboards')} onClick={close}>
              <Icon name="dashboards" /> {text('allDashboards')}
            </Link>
            <button
              type="button"
              className="menu-item"
              onClick={() => {
                close()
                print()
              }}
            >
              <Icon name="table" /> {text('print')}
            </button>
            <button
              type="button"
              className="menu-item"
              onClick={() => {
                close()
                void copyText(JSON.stringify(json, null, 2))
              }}
            >
              <Icon name="copy" /> JSON
            </button>
          </div>
        )}
      </Popover>
    </>
  )
}

/** Panels on Grafana's grid of 24 columns; on a phone in one column, small ones two beside each other. */
function PanelGrid({ panels }: { panels: readonly Panel[] }) {
  const [folded, setFolded] = useState<ReadonlyMap<number, boolean>>(new Map())
  const shown: Panel[] = []
  let shift = 0
  let hidden = false
  for (const panel of panels) {
    if (panel.kind === 'row') {
      const isOpen = folded.get(panel.id) ?? !panel.collapsed
      hidden = !isOpen && panel.panels.length === 0
      shown.push({ ...panel, grid: { ...panel.grid, y: panel.grid.y + shift }, collapsed: !isOpen })
      if (isOpen && panel.panels.length > 0) {
        const base = Math.min(...panel.panels.map(({ grid }) => grid.y))
        const height = Math.max(...panel.panels.map(({ grid }) => grid.y + grid.h)) - base
        for (const child of panel.panels)
          shown.push({
            ...child,
            grid: { ...child.grid, y: child.grid.y - base + panel.grid.y + 1 + shift },
          })
        shift += height
      }
    } else if (!hidden) shown.push({ ...panel, grid: { ...panel.grid, y: panel.grid.y + shift } })
  }
  const isSmall = (panel: Panel | undefined): boolean =>
    panel !== undefined && panel.grid.w <= 8 && panel.grid.h <= 6 && panel.kind !== 'row'
  // On a phone small panels stand in pairs; the odd one of a run has its line alone.
  let run = 0
  const last = shown.map((panel, index) => {
    run = isSmall(panel) ? run + 1 : 0
    return run % 2 === 1 && !isSmall(shown[index + 1])
  })
  return (
    <div className="grid">
      {shown.map((panel, index) => (
        <div
          key={panel.id}
          className={`cell cell-${panel.kind} ${isSmall(panel) ? 'cell-small' : ''} ${last[index] ? 'cell-last' : ''}`}
          style={
            {
              '--x': panel.grid.x + 1,
              '--y': panel.grid.y + 1,
              '--w': panel.grid.w,
              '--h': panel.grid.h,
            } as React.CSSProperties
          }
        >
          {panel.kind === 'row' ? (
            <RowHead
              panel={panel}
              isOpen={!panel.collapsed}
              onToggle={() => setFolded(new Map(folded).set(panel.id, panel.collapsed))}
            />
          ) : (
            <PanelFrame panel={panel} />
          )}
        </div>
      ))}
    </div>
  )
}

function DashboardSkeleton() {
  const text = useText()
  return (
    <div role="status" aria-label={text('loading')}>
      <header className="place-head">
        <i className="bone title" />
      </header>
      <div className="grid">
        {[0, 1, 2, 3].map((index) => (
          <div
            key={index}
            className="cell"
            style={{ '--x': index * 6 + 1, '--y': 1, '--w': 6, '--h': 4 } as React.CSSProperties}
          >
            <section className="panel" />
          </div>
        ))}
        <div
          className="cell"
          style={{ '--x': 1, '--y': 5, '--w': 24, '--h': 8 } as React.CSSProperties}
        >
          <section className="panel" />
        </div>
      </div>
    </div>
  )
}
