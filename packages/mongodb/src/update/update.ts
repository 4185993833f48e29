import { compareValues, isIdentical } from '../bson/compare.ts'
import { ElementCursor } from '../bson/element.ts'
import { BsonType, typeName } from '../bson/types.ts'
import {
  documentValue,
  EMPTY_DOCUMENT,
  elementsOf,
  entriesOf,
  getField,
  type Value,
} from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter, isOperators, type Matcher } from '../query/filter.ts'
import { shellText } from '../query/shell-text.ts'
import { prepareDocument } from './document.ts'
import { MutableNode } from './mutable.ts'
import { changes, type FieldChange, onlyExisting, REMOVED } from './operators.ts'
import { compilePipelineUpdate } from './pipeline.ts'

/** A compiled update: of operators, of a pipeline, or a whole new document. */
export interface Update {
  readonly isReplacement: boolean
  /** The document after the update; the very same buffer where nothing changes. */
  apply(doc: Buffer, isInsert: boolean): Buffer
}

interface PathChange {
  readonly operator: string
  readonly path: string
  readonly parts: readonly string[]
  readonly change: FieldChange
}

interface Rename {
  readonly from: readonly string[]
  readonly to: readonly string[]
}

/** An update as a statement has it. */
export interface UpdateRequest {
  readonly update: Value
  /** The filter, for the positional operator. */
  readonly matches: Matcher
  readonly arrayFilters?: readonly Value[] | undefined
}

/** @throws MongoError FailedToParse, ConflictingUpdateOperators and others */
export function compileUpdate(request: UpdateRequest): Update {
  const { update } = request
  if (update.type === BsonType.array) return compilePipelineUpdate(elementsOf(update))
  if (update.type !== BsonType.object)
    throw codeError('FailedToParse', 'Update argument must be either an object or an array')
  // An empty document has the zero byte at its end here.
  if (update.bytes[update.at + 5] !== DOLLAR) return compileReplacement(update)
  return compileOperators(request)
}

function compileReplacement(update: Value): Update {
  const replacement = update.document
  const cursor = new ElementCursor(update.bytes, update.at)
  while (cursor.next())
    if (update.bytes[cursor.nameAt] === DOLLAR)
      throw codeError(
        'DollarPrefixedFieldName',
        `The dollar ($) prefixed field '${cursor.name}' in '${cursor.name}' is not allowed in the context of an update's replacement document.`,
      )
  return {
    isReplacement: true,
    apply: (doc) => {
      const id = getField(doc, 0, ID)
      const own = getField(replacement, 0, ID)
      if (id && own && compareValues(id, own) !== 0)
        throw codeError(
          'ImmutableField',
          `After applying the update, the (immutable) field '_id' was found to have been altered to _id: ${shellText(own)}`,
        )
      return prepareDocument(replacement, own ?? id)
    },
  }
}
const ID = Buffer.from('_id')
const DOLLAR = 0x24

function compileOperators(request: UpdateRequest): Update {
  const list: PathChange[] = []
  const renames: Rename[] = []
  const paths: string[] = []
  for (const [operator, fields] of entriesOf(request.update)) {
    const make = changes[operator]
    if (!make && operator !== '$rename')
      throw codeError(
        'FailedToParse',
        `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`,
      )
    if (fields.type !== BsonType.object)
      throw codeError(
        'FailedToParse',
        `Modifiers operate on fields but we found type ${typeName(fields.type)} instead. For example: {$mod: {<field>: ...}} not {${operator}: ${shellText(fields)}}`,
      )
    for (const [path, operand] of entriesOf(fields)) {
      const parts = splitPath(path)
      paths.push(path)
      if (make) list.push({ operator, path, parts, change: make(operand, path) })
      else {
        if (operand.type !== BsonType.string)
          throw codeError(
            'BadValue',
            `The 'to' field for $rename must be a string: ${path}: ${shellText(operand)}`,
          )
        if (operand.text === path)
          throw codeError(
            'BadValue',
            `The source and target field for $rename must differ: ${path}: "${path}"`,
          )
        paths.push(operand.text)
        renames.push({ from: parts, to: splitPath(operand.text) })
      }
    }
  }
  checkConflicts(paths)
  // New fields appear in this order, whatever the order of the operators was.
  list.sort((a, b) => comparePaths(a.parts, b.parts))
  const filters = compileArrayFilters(request.arrayFilters)
  return {
    isReplacement: false,
    apply: (doc, isInsert) =>
      applyOperators(doc, isInsert, { list, renames, filters, matches: request.matches }),
  }
}

interface Compiled {
  readonly list: readonly PathChange[]
  readonly renames: readonly Rename[]
  readonly filters: ReadonlyMap<string, Matcher>
  readonly matches: Matcher
}

function applyOperators(doc: Buffer, isInsert: boolean, compiled: Compiled): Buffer {
  const root = new MutableNode(documentValue(doc))
  let isChanged = false
  for (const { from, to } of compiled.renames) {
    const value = root.parentOf(from, false)?.get(from.at(-1)!)
    if (!value) continue
    root.parentOf(from, false)!.unset(from.at(-1)!)
    root.parentOf(to, true)!.set(to.at(-1)!, value)
    isChanged = true
  }
  for (const one of compiled.list) {
    if (one.operator === '$setOnInsert' && !isInsert) continue
    for (const parts of concretePaths(one.parts, doc, root, compiled)) {
      const creates = !onlyExisting.has(one.operator)
      const name = parts.at(-1)!
      const current = root.parentOf(parts, false)?.get(name)
      if (!current && !creates) continue
      const result = one.change(current, parts.join('.'), root)
      if (result === undefined) continue
      if (result === REMOVED) root.parentOf(parts, false)!.unset(name)
      else {
        if (current && isIdentical(current, result)) continue
        root.parentOf(parts, true)!.set(name, result)
      }
      isChanged = true
    }
  }
  if (!isChanged) return doc
  const after = root.encode().bytes
  const before = getField(doc, 0, ID)
  const id = getField(after, 0, ID)
  if (before && (!id || !isIdentical(before, id)))
    throw codeError(
      'ImmutableField',
      "Performing an update on the path '_id' would modify the immutable field '_id'",
    )
  return after
}

/** The paths that `$`, `$[]` and `$[name]` stand for in this document. */
function concretePaths(
  parts: readonly string[],
  doc: Buffer,
  root: MutableNode,
  compiled: Compiled,
): (readonly string[])[] {
  const at = parts.findIndex((part) => part === '$' || part.startsWith('$['))
  if (at < 0) return [parts]
  const path = parts.slice(0, at)
  const array = root.parentOf([...path, '0'], false)
  if (!array?.isArray)
    throw codeError(
      'BadValue',
      `The path '${path.join('.')}' must exist in the document in order to apply array updates.`,
    )
  const rest = parts.slice(at + 1)
  const go = (index: number): (readonly string[])[] =>
    concretePaths([...path, String(index), ...rest], doc, root, compiled)
  const part = parts[at]!
  if (part === '$') {
    const index = matchedIndex(path, doc, compiled.matches)
    if (index < 0)
      throw codeError(
        'BadValue',
        'The positional operator did not find the match needed from the query.',
      )
    return go(index)
  }
  const name = part.slice(2, -1)
  const filter = compiled.filters.get(name)
  if (name !== '' && !filter)
    throw codeError(
      'BadValue',
      `No array filter found for identifier '${name}' in path '${parts.join('.')}'`,
    )
  const found: (readonly string[])[] = []
  for (let index = 0; index < array.slots.length; index++) {
    if (filter) {
      const element = array.get(String(index))!
      const holder = new MutableNode()
      holder.set(name, element)
      if (!filter(holder.encode().bytes)) continue
    }
    found.push(...go(index))
  }
  return found
}

/** The first element with which, alone in its array, the document still matches. */
function matchedIndex(path: readonly string[], doc: Buffer, matches: Matcher): number {
  const array = new MutableNode(documentValue(doc)).parentOf(path, false)?.get(path.at(-1)!)
  if (array?.type !== BsonType.array) return -1
  return elementsOf(array).findIndex((element) => {
    const trial = new MutableNode(documentValue(doc))
    const alone = new MutableNode(undefined, true)
    alone.set('0', element)
    trial.parentOf(path, true)!.set(path.at(-1)!, alone)
    return matches(trial.encode().bytes)
  })
}

function compileArrayFilters(filters: readonly Value[] | undefined): Map<string, Matcher> {
  const compiled = new Map<string, Matcher>()
  for (const filter of filters ?? []) {
    if (filter.type !== BsonType.object)
      throw codeError('TypeMismatch', 'an array filter must be an object')
    const [first] = entriesOf(filter)
    const name = first?.[0].split('.')[0] ?? ''
    if (!/^[a-z][a-zA-Z0-9]*$/.test(name))
      throw codeError(
        'BadValue',
        `Error parsing array filter: the name '${name}' must begin with a lowercase letter`,
      )
    if (compiled.has(name))
      throw codeError(
        'FailedToParse',
        `Found multiple array filters with the same top-level field name ${name}`,
      )
    compiled.set(name, compileFilter(filter))
  }
  return compiled
}

function splitPath(path: string): string[] {
  if (path === '') throw codeError('EmptyFieldName', 'An empty update path is not valid.')
  const parts = path.split('.')
  if (parts.includes(''))
    throw codeError(
      'EmptyFieldName',
      `The update path '${path}' contains an empty field name, which is not allowed.`,
    )
  for (const part of parts)
    if (part.startsWith('$') && part !== '$' && !/^\$\[[a-zA-Z0-9]*\]$/.test(part))
      throw codeError(
        'DollarPrefixedFieldName',
        `The dollar ($) prefixed field '${part}' in '${path}' is not valid for storage.`,
      )
  return parts
}

function checkConflicts(paths: readonly string[]): void {
  const sorted = [...paths].sort()
  for (let index = 1; index < sorted.length; index++) {
    const path = sorted[index]!
    for (let other = index - 1; other >= 0; other--) {
      const shorter = sorted[other]!
      if (path === shorter || path.startsWith(`${shorter}.`))
        throw codeError(
          'ConflictingUpdateOperators',
          `Updating the path '${path}' would create a conflict at '${shorter}'`,
        )
      if (shorter[0] !== path[0]) break
    }
  }
}

function comparePaths(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [left, right] = [a[index]!, b[index]!]
    if (left === right) continue
    const areNumbers = /^\d+$/.test(left) && /^\d+$/.test(right)
    return areNumbers ? Number(left) - Number(right) : left < right ? -1 : 1
  }
  return a.length - b.length
}

/**
 * The document that an upsert begins with: the fields that the filter holds to one value.
 */
export function seedOf(filter: Value): Buffer {
  const root = new MutableNode(documentValue(EMPTY_DOCUMENT))
  const visit = (conditions: Value): void => {
    for (const [name, value] of entriesOf(conditions)) {
      if (name === '$and' && value.type === BsonType.array) {
        for (const branch of elementsOf(value)) visit(branch)
        continue
      }
      if (name === '$or' && value.type === BsonType.array && elementsOf(value).length === 1) {
        visit(elementsOf(value)[0]!)
        continue
      }
      if (name.startsWith('$')) continue
      const held = heldValue(value)
      if (!held) continue
      const parts = name.split('.')
      root.parentOf(parts, true)!.set(parts.at(-1)!, held)
    }
  }
  visit(filter)
  return root.encode().bytes
}

function heldValue(value: Value): Value | undefined {
  if (!isOperators(value)) return value.type === BsonType.regex ? undefined : value
  for (const [operator, operand] of entriesOf(value)) {
    if (operator === '$eq') return operand
    if ((operator === '$in' || operator === '$all') && operand.type === BsonType.array) {
      const values = elementsOf(operand)
      if (values.length === 1 && !isOperators(values[0]!) && values[0]!.type !== BsonType.regex)
        return values[0]
    }
  }
  return undefined
}
