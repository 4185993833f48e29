import { type ReactNode, useState } from 'react'
import type { Panel } from '../../src/model/dashboard.ts'
import { unitLabel } from '../../src/model/units.ts'
import { useText } from '../i18n/index.ts'
import { useNow } from '../lib/clock.ts'
import { duration } from '../lib/duration.ts'
import { hrefTo, Link, setParams, usePlace } from '../lib/router.tsx'
import { useSetup } from '../lib/setup.ts'
import { Empty, Failure, Tag } from '../ui/faces.tsx'
import { frameCommand } from '../ui/frame-command.ts'
import { Icon } from '../ui/icons.tsx'
import { Popover } from '../ui/popover.tsx'
import { useDashboard } from './context.ts'
import { downloadCsv } from './csv.ts'
import { Markdown } from './markdown.tsx'
import { type PanelData, useBox, usePanelData } from './panel-data.ts'
import { panelKinds } from './registry.ts'

/** One panel in its frame: title, unit, menu, and one of its faces. */
export function PanelFrame({ panel }: { panel: Panel }) {
  const text = useText()
  const { translate } = useDashboard()
  const { params } = usePlace()
  const body = useBox<HTMLDivElement>()
  const data = usePanelData(panel, body.width, body.isVisible)
  const title = translate(panel.title)
  const isAlone = params.get('viewPanel') === String(panel.id)
  const unit = panel.kind === 'timeseries' ? unitLabel(panel.defaults.unit) : ''
  return (
    <section
      className={`panel panel-${panel.kind}`}
      aria-label={title || text('chartOf', { title: String(panel.id) })}
      data-panel={panel.id}
    >
      <header className="panel-head">
        <h2 title={translate(panel.description)}>{title}</h2>
        {unit !== '' && <span className="panel-unit">{unit}</span>}
        {panel.notes.map((note) => (
          <Tag key={note} title={text(note)}>
            {text(note)}
          </Tag>
        ))}
        <span className="bar-space" />
        <StaleTag data={data} />
        <PanelMenu panel={panel} title={title} data={data} isAlone={isAlone} />
      </header>
      <div className="panel-body" ref={body.ref}>
        {body.width > 0 && (
          <PanelFace panel={panel} data={data} width={body.width} height={body.height} />
        )}
      </div>
    </section>
  )
}

/** Old data is greyed; the tag that says since when is not. */
function StaleTag({ data }: { data: PanelData }) {
  const text = useText()
  const nowMs = useNow()
  const age = nowMs - data.atMs
  if (data.atMs === 0 || !data.frames) return null
  if (data.error === undefined && (data.refreshMs === 0 || age < data.refreshMs * 3 + 4_000))
    return null
  return (
    <Tag tone="warn" title={data.error?.message}>
      <Icon name="refresh" size={12} /> {text('stale', { duration: duration(age) })}
    </Tag>
  )
}

function isStale(data: PanelData): boolean {
  return data.error !== undefined && data.atMs > 0
}

function PanelFace({
  panel,
  data,
  width,
  height,
}: {
  panel: Panel
  data: PanelData
  width: number
  height: number
}): ReactNode {
  const text = useText()
  const { translate } = useDashboard()
  const setup = useSetup()
  if (panel.kind === 'text')
    return (
      <Markdown
        source={translate(panel.options.content)}
        plain={panel.options.textKind !== 'markdown'}
      />
    )
  const Draw = panelKinds[panel.kind]
  if (!Draw) return <Empty title={text('unsupportedPanel', { type: panel.sourceType })} />
  if (!data.frames) {
    if (data.error)
      return <Failure title={text('queryFailed')} error={data.error} onRetry={data.retry} />
    return <LoadingShape kind={panel.kind} />
  }
  const isEmpty = data.frames.every((frame) => (frame.data.values[0]?.length ?? 0) === 0)
  if (isEmpty) {
    if (data.error)
      return <Failure title={text('queryFailed')} error={data.error} onRetry={data.retry} />
    const isTable = panel.kind === 'table'
    const isSmall = height < 110
    return (
      <Empty
        title={text(isTable ? 'noDocuments' : 'noSamples')}
        {...(isSmall ? {} : { hint: text(isTable ? 'noDocumentsHint' : 'noSamplesHint') })}
        {...(isTable || isSmall || width < 260 ? {} : { command: frameCommand(setup, 'khlong') })}
      />
    )
  }
  return (
    <div className={isStale(data) ? 'panel-data stale' : 'panel-data'}>
      <Draw panel={panel} data={{ ...data, frames: data.frames }} width={width} height={height} />
    </div>
  )
}

/** Keeps the shape of what comes, so that nothing jumps. */
function LoadingShape({ kind }: { kind: Panel['kind'] }) {
  const text = useText()
  const heights = [38, 52, 46, 60, 72, 66, 58, 70, 84, 78, 62, 50, 44, 56, 68, 74]
  return (
    <div className={`loading-shape loading-${kind}`} role="status" aria-label={text('loading')}>
      {kind === 'timeseries' ? (
        heights.map((height, index) => <i key={index} style={{ height: `${height}%` }} />)
      ) : kind === 'table' || kind === 'bargauge' ? (
        heights
          .slice(0, 5)
          .map((height, index) => <i key={index} style={{ width: `${40 + height / 2}%` }} />)
      ) : (
        <i className="figure" />
      )}
    </div>
  )
}

function PanelMenu({
  panel,
  title,
  data,
  isAlone,
}: {
  panel: Panel
  title: string
  data: PanelData
  isAlone: boolean
}) {
  const text = useText()
  const [expr] = panel.targets.map((target) => target.expr).filter((each) => each !== '')
  if (panel.kind === 'text') return null
  return (
    <Popover
      label={text('panelMenu', { title })}
      className="icon-button small panel-menu"
      align="right"
      button={<Icon name="more" />}
    >
      {(close) => (
        <div className="menu">
          <button
            type="button"
            className="menu-item"
            onClick={() => {
              close()
              setParams({ viewPanel: isAlone ? null : String(panel.id) })
            }}
          >
            <Icon name={isAlone ? 'shrink' : 'expand'} />{' '}
            {text(isAlone ? 'backToDashboard' : 'showPanel')}
          </button>
          {expr !== undefined && (
            <Link className="menu-item" to={hrefTo('/explore', { q: expr })}>
              <Icon name="explore" /> {text('exploreQuery')}
            </Link>
          )}
          {data.frames && (
            <button
              type="button"
              className="menu-item"
              onClick={() => {
                close()
                downloadCsv(title, data.frames ?? [])
              }}
            >
              <Icon name="download" /> {text('showJson')}
            </button>
          )}
        </div>
      )}
    </Popover>
  )
}

/** A row that can be folded; folded rows bring their panels with them. */
export function RowHead({
  panel,
  isOpen,
  onToggle,
}: {
  panel: Panel
  isOpen: boolean
  onToggle: () => void
}) {
  const text = useText()
  const { translate } = useDashboard()
  const [id] = useState(() => `row-${panel.id}`)
  return (
    <h2 className="row-head" id={id}>
      <button
        type="button"
        aria-expanded={isOpen}
        title={text(isOpen ? 'collapseRow' : 'expandRow')}
        onClick={onToggle}
      >
        <Icon name={isOpen ? 'chevron' : 'right'} size={14} /> {translate(panel.title)}
      </button>
    </h2>
  )
}
