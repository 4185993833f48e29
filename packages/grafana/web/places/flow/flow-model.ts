import { type FlowRate, type FlowRates, itemKey } from '../../../src/model/flow-rates.ts'
import { type HealthLevel, healthOf } from '../../../src/model/health.ts'
import { shownFacts } from '../../../src/model/open-window.ts'
import {
  lagWarning,
  type PlatformPart,
  type PlatformSnapshot,
  type VitalItem,
} from '../../../src/model/platform.ts'

/** A station of the canal. */
export interface FlowNode {
  readonly id: string
  readonly kind:
    | 'sensors'
    | 'mqtt'
    | 'source'
    | 'kafka'
    | 'streams'
    | 'sink'
    | 'mqttSink'
    | 'store'
    | 'console'
  readonly part: string
  readonly name: string
  readonly level: HealthLevel
  readonly perSecond: number
  /** Short names and figures, what hurts first; three at most are drawn. */
  readonly facts: readonly FlowFact[]
  readonly items: readonly VitalItem[]
}

export interface FlowFact {
  readonly name: string
  readonly value: number | string
  readonly unit: 'count' | 'rate'
  readonly level?: HealthLevel
}

export interface FlowEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  /** The topic's row that the edge ends at, on the side of Kafka. */
  readonly topic?: string
  readonly perSecond: number
  readonly kind: 'water' | 'behind' | 'dead' | 'command'
  readonly label?: string
}

export interface FlowTopic {
  readonly name: string
  readonly perSecond: number
  readonly total: number
  readonly isDead: boolean
}

export interface Flow {
  readonly nodes: readonly FlowNode[]
  readonly edges: readonly FlowEdge[]
  readonly topics: readonly FlowTopic[]
  readonly topicsHidden: number
}

const topicsMax = 8

/** What the flow page draws, from the snapshot and the rates alone: nothing of it is wired in. */
export function flowOf(snapshot: PlatformSnapshot, rates: FlowRates): Flow {
  const parts = new Map(snapshot.parts.map((part) => [part.name, part]))
  const health = healthOf(snapshot)
  const levelOf = (part: PlatformPart): HealthLevel => {
    if (part.status === 'failed') return 'critical'
    if (part.status !== 'ready' && part.status !== 'external') return 'idle'
    const own = health.troubles.filter(
      (each) => each.part === part.name && each.kind !== 'deadLetters',
    )
    if (own.some(({ kind }) => kind === 'failed')) return 'critical'
    return own.length > 0 ? 'warn' : 'ok'
  }
  const nodes: FlowNode[] = []
  const edges: FlowEdge[] = []
  const partNode = (name: string, kind: FlowNode['kind'], side: 'in' | 'out'): void => {
    const part = parts.get(name)
    if (!part) return
    const rate = rates.of(name)
    nodes.push({
      id: name,
      kind,
      part: name,
      name,
      level: levelOf(part),
      perSecond: side === 'in' ? rate.inPerSecond : rate.outPerSecond,
      facts: factsOf(part),
      items: part.vitals?.items ?? [],
    })
  }
  partNode('sensors', 'sensors', 'out')
  partNode('mqtt', 'mqtt', 'in')
  partNode('kafka', 'kafka', 'in')
  partNode('streams', 'streams', 'in')
  partNode('mongodb', 'store', 'in')
  partNode('prometheus', 'store', 'in')
  partNode('grafana', 'console', 'in')
  partNode('forward', 'sink', 'out')

  const connect = parts.get('connect')
  const kinds = new Map<string, VitalItem[]>()
  for (const item of connect?.vitals?.items ?? []) {
    if (item.kind !== 'connector') continue
    const kind = connectorKind(item)
    kinds.set(kind, [...(kinds.get(kind) ?? []), item])
  }
  for (const [kind, items] of kinds) {
    const rate = sum(items.map((item) => rates.of(itemKey('connect', item))))
    const lag = items.reduce((total, item) => total + (item.lag ?? 0), 0)
    const dead = items.reduce((total, item) => total + (item.deadLetters ?? 0), 0)
    const failed = items.filter(({ state }) => state === 'failed').length
    const level: HealthLevel =
      failed > 0 || connect?.status === 'failed'
        ? 'critical'
        : lag > lagWarning
          ? 'warn'
          : items.every(({ state }) => state === 'paused' || state === 'idle')
            ? 'idle'
            : 'ok'
    const facts: FlowFact[] = []
    if (failed > 0) facts.push({ name: 'failed', value: failed, unit: 'count', level: 'critical' })
    if (dead > 0) facts.push({ name: 'deadLetters', value: dead, unit: 'count', level: 'critical' })
    if (kind !== 'mqttSource') {
      facts.push({
        name: 'lag',
        value: lag,
        unit: 'count',
        ...(lag > lagWarning ? { level: 'warn' } : {}),
      })
      if (lag > lagWarning && rate.lagPerSecond > 0.5)
        facts.push({ name: 'growing', value: rate.lagPerSecond, unit: 'rate', level: 'warn' })
    }
    facts.push({ name: 'connectors', value: items.length, unit: 'count' })
    nodes.push({
      id: kind,
      kind: kind === 'mqttSource' ? 'source' : kind === 'mqttSink' ? 'mqttSink' : 'sink',
      part: 'connect',
      name: kind,
      level,
      perSecond: rate.outPerSecond,
      facts,
      items,
    })
  }
  const has = (id: string): boolean => nodes.some((node) => node.id === id)
  const edge = (next: Omit<FlowEdge, 'id'>): void => {
    if (!has(next.from) || !has(next.to)) return
    edges.push({ ...next, id: `${next.from}>${next.to}>${next.topic ?? ''}` })
  }
  edge({ from: 'sensors', to: 'mqtt', perSecond: rates.of('sensors').outPerSecond, kind: 'water' })
  for (const [kind, items] of kinds) {
    for (const item of items) {
      const rate = rates.of(itemKey('connect', item))
      const behind = (item.lag ?? 0) > lagWarning
      if (kind === 'mqttSource') {
        for (const topic of item.to ?? [])
          edge({ from: kind, to: 'kafka', topic, perSecond: rate.outPerSecond, kind: 'water' })
        continue
      }
      const command = kind === 'mqttSink'
      for (const topic of item.from ?? [])
        edge({
          from: 'kafka',
          to: kind,
          topic,
          perSecond: rate.inPerSecond,
          kind: command ? 'command' : behind ? 'behind' : 'water',
        })
    }
    const rate = sum(items.map((item) => rates.of(itemKey('connect', item))))
    const behind = items.some((item) => (item.lag ?? 0) > lagWarning)
    if (kind === 'mqttSource')
      edge({ from: 'mqtt', to: kind, perSecond: rate.inPerSecond, kind: 'water' })
    const store =
      kind === 'mongodbSink' ? 'mongodb' : kind === 'prometheusSink' ? 'prometheus' : undefined
    if (store)
      edge({
        from: kind,
        to: store,
        perSecond: rate.outPerSecond,
        kind: behind ? 'behind' : 'water',
      })
    if (kind === 'mqttSink')
      edge({ from: kind, to: 'mqtt', perSecond: rate.outPerSecond, kind: 'command' })
  }
  const forward = parts.get('forward')
  for (const item of forward?.vitals?.items ?? [])
    edge({
      from: 'kafka',
      to: 'forward',
      topic: item.name,
      perSecond: rates.of(itemKey('forward', item)).outPerSecond,
      kind: (item.lag ?? 0) > lagWarning ? 'behind' : 'water',
    })
  const streams = rates.of('streams')
  edge({
    from: 'kafka',
    to: 'streams',
    perSecond: streams.inPerSecond,
    kind: streams.lag > lagWarning ? 'behind' : 'water',
  })
  edge({ from: 'streams', to: 'kafka', perSecond: streams.outPerSecond, kind: 'water' })
  edge({
    from: 'prometheus',
    to: 'grafana',
    perSecond: rates.of('grafana').inPerSecond,
    kind: 'water',
  })

  const { topics, hidden } = topicsOf(parts.get('kafka'), rates, edges)
  for (const topic of topics.filter(({ isDead, total }) => isDead && total > 0)) {
    const from = [...kinds].find(([, items]) =>
      items.some((item) => (item.deadLetters ?? 0) > 0),
    )?.[0]
    if (from)
      edge({
        from,
        to: 'kafka',
        topic: topic.name,
        perSecond: topic.perSecond,
        kind: 'dead',
        label: String(topic.total),
      })
  }
  return { nodes, edges, topics, topicsHidden: hidden }
}

/** What a connector is, by what it reads, writes and is called. */
export function connectorKind(item: Pick<VitalItem, 'name' | 'from' | 'to'>): string {
  const { from = [], to = [] } = item
  const name = item.name.toLowerCase()
  if (from.some((each) => each.startsWith('mqtt:'))) return 'mqttSource'
  if (to.some((each) => each.startsWith('mqtt:'))) return 'mqttSink'
  if (/mqtt/.test(name)) return /sink|command/.test(name) ? 'mqttSink' : 'mqttSource'
  if (/mongo/.test(name)) return 'mongodbSink'
  if (/prometheus/.test(name) || to.some((each) => /^https?:.*metric/.test(each)))
    return 'prometheusSink'
  return /source/.test(name) ? 'mqttSource' : 'otherConnector'
}

const deadPattern = /dead|dlq|\.errors?$/i

function topicsOf(
  kafka: PlatformPart | undefined,
  rates: FlowRates,
  edges: readonly FlowEdge[],
): { topics: FlowTopic[]; hidden: number } {
  const used = new Set(edges.map(({ topic }) => topic))
  const all = (kafka?.vitals?.items ?? [])
    .filter(({ kind, name }) => kind === 'topic' && (used.has(name) || !isInternal(name)))
    .map((item) => ({
      name: item.name,
      perSecond: rates.of(itemKey('kafka', item)).inPerSecond,
      total: item.recordsIn,
      isDead: deadPattern.test(item.name),
    }))
  // In the order of a frame: what arrives first, what is made of it, what could not be used.
  const order = (topic: FlowTopic): number =>
    topic.isDead ? 3 : topic.name.endsWith('frames') ? 0 : /aggregate/.test(topic.name) ? 1 : 2
  all.sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name))
  const shown = all.filter(({ isDead, total }) => !isDead || total > 0)
  return { topics: shown.slice(0, topicsMax), hidden: Math.max(0, shown.length - topicsMax) }
}

const isInternal = (name: string): boolean =>
  name.startsWith('_') ||
  /-(?:changelog|repartition)$|^(?:kafka-)?connect-|-(?:configs|offsets|status)$/.test(name)

function factsOf(part: PlatformPart): FlowFact[] {
  const facts: FlowFact[] = shownFacts(part.vitals?.facts ?? {}).map(([name, value]) => ({
    name,
    value,
    unit: 'count',
  }))
  const { lag } = part.vitals ?? {}
  // What waits hurts first; that nothing waits is only said where waiting is the rule.
  if (lag !== undefined && (lag > 0 || part.name === 'streams') && part.name !== 'kafka')
    facts.unshift({
      name: 'lag',
      value: lag,
      unit: 'count',
      ...(lag > lagWarning ? { level: 'warn' } : {}),
    })
  return facts
}

function sum(rates: readonly FlowRate[]): FlowRate {
  return {
    inPerSecond: rates.reduce((total, rate) => total + rate.inPerSecond, 0),
    outPerSecond: rates.reduce((total, rate) => total + rate.outPerSecond, 0),
    lag: rates.reduce((total, rate) => total + rate.lag, 0),
    lagPerSecond: rates.reduce((total, rate) => total + rate.lagPerSecond, 0),
  }
}

/** Where every frame is, in counts since the start. */
export interface Account {
  readonly sent: number | undefined
  readonly acknowledged: number
  readonly inKafka: number
  readonly deadLetters: number
  readonly stored: number
  readonly onWay: number
  readonly unaccounted: number
}

/** Adds the frames up; undefined where the parts that count them do not run. */
export function accountOf(
  snapshot: PlatformSnapshot,
  rates: FlowRates,
  topic = 'iot-frames',
): Account | undefined {
  const part = (name: string): PlatformPart | undefined =>
    snapshot.parts.find((each) => each.name === name)
  const item = (name: string, wanted: (item: VitalItem) => boolean): VitalItem | undefined =>
    part(name)?.vitals?.items.find(wanted)
  const source = item(
    'connect',
    (each) => connectorKind(each) === 'mqttSource' && (each.to?.includes(topic) ?? false),
  )
  const kafka = item('kafka', (each) => each.kind === 'topic' && each.name === topic)
  const stored = item(
    'mongodb',
    (each) => each.name.split('.').at(-1) === topic.replaceAll('-', '_'),
  )
  const sink = item(
    'connect',
    (each) => connectorKind(each) === 'mongodbSink' && (each.from?.includes(topic) ?? false),
  )
  if (!source || !kafka || !stored) return undefined
  const acknowledged = source.recordsIn
  const deadLetters = (source.deadLetters ?? 0) + (sink?.deadLetters ?? 0)
  const lag = sink?.lag ?? 0
  const gap = Math.max(0, acknowledged - deadLetters - stored.recordsIn)
  // Counts of two parts are not of one instant: a second of frames may lie between them.
  const betweenParts = Math.max(
    5,
    Math.ceil(rates.of(itemKey('connect', source)).inPerSecond * 1.5),
  )
  const onWay = Math.min(gap, lag + betweenParts)
  return {
    sent: part('sensors')?.vitals?.recordsOut,
    acknowledged,
    inKafka: kafka.recordsIn,
    deadLetters,
    stored: stored.recordsIn,
    onWay,
    unaccounted: gap - onWay,
  }
}
