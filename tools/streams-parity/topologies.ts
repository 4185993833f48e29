import type { Case, Input, Step } from '../../packages/streams/test/parity/cases.ts'
import {
  base,
  end,
  joins,
  longOut,
  step,
  stream,
  tableOut,
  to,
  windowOut,
  within,
} from './steps.ts'

const everything: readonly Input[] = [
  ...base,
  ['in', null, 'keyless', 9_200],
  ['in', 'a', 'headed', 9_300, [['h', '1']]],
  ['other', 'b', 'dos', 9_400, [['h', '2']]],
  ['in', 'b', null, 9_500, [['h', '3']]],
  ['other', 'a', null, 9_600],
  ['in', 'a', 'late', 3_000],
  ...end,
]

/** A topology of its own: what matters is how its parts work together, and what they are called. */
const topology = (name: string, ...steps: readonly Step[]): Case => ({
  name,
  steps,
  inputs: everything.filter(
    (input) =>
      typeof input === 'number' ||
      steps.some(({ topics: read, topic, op }) =>
        op === 'to' ? false : read?.includes(input[0]) || topic === input[0],
      ),
  ),
})

const two = [stream('in', 'left'), stream('other', 'right')]
const twoTables = [
  step('table', { topic: 'in', id: 'left' }),
  step('table', { topic: 'other', id: 'right' }),
]

const flow = (topic: string, id: string, ...steps: readonly Step[]): Step[] => {
  const all = [stream(topic), ...steps]
  return [...all.slice(0, -1), { ...all.at(-1)!, id }]
}
const byLetter = step('selectKey', { fn: 'by-letter' })
const pair = { from: 'left', with: 'right' } as const

/** What the record cache holds in cases that have one. */
export const cacheBytes = 10_485_760

const uncached: readonly Case[] = [
  ...joins.flatMap((op) => [
    topology(
      `stream ${op}, named, with a base of store names`,
      ...two,
      step(op, { ...pair, ...within, name: 'pair', store: 'base' }),
      to({ name: 'result' }),
    ),
    topology(
      `stream ${op} of changed keys`,
      ...flow('in', 'left', byLetter),
      ...flow('other', 'right', byLetter),
      step(op, { ...pair, ...within }),
      to(),
    ),
    topology(
      `stream ${op} of changed keys, named`,
      ...flow('in', 'left', byLetter),
      ...flow('other', 'right', byLetter),
      step(op, { ...pair, ...within, name: 'pair' }),
      to(),
    ),
    topology(
      `stream ${op} with itself`,
      stream('in', 'left'),
      step(op, { from: 'left', with: 'left', ...within }),
      to(),
    ),
    topology(
      `stream ${op} that looks only forward`,
      ...two,
      step(op, { ...pair, before: 0, after: 8_000 }),
      to(),
    ),
    topology(
      `table ${op}, named and kept`,
      ...twoTables,
      step(op, { ...pair, name: 'pair', store: 'pairs' }),
      ...tableOut,
    ),
    topology(
      `table ${op} kept without a name`,
      ...twoTables,
      step(op, { ...pair, isKept: true }),
      ...tableOut,
    ),
    topology(
      `table ${op} of filtered and mapped tables`,
      ...twoTables,
      step('filter', { from: 'left', fn: 'short', id: 'filtered' }),
      step('mapValues', { from: 'right', fn: 'tag', id: 'mapped' }),
      step(op, { from: 'filtered', with: 'mapped' }),
      step('filter', { fn: 'has-value' }),
      ...tableOut,
    ),
    topology(
      `table ${op} of a table ${op}`,
      ...twoTables,
      step(op, { ...pair, id: 'first' }),
      step(op, { from: 'first', with: 'left', id: 'second' }),
      ...tableOut,
    ),
    topology(
      `table ${op}, grouped and counted`,
      ...twoTables,
      step(op, pair),
      step('groupBy', { fn: 'by-letter' }),
      step('count', { store: 'counts' }),
      ...longOut,
    ),
  ]),
  topology(
    'two joins of one stream with changed keys share a repartition topic',
    ...flow('in', 'left', byLetter),
    step('table', { topic: 'other', id: 'right' }),
    step('join', pair),
    step('to', { topic: 'inner' }),
    step('leftJoin', pair),
    to(),
  ),
  topology(
    'a stream joined with an aggregated table',
    ...two,
    step('groupByKey', { from: 'right' }),
    step('reduce', { id: 'reduced' }),
    step('join', { from: 'left', with: 'reduced' }),
    to(),
  ),
  topology(
    'a stream joined with a filtered table',
    stream('in', 'left'),
    step('table', { topic: 'other' }),
    step('filter', { fn: 'short', id: 'right' }),
    step('leftJoin', pair),
    to(),
  ),
  topology(
    'a stream joined with a suppressed table',
    stream('in', 'left'),
    step('table', { topic: 'other' }),
    step('suppress', { limit: 1_000, id: 'right' }),
    step('leftJoin', pair),
    to(),
  ),
  topology(
    'a stream joined with a table, named',
    ...flow('in', 'left', byLetter),
    step('table', { topic: 'other', id: 'right', store: 'others', name: 'reading' }),
    step('leftJoin', { ...pair, name: 'pair' }),
    to(),
  ),
  topology(
    'a global table with a store and a name',
    step('globalTable', { topic: 'other', id: 'right', store: 'everywhere', name: 'reading' }),
    stream('in', 'left'),
    step('join', { ...pair, fn: 'keep' }),
    to(),
  ),
  topology(
    'a global table between sub-topologies',
    ...flow('in', 'left', byLetter, step('repartition')),
    step('globalTable', { topic: 'other', id: 'right' }),
    step('leftJoin', { ...pair, fn: 'swap' }),
    step('groupBy', { fn: 'by-value' }),
    step('count'),
    ...longOut,
  ),
  topology(
    'a cogroup of named groups with changed keys, named',
    stream('in'),
    step('groupBy', { fn: 'by-letter', name: 'ins', id: 'one' }),
    stream('other'),
    step('groupBy', { fn: 'by-letter', name: 'others', id: 'two' }),
    step('cogroup', { from: 'one', with: ['two'] }),
    step('aggregate', { name: 'together', store: 'all' }),
    ...tableOut,
  ),
  topology(
    'a cogroup of two groups with changed keys without names is refused',
    stream('in'),
    step('groupBy', { fn: 'by-letter', id: 'one' }),
    ...flow('other', 'other', byLetter),
    step('groupByKey', { id: 'two' }),
    step('cogroup', { from: 'one', with: ['two'] }),
    step('aggregate'),
    ...tableOut,
  ),
  topology(
    'a cogroup in windows, kept',
    ...two,
    step('groupByKey', { from: 'left', id: 'one' }),
    step('groupByKey', { from: 'right', id: 'two' }),
    step('cogroup', { from: 'one', with: ['two'] }),
    step('aggregate', { size: 10_000, grace: 1_000, store: 'windows' }),
    ...windowOut,
  ),
  topology(
    'a named group shares its topic',
    stream('in'),
    step('groupBy', { fn: 'by-letter', name: 'letters', id: 'group' }),
    step('count'),
    ...longOut,
    step('reduce', { from: 'group' }),
    step('toStream'),
    step('to', { topic: 'reduced' }),
  ),
  topology(
    'a named group of a table shares its topic',
    step('table', { topic: 'in' }),
    step('groupBy', { fn: 'by-letter', name: 'letters', id: 'group' }),
    step('count', { name: 'counting' }),
    ...longOut,
    step('aggregate', { from: 'group', store: 'sums' }),
    step('toStream'),
    step('to', { topic: 'sums' }),
  ),
  topology(
    'counts that are kept without a name',
    stream('in'),
    step('groupByKey', { id: 'group' }),
    step('count', { isKept: true }),
    ...longOut,
    step('windowedBy', { from: 'group', size: 10_000 }),
    step('count', { isKept: true }),
    step('toStream'),
    step('to', { topic: 'tumbling', key: 'time:10000', value: 'long' }),
    step('windowedBy', { from: 'group', gap: 3_000 }),
    step('count', { isKept: true }),
    step('toStream'),
    step('to', { topic: 'sessions', key: 'session', value: 'long' }),
    step('windowedBy', { from: 'group', difference: 3_000 }),
    step('count', { isKept: true }),
    step('toStream'),
    step('to', { topic: 'sliding', key: 'time:3000', value: 'long' }),
  ),
  topology(
    'sessions in a named store, written with their keys',
    stream('in'),
    step('groupBy', { fn: 'by-letter' }),
    step('windowedBy', { gap: 4_000, grace: 1_000 }),
    step('aggregate', { store: 'sessions' }),
    step('toStream'),
    to({ key: 'session' }),
  ),
  topology(
    'suppressed sessions, named',
    stream('in'),
    step('groupByKey'),
    step('windowedBy', { gap: 4_000, grace: 1_000 }),
    step('aggregate', { isKept: true }),
    step('suppress', { name: 'final' }),
    ...windowOut,
  ),
  topology(
    'a suppress buffer that ends the application when it is full',
    step('table', { topic: 'in' }),
    step('suppress', { limit: 100_000, bytes: 120, whenFull: 'shut-down' }),
    ...tableOut,
  ),
  topology(
    'a suppress buffer with both bounds',
    step('table', { topic: 'in' }),
    step('suppress', { limit: 100_000, bytes: 130, records: 3 }),
    ...tableOut,
  ),
  topology(
    'a named table, with a filter and a map that are kept',
    step('table', { topic: 'in', name: 'reading' }),
    step('filter', { fn: 'short', isKept: true }),
    step('mapValues', { fn: 'tag', isKept: true }),
    step('filterNot', { fn: 'short', store: 'long' }),
    ...tableOut,
  ),
  topology(
    'branches that meet again',
    stream('in'),
    step('branch', { fn: 'short', rest: 'long', id: 'short' }),
    step('mapValues', { from: 'long', fn: 'tag', id: 'tagged' }),
    step('merge', { from: 'short', with: 'tagged' }),
    step('toTable', { store: 'all' }),
    ...tableOut,
  ),
  topology(
    'a repartition with a name and a number of partitions',
    ...two,
    step('repartition', { from: 'left', name: 'again', partitions: 3, id: 'again' }),
    step('merge', { with: 'right' }),
    step('groupBy', { fn: 'by-letter' }),
    step('windowedBy', { size: 10_000, advance: 5_000, grace: 5_000 }),
    step('reduce', { isKept: true }),
    step('suppress', {}),
    ...windowOut,
  ),
  topology(
    'keys that a processor changes, joined on both sides of a topic',
    ...flow('in', 'left', step('process', { fn: 'by-letter' })),
    ...flow(
      'other',
      'right',
      step('processValues'),
      step('groupBy', { fn: 'by-letter' }),
      step('reduce'),
    ),
    step('leftJoin', pair),
    step('selectKey', { fn: 'swap' }),
    step('toTable', { name: 'again' }),
    ...tableOut,
  ),
  topology(
    'tables of which some hold nothing back',
    step('table', { topic: 'in', store: 'read', isUncached: true, id: 'left' }),
    stream('other'),
    step('groupBy', { fn: 'by-letter' }),
    step('reduce', { store: 'reduced' }),
    step('filter', { fn: 'short', store: 'filtered', isUncached: true, id: 'right' }),
    step('outerJoin', { ...pair, store: 'joined' }),
    step('mapValues', { fn: 'drop-x', store: 'mapped' }),
    ...tableOut,
  ),
  topology(
    'windows that hold nothing back before a suppress',
    stream('in'),
    step('groupByKey'),
    step('windowedBy', { size: 10_000, advance: 5_000, grace: 5_000 }),
    step('aggregate', { store: 'windows', isUncached: true }),
    step('suppress', {}),
    ...windowOut,
  ),
]

/** Names, stores and repartition topics in combination, each without a record cache and with one. */
export const topologies: readonly Case[] = uncached.flatMap((one) => [
  one,
  { ...one, name: `${one.name}, cached`, cacheBytes },
])
