import { compileExpression, type Expression, type Variables } from '../aggregate/expression.ts'
import { ElementCursor } from '../bson/element.ts'
import { isTruthy, numberOf } from '../bson/number.ts'
import { BsonType, isNumber } from '../bson/types.ts'
import { elementsOf, entriesOf, MISSING, Value } from '../bson/value.ts'
import { DocumentWriter, indexName } from '../bson/writer.ts'
import { codeError } from '../errors.ts'
import { compileFilter } from './filter.ts'

/** Makes another document of one. */
export type Transform = (doc: Buffer, variables?: Variables) => Buffer

type Entry =
  | { readonly kind: 'keep' | 'drop' }
  | { readonly kind: 'nested'; readonly node: Node }
  | { readonly kind: 'computed'; readonly expression: Expression }
  | { readonly kind: 'slice'; readonly skip: number; readonly limit: number | undefined }
  | { readonly kind: 'element'; readonly matches: (doc: Buffer, at?: number) => boolean }

/** What to do with the fields of one level; names in the order of the specification. */
interface Node {
  readonly names: string[]
  readonly keys: Buffer[]
  readonly entries: Entry[]
  hasComputed: boolean
}

const newNode = (): Node => ({ names: [], keys: [], entries: [], hasComputed: false })

/** What the one who compiles allows. */
export interface ProjectionOptions {
  /** Fields that are not named are kept and values are expressions: `$addFields`. */
  readonly isAddFields?: boolean
  /** `$slice` and `$elemMatch` as the find command has them. */
  readonly isFind?: boolean
  readonly names?: readonly string[]
}

/**
 * Compiles a projection of find, `$project` or `$addFields`.
 *
 * @throws MongoError Location31253 and Location31254 where inclusion and exclusion are mixed, and others.
 */
export function compileProjection(spec: Value, options: ProjectionOptions = {}): Transform {
  const root = newNode()
  const state: ParseState = {
    mode: options.isAddFields ? 'add' : undefined,
    idRule: undefined,
    options,
  }
  parseLevel(spec, '', root, state)
  const { mode } = state
  if (mode === 'add') return (doc, variables) => run(root, doc, variables, true)
  if (mode === 'include' || (mode === undefined && state.idRule === 'keep')) {
    if (state.idRule === undefined) insert(root, '_id', { kind: 'keep' })
    return (doc, variables) => run(root, doc, variables, false)
  }
  return (doc, variables) => run(root, doc, variables, true)
}

interface ParseState {
  mode: 'include' | 'exclude' | 'add' | undefined
  idRule: 'keep' | 'drop' | undefined
  readonly options: ProjectionOptions
}

function parseLevel(spec: Value, prefix: string, root: Node, state: ParseState): void {
  for (const [name, value] of entriesOf(spec)) {
    const path = prefix + name
    if (name === '' || path.split('.').includes(''))
      throw codeError('Location40353', "FieldPath must not end with a '.' or have empty names.")
    if (name.startsWith('$'))
      throw codeError(
        'Location16410',
        `FieldPath field names may not start with '$', given '${name}'.`,
      )
    if (state.options.isFind && path.endsWith('.$'))
      throw codeError('BadValue', `positional projection '${path}' is not supported yet`)
    parseField(path, value, root, state)
  }
}

function parseField(path: string, value: Value, root: Node, state: ParseState): void {
  const { options } = state
  if (state.mode !== 'add' && (isNumber(value.type) || value.type === BsonType.bool)) {
    const isKept = isTruthy(value)
    if (path === '_id') state.idRule = isKept ? 'keep' : 'drop'
    else setMode(state, isKept ? 'include' : 'exclude', path)
    place(root, path, { kind: isKept ? 'keep' : 'drop' })
    return
  }
  if (value.type === BsonType.object) {
    const [first] = entriesOf(value)
    if (!first) {
      if (state.mode !== 'add' || !path)
        throw codeError('Location51270', 'An empty sub-projection is not a valid value.')
    } else if (!first[0].startsWith('$')) {
      parseLevel(value, `${path}.`, root, state)
      return
    } else if (options.isFind && first[0] === '$slice') {
      place(root, path, parseSlice(first[1]))
      return
    } else if (options.isFind && first[0] === '$elemMatch') {
      setMode(state, 'include', path)
      place(root, path, { kind: 'element', matches: compileFilter(first[1]) })
      return
    } else if (first[0] === '$meta')
      throw codeError('BadValue', 'projecting $meta is not supported yet')
  }
  if (state.mode !== 'add') setMode(state, 'include', path)
  if (path === '_id') state.idRule = 'keep'
  const expression = compileExpression(value, options.names)
  place(root, path, { kind: 'computed', expression })
}

function setMode(state: ParseState, mode: 'include' | 'exclude', path: string): void {
  if (state.mode !== undefined && state.mode !== mode)
    throw mode === 'include'
      ? codeError('Location31253', `Cannot do inclusion on field ${path} in exclusion projection`)
      : codeError('Location31254', `Cannot do exclusion on field ${path} in inclusion projection`)
  state.mode = mode
}

function parseSlice(value: Value): Entry {
  const parts = value.type === BsonType.array ? elementsOf(value).map(numberOf) : [numberOf(value)]
  const [first, second] = parts
  if (first === undefined || parts.length > 2 || (parts.length === 2 && second === undefined))
    throw codeError(
      'Location28667',
      'Invalid $slice syntax. The given syntax did not match the find() syntax.',
    )
  if (parts.length === 1)
    return first < 0
      ? { kind: 'slice', skip: first, limit: undefined }
      : { kind: 'slice', skip: 0, limit: first }
  if (second! <= 0)
    throw codeError('Location28724', 'Second argument to $slice must be a positive number')
  return { kind: 'slice', skip: first, limit: second }
}

function place(root: Node, path: string, entry: Entry): void {
  const parts = path.split('.')
  let node = root
  if (entry.kind === 'computed') root.hasComputed = true
  for (let index = 0; index < parts.length - 1; index++) {
    const at = node.names.indexOf(parts[index]!)
    let next = node.entries[at]
    if (!next) {
      next = { kind: 'nested', node: newNode() }
      insert(node, parts[index]!, next)
    } else if (next.kind !== 'nested') throw codeError('Location31249', `Path collision at ${path}`)
    node = next.node
    if (entry.kind === 'computed') node.hasComputed = true
  }
  const last = parts.at(-1)!
  if (node.names.includes(last)) throw codeError('Location31250', `Path collision at ${path}`)
  insert(node, last, entry)
}

function insert(node: Node, name: string, entry: Entry): void {
  node.names.push(name)
  node.keys.push(Buffer.from(name))
  node.entries.push(entry)
}

const writers: DocumentWriter[] = []

function run(
  node: Node,
  doc: Buffer,
  variables: Variables | undefined,
  keepsRest: boolean,
): Buffer {
  // Expressions may project again: each depth has its own writer.
  const writer = writers.pop() ?? new DocumentWriter(1024)
  try {
    writer.reset()
    const root = new Value(BsonType.object, doc, 0)
    writeLevel(writer.begin(), node, doc, 0, { root, variables, keepsRest })
    return writer.end().take()
  } finally {
    writers.push(writer)
  }
}

interface Context {
  readonly root: Value
  readonly variables: Variables | undefined
  readonly keepsRest: boolean
}

function indexOfName(keys: readonly Buffer[], bytes: Buffer, start: number, end: number): number {
  const length = end - start
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!
    if (key.length !== length) continue
    let matched = 0
    while (matched < length && key[matched] === bytes[start + matched]) matched++
    if (matched === length) return index
  }
  return -1
}

function writeLevel(
  writer: DocumentWriter,
  node: Node,
  bytes: Buffer,
  doc: number,
  context: Context,
): void {
  const cursor = new ElementCursor(bytes, doc)
  const seen = node.hasComputed ? new Set<number>() : undefined
  while (cursor.next()) {
    const index = indexOfName(node.keys, bytes, cursor.nameAt, cursor.nameEnd)
    if (index < 0) {
      if (context.keepsRest) writer.bytes(bytes, cursor.nameAt - 1, cursor.end)
      continue
    }
    const entry = node.entries[index]!
    seen?.add(index)
    const value = new Value(cursor.type, bytes, cursor.at)
    if (entry.kind === 'keep') writer.bytes(bytes, cursor.nameAt - 1, cursor.end)
    else if (entry.kind === 'computed') {
      // In $addFields a field keeps its place; in an inclusion computed fields stand at the end.
      if (context.keepsRest) writeComputed(writer, node.names[index]!, entry.expression, context)
      else seen!.delete(index)
    } else if (entry.kind !== 'drop') writeValue(writer, node.names[index]!, entry, value, context)
  }
  if (!node.hasComputed) return
  for (let index = 0; index < node.entries.length; index++) {
    if (seen?.has(index)) continue
    const entry = node.entries[index]!
    const name = node.names[index]!
    if (entry.kind === 'computed') writeComputed(writer, name, entry.expression, context)
    else if (entry.kind === 'nested' && entry.node.hasComputed) {
      writer.beginDocument(name)
      writeLevel(writer, entry.node, EMPTY, 0, context)
      writer.end()
    }
  }
}
const EMPTY = Buffer.from([5, 0, 0, 0, 0])

function writeComputed(
  writer: DocumentWriter,
  name: string,
  expression: Expression,
  context: Context,
): void {
  const value = expression(context.root, context.variables)
  if (value.type !== MISSING.type) writer.value(name, value)
}

function writeValue(
  writer: DocumentWriter,
  name: string,
  entry: Entry,
  value: Value,
  context: Context,
): void {
  switch (entry.kind) {
    case 'nested':
      writeNested(writer, name, entry.node, value, context)
      return
    case 'slice': {
      if (value.type !== BsonType.array) {
        writer.value(name, value)
        return
      }
      const elements = elementsOf(value)
      const start = entry.skip < 0 ? Math.max(0, elements.length + entry.skip) : entry.skip
      writer.beginArray(name)
      elements
        .slice(start, entry.limit === undefined ? undefined : start + entry.limit)
        .forEach((element, index) => {
          writer.value(indexName(index), element)
        })
      writer.end()
      return
    }
    case 'element': {
      if (value.type !== BsonType.array) return
      for (const element of elementsOf(value)) {
        if (element.type !== BsonType.object || !entry.matches(element.bytes, element.at)) continue
        writer.beginArray(name).value('0', element)
        writer.end()
        return
      }
      return
    }
  }
}

function writeNested(
  writer: DocumentWriter,
  name: string,
  node: Node,
  value: Value,
  context: Context,
): void {
  if (value.type === BsonType.object) {
    writer.beginDocument(name)
    writeLevel(writer, node, value.bytes, value.at, context)
    writer.end()
  } else if (value.type === BsonType.array) {
    writer.beginArray(name)
    let count = 0
    const cursor = new ElementCursor(value.bytes, value.at)
    while (cursor.next()) {
      const element = new Value(cursor.type, value.bytes, cursor.at)
      if (element.type === BsonType.object || element.type === BsonType.array)
        writeNested(writer, indexName(count++), node, element, context)
      else if (node.hasComputed) {
        writer.beginDocument(indexName(count++))
        writeLevel(writer, node, EMPTY, 0, context)
        writer.end()
      } else if (context.keepsRest) writer.value(indexName(count++), element)
    }
    writer.end()
  } else if (node.hasComputed) {
    writer.beginDocument(name)
    writeLevel(writer, node, EMPTY, 0, context)
    writer.end()
  } else if (context.keepsRest) writer.value(name, value)
}
