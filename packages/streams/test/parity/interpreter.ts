import {
  CogroupedKStream,
  EmitStrategy,
  GlobalKTable,
  JoinWindows,
  KGroupedStream,
  KGroupedTable,
  KStream,
  KTable,
  type Materialized,
  Printed,
  type Processor,
  type ProcessorContext,
  type Serde,
  SessionWindowedKStream,
  SessionWindows,
  SlidingWindows,
  type StreamRecord,
  StreamsBuilder,
  Suppressed,
  serdes,
  TimeWindowedKStream,
  TimeWindows,
  type Topology,
  type ValuesProcessor,
  type ValuesProcessorContext,
  type Windowed,
} from '../../src/index.ts'
import type { Step } from './cases.ts'

type Any = unknown
type Stream = KStream<Any, Any>
type Table = KTable<Any, Any>
type Kept = Materialized<Any, Any>

/** Builds the topology that a case describes. */
export function buildTopology(steps: readonly Step[]): Topology {
  const builder = new StreamsBuilder()
  const interpreter = new Interpreter(builder)
  let last: unknown
  for (const step of steps) {
    last = interpreter.make(step, step.from === undefined ? last : interpreter.made.get(step.from))
    if (step.id !== undefined) interpreter.made.set(step.id, last)
  }
  return builder.build()
}

class Interpreter {
  readonly made = new Map<string, unknown>()
  readonly #builder: StreamsBuilder

  constructor(builder: StreamsBuilder) {
    this.#builder = builder
  }

  make(step: Step, from: unknown): unknown {
    const isSource = ['stream', 'table', 'globalTable'].includes(step.op)
    if (!isSource) {
      if (from instanceof KStream) return this.#ofStream(step, from)
      if (from instanceof KTable) return this.#ofTable(step, from)
      if (from instanceof KGroupedStream) return this.#ofGroup(step, from)
      if (from instanceof KGroupedTable) return ofGroupedTable(step, from)
      if (from instanceof TimeWindowedKStream) return ofWindowed(step, from)
      if (from instanceof SessionWindowedKStream) return ofSessions(step, from)
      if (from instanceof CogroupedKStream) return ofCogroup(step, from)
    }
    const consumed = { name: step.name }
    switch (step.op) {
      case 'stream':
        return this.#builder.stream(step.topics ?? [], consumed)
      case 'table':
        return this.#builder.table(step.topic ?? '', consumed, kept(step))
      case 'globalTable':
        return this.#builder.globalTable(step.topic ?? '', consumed, kept(step))
      default:
        throw new Error(`no operator ${step.op}`)
    }
  }

  #with(step: Step): unknown {
    return typeof step.with === 'string' ? this.made.get(step.with) : undefined
  }

  #ofStream(step: Step, stream: Stream): unknown {
    const { op, fn = '', name } = step
    const named = { name }
    const keyOf = (key: Any, value: Any): Any => pair(fn, key, value)[0]
    switch (op) {
      case 'filter':
        return stream.filter(predicate(fn), named)
      case 'filterNot':
        return stream.filterNot(predicate(fn), named)
      case 'mapValues':
        return stream.mapValues(mapper(fn), named)
      case 'map':
        return stream.map((key, value) => pair(fn, key, value), named)
      case 'selectKey':
        return stream.selectKey(keyOf, named)
      case 'flatMapValues':
        return stream.flatMapValues((value) => (value === null ? [] : String(value).split(' ')))
      case 'flatMap':
        return stream.flatMap((key, value) => [
          [key, value],
          [value, key],
        ])
      case 'peek':
        return stream.peek(() => {})
      case 'foreach':
        stream.foreach(() => {})
        return stream
      case 'print':
        stream.print({ ...Printed.toSysOut(), write: () => {} })
        return stream
      case 'merge':
        return stream.merge(this.#with(step) as Stream)
      case 'branch': {
        const [taken, rest] = stream.branch([predicate(fn)])
        this.made.set(step.rest ?? '', rest)
        return taken
      }
      case 'repartition':
        return stream.repartition({ name, numberOfPartitions: step.partitions })
      case 'toTable':
        return stream.toTable(kept(step))
      case 'groupByKey':
        return stream.groupByKey(named)
      case 'groupBy':
        return stream.groupBy(keyOf, named)
      case 'join':
      case 'leftJoin':
      case 'outerJoin':
        return this.#joinStream(op, step, stream)
      case 'process':
        return stream.process(() => new KeyChanger(keyOf), named)
      case 'processValues':
        return stream.processValues(() => new ValueMarker(), named)
      case 'to':
        stream.to(step.topic ?? '', { name, ...producedSerdes(step) })
        return stream
      default:
        throw new Error(`no operator ${op} of a stream`)
    }
  }

  #joinStream(op: 'join' | 'leftJoin' | 'outerJoin', step: Step, stream: Stream): Stream {
    const other = this.#with(step)
    const named = { name: step.name }
    if (other instanceof KTable) {
      if (op === 'join') return stream.join(other as Table, joined, named)
      return stream.leftJoin(other as Table, joined, named)
    }
    if (other instanceof GlobalKTable) {
      const table = other as GlobalKTable<Any, Any>
      const keyOf = (key: Any, value: Any): Any => pair(step.fn ?? 'keep', key, value)[0]
      if (op === 'join') return stream.join(table, keyOf, joined)
      return stream.leftJoin(table, keyOf, joined)
    }
    const windows = JoinWindows.ofTimeDifferenceAndGrace(0, step.grace ?? 0)
      .before(step.before ?? 0)
      .after(step.after ?? 0)
    const options = { ...named, storeName: step.store }
    if (op === 'join') return stream.join(other as Stream, joined, windows, options)
    if (op === 'leftJoin') return stream.leftJoin(other as Stream, joined, windows, options)
    return stream.outerJoin(other as Stream, joined, windows, options)
  }

  #ofTable(step: Step, table: Table): unknown {
    const { op, fn = '', name } = step
    const other = this.#with(step) as Table
    switch (op) {
      case 'filter':
        return table.filter(predicate(fn), kept(step))
      case 'filterNot':
        return table.filterNot(predicate(fn), kept(step))
      case 'mapValues':
        return table.mapValues(mapper(fn), kept(step))
      case 'toStream':
        return step.fn === undefined
          ? table.toStream({ name })
          : table.toStream((key, value) => pair(fn, key, value)[0], { name })
      case 'groupBy':
        return table.groupBy((key, value) => pair(fn, key, value), { name })
      case 'join':
        return table.join(other, joined, kept(step))
      case 'leftJoin':
        return table.leftJoin(other, joined, kept(step))
      case 'outerJoin':
        return table.outerJoin(other, joined, kept(step))
      case 'suppress':
        return table.suppress(suppressed(step))
      default:
        throw new Error(`no operator ${op} of a table`)
    }
  }

  #ofGroup(step: Step, group: KGroupedStream<Any, Any>): unknown {
    switch (step.op) {
      case 'count':
        return group.count(kept(step) as Materialized<Any, number>)
      case 'reduce':
        return group.reduce(joined, kept(step))
      case 'aggregate':
        return group.aggregate<Any>(() => '', aggregate, kept(step))
      case 'windowedBy':
        return windowedBy(step, group)
      case 'cogroup': {
        let cogroup = group.cogroup<Any>(aggregate)
        for (const id of step.with ?? []) {
          const other = this.made.get(id) as KGroupedStream<Any, Any>
          cogroup = cogroup.cogroup(other, (_key, value, sum) => `${sum}-${value}`)
        }
        return cogroup
      }
      default:
        throw new Error(`no operator ${step.op} of a group`)
    }
  }
}

function windowedBy(step: Step, group: KGroupedStream<Any, Any>): unknown {
  const strategy =
    step.emit === 'on-window-close' ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate()
  const { grace = 0 } = step
  if (step.gap !== undefined)
    return group
      .windowedBy(SessionWindows.ofInactivityGapAndGrace(step.gap, grace))
      .emitStrategy(strategy)
  return group.windowedBy(timeWindows(step)).emitStrategy(strategy)
}

function timeWindows(step: Step): TimeWindows | SlidingWindows {
  const { grace = 0, size = 0 } = step
  if (step.difference !== undefined)
    return SlidingWindows.ofTimeDifferenceAndGrace(step.difference, grace)
  return TimeWindows.ofSizeAndGrace(size, grace).advanceBy(step.advance ?? size)
}

function ofWindowed(step: Step, windowed: TimeWindowedKStream<Any, Any>): unknown {
  if (step.op === 'count') return windowed.count(kept(step) as Materialized<Any, number>)
  if (step.op === 'reduce') return windowed.reduce(joined, kept(step))
  return windowed.aggregate<Any>(() => '', aggregate, kept(step))
}

function ofSessions(step: Step, sessions: SessionWindowedKStream<Any, Any>): unknown {
  if (step.op === 'count') return sessions.count(kept(step) as Materialized<Any, number>)
  if (step.op === 'reduce') return sessions.reduce(joined, kept(step))
  return sessions.aggregate<Any>(() => '', aggregate, merged, kept(step))
}

function ofCogroup(step: Step, cogroup: CogroupedKStream<Any, Any>): unknown {
  const { gap, grace = 0 } = step
  if (gap !== undefined)
    return cogroup
      .windowedBy(SessionWindows.ofInactivityGapAndGrace(gap, grace))
      .aggregate(() => '', merged, kept(step))
  if (step.size !== undefined || step.difference !== undefined)
    return cogroup.windowedBy(timeWindows(step)).aggregate(() => '', kept(step))
  return cogroup.aggregate(() => '', kept(step))
}

function ofGroupedTable(step: Step, group: KGroupedTable<Any, Any>): unknown {
  const minus = (a: Any, b: Any): Any => `${a}-${b}`
  if (step.op === 'count') return group.count(kept(step) as Materialized<Any, number>)
  if (step.op === 'reduce') return group.reduce(joined, minus, kept(step))
  const subtract = (_key: Any, value: Any, sum: Any): Any => `${sum}-${value}`
  return group.aggregate<Any>(() => '', aggregate, subtract, kept(step))
}

function suppressed(step: Step): ReturnType<typeof Suppressed.untilWindowCloses> {
  const bounds = { name: step.name, maxRecords: step.records, maxBytes: step.bytes }
  if (step.limit === undefined) return Suppressed.untilWindowCloses(bounds)
  const whenFull = step.whenFull === 'shut-down' ? 'shut-down' : 'emit-early'
  return Suppressed.untilTimeLimit(step.limit, { ...bounds, whenFull })
}

class KeyChanger implements Processor<Any, Any, Any, Any> {
  readonly #keyOf: (key: Any, value: Any) => Any
  #context: ProcessorContext<Any, Any> | undefined
  constructor(keyOf: (key: Any, value: Any) => Any) {
    this.#keyOf = keyOf
  }
  init(context: ProcessorContext<Any, Any>): void {
    this.#context = context
  }
  process(record: StreamRecord<Any, Any>): void {
    const { key, value, headers, timestampMs } = record
    const forwarded = { key: this.#keyOf(key, value), value, headers, timestampMs: timestampMs + 1 }
    this.#context?.forward(forwarded)
  }
}

class ValueMarker implements ValuesProcessor<Any, Any, Any> {
  #context: ValuesProcessorContext<Any, Any> | undefined
  init(context: ValuesProcessorContext<Any, Any>): void {
    this.#context = context
  }
  process({ value }: { value: Any }): void {
    this.#context?.forward(`${value}#`)
  }
}

const kept = ({ store, name, isKept, isUncached }: Step): Kept => ({
  storeName: store,
  name,
  ...(isUncached ? { caching: false } : {}),
  // A serde, to say something; it is that of the driver's settings.
  ...(isKept ? { keySerde: serdes.string as Serde<Any> } : {}),
})

function producedSerdes({ key = '', value }: Step): {
  keySerde?: Serde<Any>
  valueSerde?: Serde<Any>
} {
  const keySerde = key.startsWith('time:')
    ? serdes.timeWindowed(serdes.string, Number(key.slice(5)))
    : key === 'session'
      ? serdes.sessionWindowed(serdes.string)
      : undefined
  return {
    ...(keySerde ? { keySerde: keySerde as Serde<Any> } : {}),
    ...(value === 'long' ? { valueSerde: serdes.long as Serde<Any> } : {}),
  }
}

function predicate(fn: string): (key: Any, value: Any) => boolean {
  switch (fn) {
    case 'has-key':
      return (key) => key !== null
    case 'has-value':
      return (_key, value) => value !== null
    case 'short':
      return (_key, value) => String(value).length <= 3
    default:
      throw new Error(`no predicate ${fn}`)
  }
}

function mapper(fn: string): (value: Any) => Any {
  switch (fn) {
    case 'tag':
      return (value) => `${value}!`
    case 'drop-x':
      return (value) => (String(value).startsWith('x') ? null : value)
    case 'text':
      return (value) => String(value)
    default:
      throw new Error(`no mapper ${fn}`)
  }
}

function pair(fn: string, key: Any, value: Any): readonly [key: Any, value: Any] {
  switch (fn) {
    case 'keep':
      return [key, value]
    case 'swap':
      return [value, key]
    case 'by-value':
      return [value, value]
    case 'by-letter':
      return [value === null ? null : String(value).slice(0, 1), value]
    case 'start': {
      const { key: inner, window } = key as Windowed<Any>
      return [`${inner}@${window.startMs}/${window.endMs}`, value]
    }
    default:
      throw new Error(`no function ${fn}`)
  }
}

const joined = (a: Any, b: Any): Any => `${a}+${b}`
const merged = (_key: Any, a: Any, b: Any): Any => `${a}|${b}`
/** A value with a z in it deletes the aggregate. */
const aggregate = (_key: Any, value: Any, sum: Any): Any =>
  String(value).includes('z') ? null : `${sum},${value}`
