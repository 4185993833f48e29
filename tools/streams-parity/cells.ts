import type { Case, Input, Step } from '../../packages/streams/test/parity/cases.ts'
import { type Column, columns, type Operator, operators } from './operators.ts'
import { base, end, step, stream } from './steps.ts'
import { cacheBytes } from './topologies.ts'

const topics = ['in', 'other'] as const

/** The sources of an operator; where it is repartitioned, the left one has a changed key before it. */
function sourceSteps({ sources }: Operator, isRepartitioned: boolean): Step[] {
  const ids = sources.length === 1 ? ['left'] : ['left', 'right']
  const steps: Step[] = []
  for (const [index, kind] of sources.entries()) {
    const id = ids[index]!
    const topic = topics[index]!
    if (kind === 'global') steps.push(step('globalTable', { topic, id }))
    else if (kind === 'table' && !isRepartitioned) steps.push(step('table', { topic, id }))
    else {
      steps.push(isRepartitioned ? stream(topic) : stream(topic, id))
      if (!isRepartitioned) continue
      if (kind === 'table') steps.push(step('selectKey', { fn: 'keep' }), step('toTable', { id }))
      else steps.push(step('selectKey', { fn: 'keep', id }))
    }
  }
  // What follows follows the left one.
  if (sources.length === 1 && !isRepartitioned) return steps
  return steps
}

/** Operators that do not repartition by themselves are put behind a topic. */
const needsTopic = ({ name, sources }: Operator): boolean =>
  sources[0] === 'stream' &&
  sources.length === 1 &&
  name.startsWith('KStream.') &&
  !/toTable|group|repartition/.test(name)

const cells: Record<Column, readonly Input[]> = {
  'null key': [
    ...base,
    ['in', null, 'keyless', 9_500],
    ['other', null, 'sin clave', 9_600],
    ['in', null, null, 9_700],
    ...end,
  ],
  tombstone: [
    ...base,
    ['in', 'a', null, 9_500],
    ['other', 'a', null, 9_600],
    ['in', 'nobody', null, 9_700],
    ['in', 'a', 'again', 9_800],
    ['in', 'b', 'z', 9_900],
    ...end,
  ],
  'late record': [
    ...base,
    ['in', 'a', 'early', 500],
    ['other', 'a', 'temprano', 7_000],
    ['in', 'b', 'within grace', 4_000],
    ['in', 'a', 'far', 40_000],
    ['in', 'a', 'too late', 9_000],
    ['other', 'b', 'tarde', 5_000],
    ['in', 'a', 'older', 36_500],
    ...end.slice(3),
  ],
  'equal timestamps': [
    ...base,
    ['in', 'a', 'same', 9_000],
    ['in', 'a', 'same', 9_000],
    ['other', 'a', 'igual', 9_000],
    ['other', 'a', 'igual', 9_000],
    ['in', 'b', 'same', 9_000],
    ['in', 'c', 'other', 9_000],
    ...end,
  ],
  repartitioned: [
    ...base,
    ['in', null, 'keyless', 9_500],
    ['in', 'a', 'headed', 9_600, [['h', '1']]],
    ['other', 'a', 'cabeza', 9_700, [['h', '2']]],
    ['in', 'b', null, 9_800],
    ...end,
  ],
  cached: [...base, ['in', 'a', 'one two', 9_500], ['in', 'a', null, 9_600], ...end],
}

/** A cell of the table: its case, or the reason why it has none. */
export interface Cell {
  readonly operator: string
  readonly column: Column
  readonly case?: Case
  readonly reason?: string
}

/** Every operator by every column. */
export function tableCells(): Cell[] {
  return operators.flatMap((operator) =>
    columns.map((column): Cell => {
      const { name } = operator
      const reason = operator.reasons?.[column]
      if (reason !== undefined) return { operator: name, column, reason }
      const isRepartitioned = column === 'repartitioned'
      const read = topics.slice(0, operator.sources.length) as readonly string[]
      return {
        operator: name,
        column,
        case: {
          name: `${name}: ${column}`,
          steps: [
            ...sourceSteps(operator, isRepartitioned),
            ...(isRepartitioned && needsTopic(operator) ? [step('repartition')] : []),
            ...operator.steps,
          ],
          inputs: cells[column].filter(
            (input) => typeof input === 'number' || read.includes(input[0]),
          ),
          ...(column === 'cached' ? { cacheBytes } : {}),
        },
      }
    }),
  )
}
