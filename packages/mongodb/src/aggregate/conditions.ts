import { compareValues } from '../bson/compare.ts'
import { isTruthy } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import {
  boolValue,
  elementsOf,
  entriesOf,
  FALSE,
  intValue,
  MISSING,
  TRUE,
  type Value,
} from '../bson/value.ts'
import { codeError } from '../errors.ts'
import {
  binary,
  type Expression,
  namedOperands,
  type OperatorCompiler,
  type OperatorTable,
  operands,
  unary,
  type Variables,
} from './operator.ts'

// An object with a field of this name looks like a promise to linters.
const THEN = 'then'

const comparison = (name: string, holds: (order: number) => boolean): OperatorCompiler =>
  binary(name, (a, b) => boolValue(holds(compareValues(a, b))))

const conditional: OperatorCompiler = (argument, compile) => {
  let parts: (Expression | undefined)[]
  if (argument.type === BsonType.object) {
    const named = namedOperands('$cond', argument, compile, {
      if: 'required',
      [THEN]: 'required',
      else: 'required',
    })
    parts = [named.if, named[THEN], named.else]
  } else parts = operands('$cond', argument, compile, 3)
  const [test, yes, no] = parts
  return (root, variables) => (isTruthy(test!(root, variables)) ? yes! : no!)(root, variables)
}

const switching: OperatorCompiler = (argument, compile) => {
  if (argument.type !== BsonType.object)
    throw codeError(
      'Location40060',
      `$switch requires an object as an argument, found: ${typeName(argument.type)}`,
    )
  let otherwise: Expression | undefined
  const branches: { test: Expression; result: Expression }[] = []
  for (const [name, value] of entriesOf(argument)) {
    if (name === 'default') otherwise = compile(value)
    else if (name === 'branches' && value.type === BsonType.array)
      for (const branch of elementsOf(value)) {
        const named = namedOperands('$switch', branch, compile, {
          case: 'required',
          [THEN]: 'required',
        })
        branches.push({ test: named.case!, result: named[THEN]! })
      }
    else throw codeError('Location40067', `$switch found an unknown argument: ${name}`)
  }
  if (branches.length === 0)
    throw codeError('Location40068', '$switch requires at least one branch.')
  return (root, variables) => {
    for (const { test, result } of branches)
      if (isTruthy(test(root, variables))) return result(root, variables)
    if (!otherwise)
      throw codeError(
        'Location40066',
        '$switch could not find a matching branch for an input, and no default was specified.',
      )
    return otherwise(root, variables)
  }
}

const firstPresent: OperatorCompiler = (argument, compile) => {
  const all = operands('$ifNull', argument, compile, 2, Number.POSITIVE_INFINITY)
  return (root, variables) => {
    let value = MISSING
    for (const operand of all) {
      value = operand(root, variables)
      if (!value.isNullish) return value
    }
    return value
  }
}

const letting: OperatorCompiler = (argument, compile) => {
  let vars: Value | undefined
  let body: Value | undefined
  if (argument.type !== BsonType.object)
    throw codeError('Location16874', '$let only supports an object as its argument')
  for (const [name, value] of entriesOf(argument)) {
    if (name === 'vars') vars = value
    else if (name === 'in') body = value
    else throw codeError('Location16875', `Unrecognized parameter to $let: ${name}`)
  }
  if (!vars) throw codeError('Location16876', "Missing 'vars' parameter to $let")
  if (!body) throw codeError('Location16877', "Missing 'in' parameter to $let")
  const bindings = [...entriesOf(vars)].map(([name, value]) => ({ name, value: compile(value) }))
  const inner = compile(
    body,
    bindings.map(({ name }) => name),
  )
  return (root, variables) => {
    let scope: Variables | undefined = variables
    for (const { name, value } of bindings)
      scope = { name, value: value(root, variables), next: scope }
    return inner(root, scope)
  }
}

const shortCircuit =
  (name: string, ends: boolean): OperatorCompiler =>
  (argument, compile) => {
    const all = operands(name, argument, compile, 0, Number.POSITIVE_INFINITY)
    return (root, variables) => {
      for (const operand of all)
        if (isTruthy(operand(root, variables)) === ends) return boolValue(ends)
      return boolValue(!ends)
    }
  }

/** Comparison, boolean and conditional operators, and what stands for a value as it is. */
export const conditionOperators: OperatorTable = {
  $eq: comparison('$eq', (order) => order === 0),
  $ne: comparison('$ne', (order) => order !== 0),
  $gt: comparison('$gt', (order) => order > 0),
  $gte: comparison('$gte', (order) => order >= 0),
  $lt: comparison('$lt', (order) => order < 0),
  $lte: comparison('$lte', (order) => order <= 0),
  $cmp: binary('$cmp', (a, b) => intValue(Math.sign(compareValues(a, b)))),
  $and: shortCircuit('$and', false),
  $or: shortCircuit('$or', true),
  $not: unary('$not', (value) => (isTruthy(value) ? FALSE : TRUE)),
  $cond: conditional,
  $switch: switching,
  $ifNull: firstPresent,
  $let: letting,
  $literal: (argument) => () => argument,
  $expr: (argument, compile) => compile(argument),
}
