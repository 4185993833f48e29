import { BsonType } from '../bson/types.ts'
import { elementsOf, entriesOf, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'

/** Variables in scope, the innermost first. */
export interface Variables {
  readonly name: string
  readonly value: Value
  readonly next: Variables | undefined
}

/** Variables that a command or a stage defines: their names when compiling, their values when run. */
export interface Scope {
  readonly names: readonly string[]
  readonly variables: Variables | undefined
}

/** A compiled expression: the document in, a value out; MISSING where there is none. */
export type Expression = (root: Value, variables: Variables | undefined) => Value

/** Compiles an operand; `names` are variables that the operator defines for it. */
export type Compile = (value: Value, names?: readonly string[]) => Expression

/** Compiles `{$operator: argument}`. */
export type OperatorCompiler = (argument: Value, compile: Compile) => Expression

/** Compilers by the names of their operators. */
export type OperatorTable = Readonly<Record<string, OperatorCompiler>>

/** The operands of an operator that takes from `least` to `most` of them, in an array or alone. */
export function operands(
  name: string,
  argument: Value,
  compile: Compile,
  least: number,
  most?: number,
): Expression[] {
  const values = argument.type === BsonType.array ? elementsOf(argument) : [argument]
  if (values.length < least || values.length > (most ?? least))
    throw codeError(
      'Location16020',
      most === undefined || least === most
        ? `Expression ${name} takes exactly ${least} arguments. ${values.length} were passed in.`
        : `Expression ${name} takes at least ${least} arguments, and at most ${most}, but ${values.length} were passed in.`,
    )
  return values.map((value) => compile(value))
}

/** An operator of one operand. */
export function unary(name: string, apply: (value: Value) => Value): OperatorCompiler {
  return (argument, compile) => {
    const [operand] = operands(name, argument, compile, 1)
    return (root, variables) => apply(operand!(root, variables))
  }
}

/** An operator of two operands. */
export function binary(name: string, apply: (a: Value, b: Value) => Value): OperatorCompiler {
  return (argument, compile) => {
    const [first, second] = operands(name, argument, compile, 2)
    return (root, variables) => apply(first!(root, variables), second!(root, variables))
  }
}

/** An operator of any number of operands, all evaluated. */
export function variadic(
  name: string,
  apply: (values: Value[]) => Value,
  least: number = 0,
  most: number = Number.POSITIVE_INFINITY,
): OperatorCompiler {
  return (argument, compile) => {
    const all = operands(name, argument, compile, least, most)
    return (root, variables) => apply(all.map((operand) => operand(root, variables)))
  }
}

/** The fields of an operator that takes a document, each compiled; others are refused. */
export function namedOperands(
  name: string,
  argument: Value,
  compile: Compile,
  fields: Readonly<Record<string, 'required' | 'optional'>>,
): Record<string, Expression | undefined> {
  if (argument.type !== BsonType.object)
    throw codeError('Location28646', `${name} only supports an object as its argument`)
  const found: Record<string, Expression | undefined> = {}
  for (const [field, value] of entriesOf(argument)) {
    if (!(field in fields))
      throw codeError('Location40181', `Unrecognized argument to ${name}: ${field}`)
    found[field] = compile(value)
  }
  for (const field in fields)
    if (fields[field] === 'required' && !found[field])
      throw codeError('Location40156', `Missing '${field}' parameter to ${name}`)
  return found
}
