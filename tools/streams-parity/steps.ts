import type { Input, Step } from '../../packages/streams/test/parity/cases.ts'

// What the compared topologies and their inputs are made of.

export const step = (op: string, rest: Omit<Step, 'op'> = {}): Step => ({ op, ...rest })
export const stream = (topic: string, id?: string): Step =>
  step('stream', { topics: [topic], ...(id === undefined ? {} : { id }) })
export const to = (rest: Omit<Step, 'op' | 'topic'> = {}): Step =>
  step('to', { topic: 'out', ...rest })

export const streamOut: readonly Step[] = [to()]
export const tableOut: readonly Step[] = [step('toStream'), to()]
export const windowOut: readonly Step[] = [
  step('toStream'),
  step('selectKey', { fn: 'start' }),
  to(),
]
export const longOut: readonly Step[] = [step('toStream'), to({ value: 'long' })]
export const longWindowOut: readonly Step[] = [
  step('toStream'),
  step('mapValues', { fn: 'text' }),
  step('selectKey', { fn: 'start' }),
  to(),
]
export const joins = ['join', 'leftJoin', 'outerJoin'] as const
export const within = { before: 4_000, after: 3_000, grace: 1_000 } as const

export const base: readonly Input[] = [
  ['in', 'a', 'one', 1_000],
  ['other', 'a', 'uno', 1_500],
  ['in', 'b', 'four', 2_000],
  ['other', 'c', 'tres', 3_000],
  ['in', 'c', 'xray', 6_000],
  ['in', 'a', 'six', 9_000],
]
export const end: readonly Input[] = [
  2_000,
  ['in', 'd', 'two words', 30_000],
  ['other', 'd', 'dos', 30_500],
  2_000,
  ['in', 'a', 'last', 90_000],
  ['other', 'a', 'ultimo', 90_000],
]
