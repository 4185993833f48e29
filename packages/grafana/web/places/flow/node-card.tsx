import { type TextKey, textOr, useText } from '../../i18n/index.ts'
import { countText, rateFigure, rateText } from '../../lib/format.ts'
import { pathOfPart } from '../../lib/places.ts'
import { hrefTo, Link } from '../../lib/router.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import type { FlowFact, FlowNode } from './flow-model.ts'

const nodeNames: Readonly<Record<string, TextKey>> = { grafana: 'console' }

/** A node's name in the reader's language. */
export function nodeName(node: Pick<FlowNode, 'name'>): string {
  return textOr(nodeNames[node.name] ?? node.name, node.name)
}

export function nodeHref(node: FlowNode): string {
  if (node.kind === 'console') return hrefTo('/')
  const [only] = node.items
  if (node.part === 'connect' && node.items.length === 1 && only)
    return hrefTo(`/connect/${encodeURIComponent(only.name)}`)
  return hrefTo(pathOfPart(node.part))
}

/** Words for the states that are told by shape and colour. */
export function levelText(text: (key: TextKey) => string, level: FlowNode['level']): string {
  if (level === 'ok') return text('statusReady')
  if (level === 'critical') return text('statusFailed')
  return level === 'warn' ? text('fact_queued') : text('statusIdle')
}

export function factText({ value, unit }: FlowFact): string {
  if (typeof value === 'string') return value
  return unit === 'rate' ? `+${rateText(value)}` : countText(value)
}

export function factName(fact: FlowFact): string {
  return textOr(`fact_${fact.name}`, textOr(fact.name, fact.name))
}

/** One station: name with state, one large rate, three pairs at most. */
export function NodeCard({
  node,
  style,
  rows = 3,
}: {
  node: FlowNode
  style: React.CSSProperties
  rows?: number
}) {
  const text = useText()
  const rate = rateFigure(node.perSecond)
  const name = nodeName(node)
  return (
    <Link to={nodeHref(node)} className={`flow-node level-${node.level}`} style={style}>
      <span className="node-name">
        <StateMark level={node.level} /> {name}
        <span className="visually-hidden">{levelText(text, node.level)}</span>
      </span>
      {node.kind !== 'console' && (
        <span className="node-rate">
          {rate.text}
          <small>{rate.unit}</small>
        </span>
      )}
      <span className="node-facts">
        {node.facts.slice(0, rows).map((fact) => (
          <span key={fact.name}>
            <i>{factName(fact)}</i>
            <b className={fact.level ?? ''}>{factText(fact)}</b>
          </span>
        ))}
      </span>
    </Link>
  )
}
