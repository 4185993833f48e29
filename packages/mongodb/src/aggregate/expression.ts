import { ElementCursor, findField } from '../bson/element.ts'
import { BsonType } from '../bson/types.ts'
import { dateValue, elementsOf, entriesOf, MISSING, Value } from '../bson/value.ts'
import { DocumentWriter, indexName } from '../bson/writer.ts'
import { codeError } from '../errors.ts'
import { arithmeticOperators } from './arithmetic.ts'
import { arrayOperators } from './arrays.ts'
import { conditionOperators } from './conditions.ts'
import { typeOperators } from './conversions.ts'
import { dateOperators } from './dates.ts'
import type { Compile, Expression, OperatorTable, Variables } from './operator.ts'
import { stringOperators } from './strings.ts'

export type { Expression, Variables } from './operator.ts'

const tables: readonly OperatorTable[] = [
  arithmeticOperators,
  arrayOperators,
  conditionOperators,
  dateOperators,
  stringOperators,
  typeOperators,
]
const operators = new Map(tables.flatMap((table) => Object.entries(table)))
const DEPTH_MAX = 100
const builtIn = new Set(['ROOT', 'CURRENT', 'NOW', 'REMOVE'])

/**
 * Compiles an aggregation expression. `names` are the variables that are defined around it.
 *
 * @throws MongoError InvalidPipelineOperator for an operator that is not known, and others.
 */
export function compileExpression(value: Value, names: readonly string[] = []): Expression {
  return compileAt(value, names, 0)
}

function compileAt(value: Value, names: readonly string[], depth: number): Expression {
  if (depth > DEPTH_MAX) throw codeError('BadValue', 'an expression is nested too deep')
  const compile: Compile = (inner, more) =>
    compileAt(inner, more ? [...names, ...more] : names, depth + 1)
  if (value.type === BsonType.string) return compileText(value, names)
  if (value.type === BsonType.array)
    return compileArray(elementsOf(value).map((one) => compile(one)))
  if (value.type !== BsonType.object) return () => value
  const entries = [...entriesOf(value)]
  const first = entries[0]
  if (first?.[0].startsWith('$')) {
    if (entries.length > 1)
      throw codeError(
        'Location15983',
        `an object representing an expression must have exactly one field: ${entries.map(([name]) => name).join(', ')}`,
      )
    const operator = operators.get(first[0])
    if (!operator)
      throw codeError('InvalidPipelineOperator', `Unrecognized expression '${first[0]}'`)
    return operator(first[1], compile)
  }
  return compileObject(entries.map(([name, inner]) => [name, compile(inner)] as const))
}

function compileText(value: Value, names: readonly string[]): Expression {
  const { text } = value
  if (!text.startsWith('$')) return () => value
  if (!text.startsWith('$$')) return fieldPath(text.slice(1))
  const dot = text.indexOf('.')
  const name = dot < 0 ? text.slice(2) : text.slice(2, dot)
  const path = dot < 0 ? undefined : text.slice(dot + 1)
  const variable = compileVariable(name, names)
  if (path === undefined) return variable
  const parts = splitPath(path)
  return (root, variables) => valueAlong(variable(root, variables), parts, 0)
}

function compileVariable(name: string, names: readonly string[]): Expression {
  if (!builtIn.has(name) && !names.includes(name))
    throw codeError('Location17276', `Use of undefined variable: ${name}`)
  if (name === 'ROOT' || name === 'CURRENT') return (root) => root
  if (name === 'REMOVE') return () => MISSING
  if (name === 'NOW') {
    const now = dateValue(Date.now())
    return () => now
  }
  return (_root, variables) => {
    let at: Variables | undefined = variables
    while (at && at.name !== name) at = at.next
    return at?.value ?? MISSING
  }
}

/** The value at a path of the document, arrays on the way spread out. */
function fieldPath(path: string): Expression {
  const parts = splitPath(path)
  const [only] = parts
  if (parts.length === 1 && only)
    return (root) => {
      if (root.type !== BsonType.object) return MISSING
      const element = findField(root.bytes, root.at, only)
      return element < 0
        ? MISSING
        : new Value(root.bytes[element]!, root.bytes, element + 2 + only.length)
    }
  return (root) => valueAlong(root, parts, 0)
}

function splitPath(path: string): Buffer[] {
  if (path === '' || path.split('.').includes(''))
    throw codeError('Location40353', "FieldPath must not end with a '.' or have empty names.")
  for (const part of path.split('.'))
    if (part.startsWith('$'))
      throw codeError(
        'Location16410',
        `FieldPath field names may not start with '$'. Consider using $getField or $setField.`,
      )
  return path.split('.').map((part) => Buffer.from(part))
}

function valueAlong(from: Value, parts: readonly Buffer[], index: number): Value {
  let value = from
  for (let depth = index; depth < parts.length; depth++) {
    if (value.type === BsonType.array) {
      const writer = new DocumentWriter().begin()
      const cursor = new ElementCursor(value.bytes, value.at)
      let count = 0
      while (cursor.next()) {
        const found = valueAlong(new Value(cursor.type, value.bytes, cursor.at), parts, depth)
        if (!found.isMissing) writer.value(indexName(count++), found)
      }
      return new Value(BsonType.array, writer.end().take(), 0)
    }
    if (value.type !== BsonType.object) return MISSING
    const name = parts[depth]!
    const element = findField(value.bytes, value.at, name)
    if (element < 0) return MISSING
    value = new Value(value.bytes[element]!, value.bytes, element + 2 + name.length)
  }
  return value
}

function compileArray(elements: readonly Expression[]): Expression {
  return (root, variables) => {
    const writer = new DocumentWriter().begin()
    for (let index = 0; index < elements.length; index++) {
      const value = elements[index]!(root, variables)
      if (value.isMissing) writer.null(indexName(index))
      else writer.value(indexName(index), value)
    }
    return new Value(BsonType.array, writer.end().take(), 0)
  }
}

function compileObject(fields: readonly (readonly [string, Expression])[]): Expression {
  return (root, variables) => {
    const writer = new DocumentWriter().begin()
    for (const [name, expression] of fields) {
      const value = expression(root, variables)
      if (!value.isMissing) writer.value(name, value)
    }
    return new Value(BsonType.object, writer.end().take(), 0)
  }
}
