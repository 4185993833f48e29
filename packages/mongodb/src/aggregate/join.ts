import { encodeDocument } from '../bson/encode.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { documentValue, elementsOf, entriesOf, longValue, NULL, Value } from '../bson/value.ts'
import { DocumentWriter, indexName } from '../bson/writer.ts'
import { codeError } from '../errors.ts'
import { eachAtPath, parsePath } from '../query/path.ts'
import { planQuery } from '../query/plan.ts'
import { ScanStage } from '../query/scan.ts'
import { SORT_BYTES_MAX } from '../query/sort.ts'
import { CollectStage, ListStage, MapStage, PAUSE, type Stage } from '../query/stage.ts'
import type { Collection } from '../storage/collection.ts'
import { MutableNode } from '../update/mutable.ts'

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

/** `$lookup` by equality of two fields; an index on the other field is used. */
export function lookupStage(
  input: Stage,
  spec: Value,
  collectionOf: (name: string) => Collection | undefined,
): Stage {
  if (spec.type !== BsonType.object)
    throw codeError('FailedToParse', 'the $lookup specification must be an Object')
  const fields: Record<string, string> = {}
  for (const [name, value] of entriesOf(spec)) {
    if (name === 'pipeline' || name === 'let')
      throw codeError('NotImplemented', `$lookup with ${name} is not supported yet`)
    if (!['from', 'localField', 'foreignField', 'as'].includes(name))
      throw codeError('FailedToParse', `unknown argument to $lookup: ${name}`)
    if (value.type !== BsonType.string)
      throw codeError(
        'FailedToParse',
        `$lookup argument '${name}' must be a string, found ${typeName(value.type)}`,
      )
    fields[name] = value.text
  }
  const { from, localField, foreignField, as } = fields
  if (!from || !localField || !foreignField || !as)
    throw codeError(
      'FailedToParse',
      "$lookup requires 'from', 'localField', 'foreignField' and 'as'",
    )
  const local = parsePath(localField)
  const target = as.split('.')
  return new MapStage(input, (doc) => {
    const values: Value[] = []
    eachAtPath(doc, BsonType.object, 0, local, 0, (type, at) => {
      values.push(type === BsonType.missing ? NULL : new Value(type, doc, at))
    })
    const filter = encodeDocument({ [foreignField]: { $in: values } })
    const writer = new DocumentWriter().begin()
    const collection = collectionOf(from)
    if (collection) {
      const scan = new ScanStage(
        collection,
        planQuery(collection, { filter: rootOf(filter) }),
        false,
      )
      let count = 0
      for (let found = scan.next(); Buffer.isBuffer(found); found = scan.next()) {
        writer.raw(indexName(count++), BsonType.object, found, 0, found.length)
        if (writer.size > SORT_BYTES_MAX)
          throw codeError(
            'Location4568',
            'Total size of documents in $lookup exceeds maximum document size',
          )
      }
      scan.suspend()
    }
    const root = new MutableNode(rootOf(doc))
    root
      .parentOf(target, true)!
      .set(target.at(-1)!, new Value(BsonType.array, writer.end().take(), 0))
    return root.encode().bytes
  })
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
