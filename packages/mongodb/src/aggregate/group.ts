import { compareValues } from '../bson/compare.ts'
import { encodeDocument } from '../bson/encode.ts'
import { KeyWriter } from '../bson/key.ts'
import { BsonType, isNumber, typeName } from '../bson/types.ts'
import { countValue, entriesOf, intValue, NULL, Value } from '../bson/value.ts'
import { DocumentWriter } from '../bson/writer.ts'
import { codeError } from '../errors.ts'
import { SORT_BYTES_MAX, sortStage } from '../query/sort.ts'
import { CollectStage, type Stage } from '../query/stage.ts'
import { type Accumulator, accumulators, owned } from './accumulators.ts'
import { compileExpression } from './expression.ts'
import type { Expression, Variables } from './operator.ts'

interface Group {
  readonly id: Value
  readonly accumulators: readonly Accumulator[]
}

// What a group costs beside its key and what its accumulators hold.
const GROUP_BYTES = 400

/** `$group`. @throws MongoError where the specification is wrong or the groups take too much memory */
export function groupStage(
  input: Stage,
  spec: Value,
  names: readonly string[],
  variables: Variables | undefined,
): Stage {
  if (spec.type !== BsonType.object)
    throw codeError('Location15947', "a group's fields must be specified in an object")
  let idExpression: Expression | undefined
  const fields: { name: string; make: () => Accumulator; operand: Expression }[] = []
  for (const [name, value] of entriesOf(spec)) {
    if (name === '_id') {
      idExpression = compileExpression(value, names)
      continue
    }
    if (name.includes('.'))
      throw codeError('Location40235', `The field name '${name}' cannot contain '.'`)
    if (value.type !== BsonType.object)
      throw codeError('Location40234', `The field '${name}' must be an accumulator object`)
    const [first, second] = entriesOf(value)
    if (!first || second)
      throw codeError('Location40238', `The field '${name}' must specify one accumulator`)
    if (first[0] === '$count') {
      if (first[1].type !== BsonType.object || first[1].size > 5)
        throw codeError('TypeMismatch', '$count takes no arguments, i.e. $count:{}')
      fields.push({ name, make: accumulators.$sum!, operand: () => ONE })
      continue
    }
    const make = accumulators[first[0]]
    if (!make) throw codeError('Location15952', `unknown group operator '${first[0]}'`)
    fields.push({ name, make, operand: compileExpression(first[1], names) })
  }
  if (!idExpression) throw codeError('Location15955', 'a group specification must include an _id')
  const idOf = idExpression
  const groups = new Map<string, Group>()
  const key = new KeyWriter()
  let bytes = 0
  const take = (doc: Buffer): void => {
    const root = new Value(BsonType.object, doc, 0)
    const found = idOf(root, variables)
    const id = found.isMissing ? NULL : found
    const name = key.reset().value(id.bytes, id.type, id.at).latin1()
    let group = groups.get(name)
    if (!group) {
      group = { id: owned(id), accumulators: fields.map(({ make }) => make()) }
      groups.set(name, group)
      bytes += name.length * 2 + GROUP_BYTES + fields.length * 100
    }
    for (let index = 0; index < fields.length; index++) {
      const accumulator = group.accumulators[index]!
      const before = accumulator.bytes ?? 0
      accumulator.add(fields[index]!.operand(root, variables))
      bytes += (accumulator.bytes ?? 0) - before
    }
    if (bytes > SORT_BYTES_MAX)
      throw codeError(
        'QueryExceededMemoryLimitNoDiskUseAllowed',
        `$group exceeded memory limit of ${SORT_BYTES_MAX} bytes, and grouping on disk is not supported yet`,
      )
  }
  return new CollectStage(input, take, () => {
    const writer = new DocumentWriter()
    const all = groups.values()
    return {
      next: () => {
        const group = all.next().value
        if (!group) return undefined
        writer.begin().value('_id', group.id)
        for (let index = 0; index < fields.length; index++)
          writer.value(fields[index]!.name, group.accumulators[index]!.result())
        return writer.end().take()
      },
      suspend: () => {},
      heldBytes: () => bytes,
    }
  })
}
const ONE = intValue(1)

/**
 * What `$group` by a constant with nothing but `{$sum: 1}` gives over `count` documents; undefined
 * for any other specification.
 */
export function countOfAll(spec: Value, count: number): Buffer[] | undefined {
  if (spec.type !== BsonType.object) return undefined
  const [id, sum, more] = entriesOf(spec)
  if (id?.[0] !== '_id' || !sum || more || sum[1].type !== BsonType.object) return undefined
  const isConstant = id[1].isNullish || isNumber(id[1].type)
  const [operator, other] = entriesOf(sum[1])
  if (!isConstant || other || operator?.[0] !== '$sum' || operator[1].type !== BsonType.int)
    return undefined
  if (compareValues(operator[1], ONE) !== 0) return undefined
  return count === 0 ? [] : [encodeDocument({ _id: id[1], [sum[0]]: countValue(count) })]
}

/** `$count`: one document with the count, or none where nothing came. */
export function countStage(input: Stage, spec: Value): Stage {
  if (spec.type !== BsonType.string)
    throw codeError(
      'Location40156',
      `the count field must be a non-empty string, found ${typeName(spec.type)}`,
    )
  const name = spec.text
  if (name === '' || name.startsWith('$') || name.includes('.'))
    throw codeError(
      'Location40160',
      `the count field must be non-empty and have neither '$' at its head nor '.': '${name}'`,
    )
  let count = 0
  return new CollectStage(
    input,
    () => {
      count++
    },
    () => {
      let left = count === 0 ? 0 : 1
      return {
        next: () => (left-- > 0 ? encodeDocument({ [name]: countValue(count) }) : undefined),
        suspend: () => {},
        heldBytes: () => 0,
      }
    },
  )
}

/** `$sortByCount`: groups by an expression, the most frequent first. */
export function sortByCountStage(
  input: Stage,
  spec: Value,
  names: readonly string[],
  variables: Variables | undefined,
): Stage {
  const group = encodeDocument({ _id: spec, count: { $sum: 1 } })
  const grouped = groupStage(input, new Value(BsonType.object, group, 0), names, variables)
  return sortStage(grouped, [{ path: 'count', isDescending: true }])
}
