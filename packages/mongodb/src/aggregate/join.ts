import { encodeDocument } from '../bson/encode.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { documentValue, elementsOf, entriesOf, longValue, NULL, Value } from '../bson/value.ts'
import { DocumentWriter, indexName } from '../bson/writer.ts'
import { codeError } from '../errors.ts'
import { eachAtPath, type FieldPath, parsePath } from '../query/path.ts'
import { SORT_BYTES_MAX } from '../query/sort.ts'
import { CollectStage, ListStage, MapStage, PAUSE, type Stage } from '../query/stage.ts'
import type { Collection } from '../storage/collection.ts'
import { MutableNode } from '../update/mutable.ts'
import { compileExpression } from './expression.ts'
import type { Expression, Scope } from './operator.ts'

const rootOf = (doc: Buffer): Value => documentValue(doc)

/** `$unwind`: one document for each element. */
export function unwindStage(input: Stage, spec: Value): Stage {
  let path: Value | undefined = spec
  let indexField: string | undefined
  let keepsEmpty = false
  if (spec.type === BsonType.object) {
    path = undefined
    for (const [name, value] of entriesOf(spec))
      if (name === 'path') path = value
      else if (name === 'includeArrayIndex') indexField = value.text
      else if (name === 'preserveNullAndEmptyArrays') keepsEmpty = value.bool
      else throw codeError('Location28811', `unrecognized option to $unwind stage: ${name}`)
  }
  if (!path) throw codeError('Location28812', 'no path specified to $unwind stage')
  if (path.type !== BsonType.string)
    throw codeError(
      'Location28808',
      `expected a string as the path for $unwind stage, got ${typeName(path.type)}`,
    )
  if (!path.text.startsWith('$'))
    throw codeError(
      'Location28818',
      `path option to $unwind stage should be prefixed with a '$': ${path.text}`,
    )
  const parts = path.text.slice(1).split('.')
  return new UnwindStage(input, parts, indexField, keepsEmpty)
}

class UnwindStage implements Stage {
  readonly #input: Stage
  readonly #parts: readonly string[]
  readonly #indexField: string | undefined
  readonly #keepsEmpty: boolean
  #doc: Buffer = Buffer.alloc(0)
  #elements: Value[] = []
  #index = 0

  constructor(
    input: Stage,
    parts: readonly string[],
    indexField: string | undefined,
    keepsEmpty: boolean,
  ) {
    this.#input = input
    this.#parts = parts
    this.#indexField = indexField
    this.#keepsEmpty = keepsEmpty
  }
  next(): Buffer | typeof PAUSE | undefined {
    for (;;) {
      if (this.#index < this.#elements.length) {
        const index = this.#index++
        return this.#with(this.#elements[index], index)
      }
      const doc = this.#input.next()
      if (doc === undefined || doc === PAUSE) return doc
      const root = new MutableNode(rootOf(doc))
      const value = root.parentOf(this.#parts, false)?.get(this.#parts.at(-1)!)
      this.#doc = doc
      this.#index = 0
      this.#elements = value?.type === BsonType.array ? elementsOf(value) : []
      if (this.#elements.length > 0) continue
      if (value && value.type !== BsonType.array && !value.isNullish)
        return this.#with(value, undefined)
      if (this.#keepsEmpty)
        return this.#with(value?.type === BsonType.array ? undefined : value, undefined)
    }
  }
  suspend(): void {
    this.#input.suspend()
  }
  heldBytes(): number {
    return this.#input.heldBytes() + this.#doc.length
  }
  #with(value: Value | undefined, index: number | undefined): Buffer {
    const root = new MutableNode(rootOf(this.#doc))
    const parent = root.parentOf(this.#parts, false)
    if (value) parent?.set(this.#parts.at(-1)!, value)
    else parent?.unset(this.#parts.at(-1)!)
    if (this.#indexField !== undefined) {
      const field = this.#indexField.split('.')
      root
        .parentOf(field, true)!
        .set(field.at(-1)!, index === undefined ? NULL : longValue(BigInt(index)))
    }
    return root.encode().bytes
  }
}

/** What `$lookup` asks for. */
interface Lookup {
  readonly from: string
  readonly as: readonly string[]
  readonly local: FieldPath | undefined
  readonly foreign: string | undefined
  readonly bindings: readonly { readonly name: string; readonly value: Expression }[]
  readonly pipeline: readonly Value[]
}

function parseLookup(spec: Value, scope: Scope): Lookup {
  if (spec.type !== BsonType.object)
    throw codeError('FailedToParse', 'the $lookup specification must be an Object')
  const fields: Record<string, string> = {}
  let bindings: Lookup['bindings'] = []
  let pipeline: Value[] = []
  let hasPipeline = false
  for (const [name, value] of entriesOf(spec)) {
    if (name === 'pipeline' && value.type === BsonType.array) {
      hasPipeline = true
      pipeline = elementsOf(value)
    } else if (name === 'let' && value.type === BsonType.object)
      bindings = [...entriesOf(value)].map(([variable, expression]) => ({
        name: variable,
        value: compileExpression(expression, scope.names),
      }))
    else if (!['from', 'localField', 'foreignField', 'as'].includes(name))
      throw codeError('FailedToParse', `unknown argument to $lookup: ${name}`)
    else if (value.type !== BsonType.string)
      throw codeError(
        'FailedToParse',
        `$lookup argument '${name}' must be a string, found ${typeName(value.type)}`,
      )
    else fields[name] = value.text
  }
  const { from, localField, foreignField, as } = fields
  if (!from || !as) throw codeError('FailedToParse', "$lookup requires 'from' and 'as'")
  if ((localField === undefined) !== (foreignField === undefined) || !(localField || hasPipeline))
    throw codeError(
      'FailedToParse',
      "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified",
    )
  return {
    from,
    as: as.split('.'),
    local: localField === undefined ? undefined : parsePath(localField),
    foreign: foreignField,
    bindings,
    pipeline,
  }
}

/** Runs a pipeline over another collection to its end. */
type OpenInner = (
  collection: Collection | undefined,
  pipeline: readonly Value[],
  scope: Scope,
) => { readonly stage: Stage }

/** `$lookup` by equality of two fields, by a pipeline with variables, or by both; indexes are used. */
export function lookupStage(
  input: Stage,
  spec: Value,
  context: Scope & { collection(name: string): Collection | undefined },
  openInner: OpenInner,
): Stage {
  const { from, as, local, foreign, bindings, pipeline } = parseLookup(spec, context)
  const names = [...context.names, ...bindings.map(({ name }) => name)]
  // A pipeline that is wrong is refused before anything is read.
  openInner(undefined, pipeline, { names, variables: context.variables })
  return new MapStage(input, (doc) => {
    const root = rootOf(doc)
    let { variables } = context
    for (const { name, value } of bindings)
      variables = { name, value: value(root, context.variables), next: variables }
    const stages = [...pipeline]
    if (local && foreign !== undefined) stages.unshift(equalityMatch(doc, local, foreign))
    const collection = context.collection(from)
    const { stage } = openInner(collection, stages, { names, variables })
    const writer = new DocumentWriter().begin()
    let count = 0
    for (let found = stage.next(); Buffer.isBuffer(found); found = stage.next()) {
      writer.raw(indexName(count++), BsonType.object, found, 0, found.length)
      if (writer.size > SORT_BYTES_MAX)
        throw codeError(
          'Location4568',
          'Total size of documents in $lookup exceeds maximum document size',
        )
    }
    stage.suspend()
    const result = new MutableNode(root)
    result.parentOf(as, true)!.set(as.at(-1)!, new Value(BsonType.array, writer.end().take(), 0))
    return result.encode().bytes
  })
}

/** `{$match: {foreign: {$in: values at local}}}` */
function equalityMatch(doc: Buffer, local: FieldPath, foreign: string): Value {
  const values: Value[] = []
  eachAtPath(doc, BsonType.object, 0, local, 0, (type, at) => {
    values.push(type === BsonType.missing ? NULL : new Value(type, doc, at))
  })
  return documentValue(encodeDocument({ $match: { [foreign]: { $in: values } } }))
}

/** `$facet`: several pipelines over the same documents, which are held in memory. */
export function facetStage(
  input: Stage,
  spec: Value,
  open: (documents: readonly Buffer[], pipeline: Value) => Stage,
): Stage {
  if (spec.type !== BsonType.object || spec.size <= 5)
    throw codeError('Location40169', 'the $facet specification must be a non-empty object')
  const facets = [...entriesOf(spec)]
  for (const [name, pipeline] of facets) {
    if (pipeline.type !== BsonType.array)
      throw codeError(
        'Location40170',
        `arguments to $facet must be arrays, ${name} is type ${typeName(pipeline.type)}`,
      )
    // Wrong stages are refused before anything is read.
    open([], pipeline)
  }
  const documents: Buffer[] = []
  let bytes = 0
  return new CollectStage(
    input,
    (doc) => {
      bytes += doc.length + 100
      if (bytes > SORT_BYTES_MAX)
        throw codeError(
          'QueryExceededMemoryLimitNoDiskUseAllowed',
          `$facet exceeded memory limit of ${SORT_BYTES_MAX} bytes`,
        )
      documents.push(doc)
    },
    () => {
      const writer = new DocumentWriter().begin()
      for (const [name, pipeline] of facets) {
        writer.beginArray(name)
        const stage = open(documents, pipeline)
        let count = 0
        for (let doc = stage.next(); Buffer.isBuffer(doc); doc = stage.next())
          writer.raw(indexName(count++), BsonType.object, doc, 0, doc.length)
        writer.end()
      }
      return new ListStage([writer.end().take()])
    },
  )
}
