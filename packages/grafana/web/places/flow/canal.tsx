import { useText } from '../../i18n/index.ts'
import { countText, rateText } from '../../lib/format.ts'
import { hrefTo, Link } from '../../lib/router.tsx'
import { Icon } from '../../ui/icons.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import type { Flow, FlowEdge, FlowNode } from './flow-model.ts'
import { factName, factText, NodeCard, nodeHref, nodeName } from './node-card.tsx'

interface Box {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

const edgeOfPage = 16
const top = 16
const nodeHeight = 122
const smallHeight = 104
const rowHeight = 34
const headHeight = 42

/** Widths below this have the canal drawn downwards. */
export const canalWidthMin = 860

/** Widths below this have smaller names, so that whole ones fit. */
const narrowBelow = 1000

/** How wide the water is: records per second on a logarithm. */
export const edgeWidth = (perSecond: number): number =>
  2 + 6 * Math.log10(1 + Math.max(0, perSecond))

/** The canal drawn from left to right, in pixels of the box that it has. */
export function Canal({ flow, width }: { flow: Flow; width: number }) {
  const text = useText()
  const boxes = placeNodes(flow, width)
  const kafka = boxes.get('kafka')
  const height = Math.max(...[...boxes.values()].map((box) => box.y + box.h)) + edgeOfPage
  const gap = gapOf(width)
  return (
    <section
      className={width < narrowBelow ? 'canal-drawing narrow' : 'canal-drawing'}
      style={{ height }}
      aria-label={text('flowDiagram')}
    >
      <svg width={width} height={height} aria-hidden="true">
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 6 6"
            refX="5"
            refY="3"
            markerWidth="6"
            markerHeight="6"
            orient="auto"
          >
            <path d="M0 0.5L6 3 0 5.5z" className="arrow" />
          </marker>
          <marker
            id="arrow-dead"
            viewBox="0 0 6 6"
            refX="5"
            refY="3"
            markerWidth="6"
            markerHeight="6"
            orient="auto"
          >
            <path d="M0 0.5L6 3 0 5.5z" className="arrow-dead" />
          </marker>
        </defs>
        {flow.edges.map((edge) => (
          <Edge key={edge.id} edge={edge} flow={flow} boxes={boxes} hasLabel={gap >= 38} />
        ))}
      </svg>
      {flow.nodes.map((node) => {
        const box = boxes.get(node.id)
        if (!box) return null
        const style = { left: box.x, top: box.y, width: box.w, height: box.h }
        if (node.kind === 'kafka')
          return <Basin key={node.id} node={node} flow={flow} style={style} />
        return (
          <NodeCard key={node.id} node={node} style={style} rows={box.h > smallHeight ? 3 : 2} />
        )
      })}
      {kafka && (
        <Scale
          style={{ left: edgeOfPage, bottom: edgeOfPage, maxWidth: Math.max(180, kafka.x - 180) }}
        />
      )}
    </section>
  )
}

function nodeWidthOf(width: number): number {
  return Math.max(116, Math.min(142, Math.floor(width / 8.55)))
}

function kafkaWidthOf(width: number): number {
  return width < narrowBelow ? 190 : 236
}

function gapOf(width: number): number {
  return (width - 2 * edgeOfPage - 5 * nodeWidthOf(width) - kafkaWidthOf(width)) / 5
}

function placeNodes({ nodes, topics, topicsHidden }: Flow, width: number): Map<string, Box> {
  const w = nodeWidthOf(width)
  const kafkaWidth = kafkaWidthOf(width)
  const gap = gapOf(width)
  const boxes = new Map<string, Box>()
  const column = (index: number): number =>
    edgeOfPage + index * (w + gap) + (index > 3 ? kafkaWidth - w : 0)
  const kafkaHeight =
    headHeight + (Math.max(3, topics.length) + (topicsHidden > 0 ? 1 : 0)) * rowHeight
  const below = Math.max(top + kafkaHeight, top + nodeHeight + 24 + smallHeight) + 56
  const place = (id: string, x: number, y: number, boxWidth: number, h: number): void => {
    if (nodes.some((node) => node.id === id)) boxes.set(id, { x, y, w: boxWidth, h })
  }
  place('sensors', column(0), top + 8, w, nodeHeight)
  place('mqtt', column(1), top + 8, w, nodeHeight)
  place('mqttSource', column(2), top + 8, w, nodeHeight)
  place('kafka', column(3), top, kafkaWidth, kafkaHeight)
  place('streams', column(3), below, kafkaWidth, smallHeight)
  place('mqttSink', column(2), below, w, smallHeight)
  let y = top + 8
  for (const [sink, store] of [
    ['mongodbSink', 'mongodb'],
    ['prometheusSink', 'prometheus'],
    ['otherConnector', ''],
    ['forward', ''],
  ] as const) {
    const hasAny = nodes.some(({ id }) => id === sink || id === store)
    if (!hasAny) continue
    const h = sink === 'mongodbSink' ? nodeHeight : smallHeight
    place(sink, column(4), y, w, h)
    if (store) place(store, column(5), y, w, h)
    y += h + 28
  }
  place('grafana', column(5), below, w, smallHeight)
  return boxes
}

function Edge({
  edge,
  flow,
  boxes,
  hasLabel,
}: {
  edge: FlowEdge
  flow: Flow
  boxes: ReadonlyMap<string, Box>
  hasLabel: boolean
}) {
  const from = boxes.get(edge.from)
  const to = boxes.get(edge.to)
  if (!from || !to) return null
  const width = edgeWidth(edge.perSecond)
  const isThread = edge.perSecond < 5
  const { path, label } = route(edge, from, to, flow)
  const title = `${edge.topic ?? edge.from} · ${rateText(edge.perSecond)}`
  if (edge.kind === 'dead' || edge.kind === 'command')
    return (
      <g className={`edge edge-${edge.kind}`}>
        <title>{title}</title>
        <path
          className="thread"
          d={path}
          markerEnd={`url(#${edge.kind === 'dead' ? 'arrow-dead' : 'arrow'})`}
        />
        {edge.kind === 'dead' && (
          <text x={label.x} y={label.y} textAnchor="end">
            {edge.label}
          </text>
        )}
      </g>
    )
  const moves = edge.perSecond > 0.01
  // About 20 pixels a second, as water goes; the dashes repeat every 20.
  return (
    <g className={`edge edge-${edge.kind}`}>
      <title>{title}</title>
      {isThread ? (
        <path className={moves ? 'thread moving' : 'thread'} d={path} />
      ) : (
        <>
          <path className="bank" d={path} strokeWidth={width + 2} />
          <path className="water" d={path} strokeWidth={width} />
          <path className="wave moving" d={path} />
        </>
      )}
      {hasLabel && label.isShown && (
        <text x={label.x} y={label.y - Math.max(8, width / 2 + 6)} textAnchor={label.anchor}>
          {rateText(edge.perSecond)}
        </text>
      )}
    </g>
  )
}

interface Route {
  readonly path: string
  readonly label: {
    readonly x: number
    readonly y: number
    readonly isShown: boolean
    readonly anchor: 'middle' | 'start' | 'end'
  }
}

function route(edge: FlowEdge, from: Box, to: Box, flow: Flow): Route {
  const rowOf = (box: Box): number => {
    const row = flow.topics.findIndex(({ name }) => name === edge.topic)
    return box.y + (row < 0 ? headHeight / 2 : headHeight + (row + 0.5) * rowHeight)
  }
  const level = (box: Box): number => box.y + 52
  if (edge.from === 'kafka' && edge.to === 'streams') {
    const x = from.x + from.w * 0.3
    return vertical(x, from.y + from.h, to.y, 'start')
  }
  if (edge.from === 'streams' && edge.to === 'kafka') {
    const x = from.x + from.w * 0.7
    return vertical(x, from.y, to.y + to.h, 'start')
  }
  if (edge.from === 'prometheus' && edge.to === 'grafana') {
    const x = from.x + from.w / 2
    return vertical(x, from.y + from.h, to.y, 'start', false)
  }
  if (edge.kind === 'dead') {
    const x0 = from.x + from.w
    const y0 = from.y + from.h - 14
    const y1 = rowOf(to)
    return {
      path: curve(x0, y0, to.x - 2, y1),
      label: { x: (x0 + to.x) / 2 - 8, y: (y0 + y1) / 2 + 12, isShown: true, anchor: 'end' },
    }
  }
  if (edge.to === 'mqtt' && edge.kind === 'command') {
    const x1 = to.x + to.w / 2
    const y0 = from.y + from.h / 2
    return {
      path: `M${from.x} ${y0}C${x1 + 20} ${y0} ${x1} ${y0 - 40} ${x1} ${to.y + to.h + 3}`,
      label: { x: x1 + 10, y: y0 - 20, isShown: false, anchor: 'start' },
    }
  }
  if (edge.from === 'kafka' && edge.kind === 'command') {
    const y0 = rowOf(from)
    const y1 = to.y + to.h / 2
    return {
      path: `M${from.x} ${y0}C${from.x - 30} ${y0} ${from.x - 10} ${y1} ${to.x + to.w + 3} ${y1}`,
      label: { x: 0, y: 0, isShown: false, anchor: 'end' },
    }
  }
  const x0 = from.x + from.w
  const x1 = to.x
  const y0 = edge.from === 'kafka' ? rowOf(from) : level(from)
  const rowIndex = (one: FlowEdge): number =>
    flow.topics.findIndex(({ name }) => name === one.topic)
  // In the order of their rows, so that edges beside each other do not cross.
  const siblings = flow.edges
    .filter(({ from: f, to: t }) => f === edge.from && t === edge.to)
    .sort((a, b) => rowIndex(a) - rowIndex(b))
  const spread =
    edge.from === 'kafka' ? (siblings.indexOf(edge) - (siblings.length - 1) / 2) * 20 : 0
  const y1 = edge.to === 'kafka' ? rowOf(to) : edge.from === 'kafka' ? level(to) + spread : y0
  const isFirst = siblings[0] === edge
  return {
    path: y0 === y1 ? `M${x0} ${y0}H${x1}` : curve(x0, y0, x1, y1),
    label: {
      x: (x0 + x1) / 2,
      y: Math.min(y0, y1),
      isShown: isFirst && Math.abs(y0 - y1) < 46,
      anchor: 'middle',
    },
  }
}

function vertical(
  x: number,
  y0: number,
  y1: number,
  anchor: 'start' | 'end',
  isShown = true,
): Route {
  return {
    path: `M${x} ${y0}V${y1}`,
    label: { x: x + 18, y: (y0 + y1) / 2 + 12, isShown, anchor },
  }
}

function curve(x0: number, y0: number, x1: number, y1: number): string {
  const bend = Math.max(14, (x1 - x0) * 0.5)
  return `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`
}

/** Kafka: a basin that lists its topics. */
function Basin({ node, flow, style }: { node: FlowNode; flow: Flow; style: React.CSSProperties }) {
  const text = useText()
  return (
    <section
      className={`flow-node basin level-${node.level}`}
      style={style}
      aria-label={nodeName(node)}
    >
      <Link to={nodeHref(node)} className="basin-head">
        <StateMark level={node.level} /> <b>{nodeName(node)}</b>
        <small>
          {node.facts
            .slice(0, 2)
            .map((fact) => `${factText(fact)} ${factName(fact)}`)
            .join(' · ')}
        </small>
      </Link>
      <ul>
        {flow.topics.map((topic) => (
          <li key={topic.name}>
            <Link
              to={hrefTo(`/kafka/${encodeURIComponent(topic.name)}`)}
              className={topic.isDead ? 'dead' : ''}
              title={topic.name}
            >
              <span>{topic.name}</span>
              <b>
                {topic.isDead || topic.perSecond < 0.0005
                  ? countText(topic.total)
                  : rateText(topic.perSecond)}
              </b>
            </Link>
          </li>
        ))}
        {flow.topicsHidden > 0 && (
          <li>
            <Link to={hrefTo('/kafka')}>
              <span>{text('moreTopics', { count: flow.topicsHidden })}</span>
              <Icon name="right" size={12} />
            </Link>
          </li>
        )}
      </ul>
    </section>
  )
}

/** What widths and dashes mean. */
function Scale({ style }: { style: React.CSSProperties }) {
  const text = useText()
  return (
    <div className="canal-scale" style={style}>
      <svg width="132" height="26" aria-hidden="true">
        {[1, 100, 1000].map((rate, index) => {
          const height = edgeWidth(rate)
          return (
            <rect
              key={rate}
              x={index * 46 + 0.5}
              y={13 - height / 2}
              width="30"
              height={height}
              className="scale-water"
            />
          )
        })}
      </svg>
      <span className="scale-names">
        <i>1</i>
        <i>100</i>
        <i>1 k</i>
      </span>
      <span>{text('legendWidth')}</span>
      <span>{text('legendDashed')}</span>
    </div>
  )
}

/** The same canal for narrow pages: drawn downwards, one station below the other. */
export function CanalDown({ flow }: { flow: Flow }) {
  const text = useText()
  const order = [
    'sensors',
    'mqtt',
    'mqttSource',
    'kafka',
    'streams',
    'mongodbSink',
    'mongodb',
    'prometheusSink',
    'prometheus',
    'otherConnector',
    'forward',
    'mqttSink',
    'grafana',
  ]
  const nodes = flow.nodes.toSorted((a, b) => order.indexOf(a.id) - order.indexOf(b.id))
  return (
    <ol className="canal-down panel">
      {nodes.map((node) => {
        const dead = node.facts.find(({ name }) => name === 'deadLetters')
        const facts = node.facts.filter((fact) => fact !== dead).slice(0, 3)
        return (
          <li key={node.id} className={`level-${node.level}`}>
            <span
              className="down-water"
              style={
                {
                  '--water': `${Math.min(22, Math.max(3, edgeWidth(node.perSecond)))}px`,
                } as React.CSSProperties
              }
              aria-hidden="true"
            >
              <i className="ring" />
            </span>
            <Link to={nodeHref(node)}>
              <span className="down-line">
                <b>
                  {node.level !== 'ok' && <StateMark level={node.level} />} {nodeName(node)}
                </b>
                <span className="down-rate">
                  {node.kind === 'console' ? '' : rateText(node.perSecond)}
                </span>
              </span>
              <span className="down-facts">
                {facts.map((fact) => (
                  <span key={fact.name} className={fact.level ?? ''}>
                    {factText(fact)} {factName(fact)}
                  </span>
                ))}
              </span>
              {dead && (
                <span className="down-dead critical">
                  {text('deadLetters')} <b>{factText(dead)}</b>
                </span>
              )}
            </Link>
            {node.kind === 'kafka' && (
              <ul className="down-topics">
                {flow.topics.map((topic) => (
                  <li key={topic.name}>
                    <Link
                      to={hrefTo(`/kafka/${encodeURIComponent(topic.name)}`)}
                      className={topic.isDead ? 'critical' : ''}
                    >
                      <span>{topic.name}</span>
                      <b>
                        {topic.isDead || topic.perSecond < 0.0005
                          ? countText(topic.total)
                          : rateText(topic.perSecond)}
                      </b>
                    </Link>
                  </li>
                ))}
              </ul>
            )}
          </li>
        )
      })}
    </ol>
  )
}
