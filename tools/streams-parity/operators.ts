import type { Step } from '../../packages/streams/test/parity/cases.ts'
import {
  joins,
  longOut,
  longWindowOut,
  step,
  streamOut,
  tableOut,
  to,
  windowOut,
  within,
} from './steps.ts'

/** An operator of the table: what comes before it, itself, and what brings its result to a topic. */
export interface Operator {
  readonly name: string
  /** What its left input is, and its right one where it has two. */
  readonly sources: readonly ('stream' | 'table' | 'global')[]
  readonly steps: readonly Step[]
  /** Why a column has no case. */
  readonly reasons?: Partial<Record<Column, string>>
}

export const columns = [
  'null key',
  'tombstone',
  'late record',
  'equal timestamps',
  'repartitioned',
  'cached',
] as const
export type Column = (typeof columns)[number]

const kept = { store: 'kept' } as const

const stateless = (name: string, ...steps: readonly Step[]): Operator => ({
  name: `KStream.${name}`,
  sources: ['stream'],
  steps: [...steps, ...streamOut],
})
const ofTable = (name: string, ...steps: readonly Step[]): Operator => ({
  name: `KTable.${name}`,
  sources: ['table'],
  steps,
})
const grouped = (
  name: string,
  steps: readonly Step[],
  out: readonly Step[] = tableOut,
): Operator => ({
  name: `KGroupedStream.${name}`,
  sources: ['stream'],
  steps: [step('groupByKey'), ...steps, ...out],
})

const windowings = {
  tumbling: { size: 10_000, grace: 2_000 },
  hopping: { size: 10_000, advance: 4_000, grace: 2_000 },
  sliding: { difference: 5_000, grace: 2_000 },
  sessions: { gap: 3_000, grace: 2_000 },
} as const

const windowed = Object.entries(windowings).flatMap(([kind, windows]): Operator[] => [
  ...['count', 'reduce', 'aggregate'].map((op) =>
    grouped(
      `windowedBy(${kind}).${op}`,
      [step('windowedBy', windows), step(op)],
      op === 'count' ? longWindowOut : windowOut,
    ),
  ),
  grouped(
    `windowedBy(${kind}).emitStrategy(onWindowClose)`,
    [step('windowedBy', { ...windows, emit: 'on-window-close' }), step('reduce')],
    windowOut,
  ),
  grouped(
    `windowedBy(${kind}).suppress(untilWindowCloses)`,
    [step('windowedBy', windows), step('reduce', { isKept: true }), step('suppress')],
    windowOut,
  ),
])

/** Every operator, once. */
export const operators: readonly Operator[] = [
  stateless('filter', step('filter', { fn: 'short' })),
  stateless('filterNot', step('filterNot', { fn: 'short' })),
  stateless('map', step('map', { fn: 'swap' })),
  stateless('mapValues', step('mapValues', { fn: 'tag' })),
  stateless('flatMap', step('flatMap')),
  stateless('flatMapValues', step('flatMapValues')),
  stateless('selectKey', step('selectKey', { fn: 'by-value' })),
  stateless('peek', step('peek')),
  stateless('foreach', step('foreach')),
  stateless('print', step('print')),
  stateless(
    'split',
    step('branch', { fn: 'short', rest: 'rest' }),
    step('mapValues', { fn: 'tag' }),
  ),
  stateless('process', step('process', { fn: 'keep' })),
  stateless('processValues', step('processValues')),
  stateless('repartition', step('repartition')),
  stateless('to'),
  {
    name: 'KStream.merge',
    sources: ['stream', 'stream'],
    steps: [step('merge', { from: 'left', with: 'right' }), ...streamOut],
  },
  stateless('toTable', step('toTable'), step('toStream')),
  stateless('toTable(materialized)', step('toTable', kept), step('toStream')),
  stateless('groupBy', step('groupBy', { fn: 'by-letter' }), step('reduce'), step('toStream')),
  stateless('groupByKey', step('groupByKey'), step('reduce'), step('toStream')),
  ...joins.map(
    (op): Operator => ({
      name: `KStream.${op}(KStream)`,
      sources: ['stream', 'stream'],
      steps: [step(op, { from: 'left', with: 'right', ...within }), ...streamOut],
    }),
  ),
  ...(['join', 'leftJoin'] as const).flatMap((op): Operator[] => [
    {
      name: `KStream.${op}(KTable)`,
      sources: ['stream', 'table'],
      steps: [step(op, { from: 'left', with: 'right' }), ...streamOut],
    },
    {
      name: `KStream.${op}(GlobalKTable)`,
      sources: ['stream', 'global'],
      steps: [step(op, { from: 'left', with: 'right', fn: 'keep' }), ...streamOut],
    },
  ]),
  ofTable('filter', step('filter', { fn: 'short' }), ...tableOut),
  ofTable('filter(materialized)', step('filter', { fn: 'short', ...kept }), ...tableOut),
  ofTable('filterNot', step('filterNot', { fn: 'short' }), ...tableOut),
  ofTable('mapValues', step('mapValues', { fn: 'drop-x' }), ...tableOut),
  ofTable('mapValues(materialized)', step('mapValues', { fn: 'drop-x', ...kept }), ...tableOut),
  ofTable('toStream', ...tableOut),
  ofTable('toStream(mapper)', step('toStream', { fn: 'by-value' }), to()),
  ...['count', 'reduce', 'aggregate'].map((op) =>
    ofTable(
      `groupBy.${op}`,
      step('groupBy', { fn: 'by-letter' }),
      step(op),
      ...(op === 'count' ? longOut : tableOut),
    ),
  ),
  ...joins.flatMap((op): Operator[] => [
    {
      name: `KTable.${op}`,
      sources: ['table', 'table'],
      steps: [step(op, { from: 'left', with: 'right' }), ...tableOut],
    },
    {
      name: `KTable.${op}(materialized)`,
      sources: ['table', 'table'],
      steps: [step(op, { from: 'left', with: 'right', ...kept }), ...tableOut],
    },
  ]),
  ofTable('suppress(untilTimeLimit)', step('suppress', { limit: 5_000 }), ...tableOut),
  ofTable('suppress(maxRecords)', step('suppress', { limit: 100_000, records: 1 }), ...tableOut),
  ofTable('suppress(maxBytes)', step('suppress', { limit: 100_000, bytes: 100 }), ...tableOut),
  grouped('count', [step('count')], longOut),
  grouped('reduce', [step('reduce')]),
  grouped('aggregate', [step('aggregate')]),
  ...windowed,
  ...['', ...Object.keys(windowings)].map(
    (kind): Operator => ({
      name:
        kind === ''
          ? 'CogroupedKStream.aggregate'
          : `CogroupedKStream.windowedBy(${kind}).aggregate`,
      sources: ['stream', 'stream'],
      steps: [
        step('groupByKey', { from: 'left', id: 'one', name: 'one' }),
        step('groupByKey', { from: 'right', id: 'other', name: 'other' }),
        step('cogroup', { from: 'one', with: ['other'] }),
        step('aggregate', kind === '' ? {} : windowings[kind as keyof typeof windowings]),
        ...(kind === '' ? tableOut : windowOut),
      ],
    }),
  ),
  {
    name: 'StreamsBuilder.globalTable',
    sources: ['stream', 'global'],
    steps: [step('leftJoin', { from: 'left', with: 'right', fn: 'by-value' }), ...streamOut],
    reasons: { repartitioned: 'a global table is read as a whole, whatever its partitions' },
  },
]
