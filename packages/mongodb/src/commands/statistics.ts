import { hostname } from 'node:os'
import { encodeDocument, type ReplyFields } from '../bson/encode.ts'
import { numberOf } from '../bson/number.ts'
import { validateDocument } from '../bson/validate.ts'
import { documentValue, EMPTY_DOCUMENT } from '../bson/value.ts'
import { codeError, MongoError } from '../errors.ts'
import { planQuery } from '../query/plan.ts'
import { ScanStage } from '../query/scan.ts'
import { drainStage } from '../query/stage.ts'
import type { Collection } from '../storage/collection.ts'
import type { Table } from '../storage/engine.ts'
import { recordKeysMissing } from '../storage/index-check.ts'
import { type CommandTable, command, type Handler, type ServerState } from './context.ts'
import type { CommandRequest } from './request.ts'

interface TableStats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
}

function tableBytes(table: Table): number {
  const stats = table.getStats() as TableStats
  return (
    (stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages) * stats.pageSize
  )
}

/** Sizes and counts as `collStats` gives them, divided by `scale`. */
export function collectionStats(
  collection: Collection,
  scale: number,
): ReplyFields & { count: number } {
  const { count, dataBytes } = collection.stored
  const sizes: Record<string, number> = {}
  let total = 0
  for (const { spec, table } of collection.indexes) {
    const bytes = tableBytes(table)
    total += bytes
    sizes[spec.name] = Math.floor(bytes / scale)
  }
  const storage = tableBytes(collection.records)
  return {
    ns: collection.namespace,
    size: Math.floor(dataBytes / scale),
    count,
    ...(count > 0 && { avgObjSize: Math.floor(dataBytes / count) }),
    numOrphanDocs: 0,
    storageSize: Math.floor(storage / scale),
    freeStorageSize: 0,
    capped: false,
    nindexes: collection.indexes.length,
    indexBuilds: [],
    totalIndexSize: Math.floor(total / scale),
    totalSize: Math.floor((storage + total) / scale),
    indexSizes: sizes,
    scaleFactor: scale,
  }
}

/** One document for each index, as `$indexStats` gives them. */
export function indexStats(collection: Collection, state: ServerState): Buffer[] {
  return collection.indexes.map((index) =>
    encodeDocument({
      name: index.spec.name,
      key: index.spec.keyPattern,
      host: `${hostname()}:${state.settings.address.port}`,
      accesses: { ops: BigInt(index.uses), since: new Date(state.startedMs) },
      spec: { v: 2, key: index.spec.keyPattern, name: index.spec.name },
    }),
  )
}

function scaleOf(request: CommandRequest): number {
  const scale = request.get('scale')
  return Math.max(1, (scale && numberOf(scale)) || 1)
}

/** @throws MongoError NamespaceNotFound */
export function wantCollection(request: CommandRequest, state: ServerState): Collection {
  const collection = state.catalog.get(request.namespace)
  if (!collection) throw codeError('NamespaceNotFound', `ns does not exist: ${request.namespace}`)
  return collection
}

const collStats: Handler = (request, state) => {
  const collection = state.catalog.get(request.namespace)
  if (collection) return collectionStats(collection, scaleOf(request))
  return {
    ns: request.namespace,
    size: 0,
    count: 0,
    storageSize: 0,
    nindexes: 0,
    totalIndexSize: 0,
    indexSizes: {},
    scaleFactor: 1,
  }
}

const dbStats: Handler = (request, state) => {
  const scale = scaleOf(request)
  const sums = { objects: 0, dataSize: 0, storageSize: 0, indexes: 0, indexSize: 0 }
  const collections = state.catalog.of(request.database)
  for (const collection of collections) {
    sums.objects += collection.stored.count
    sums.dataSize += collection.stored.dataBytes
    sums.storageSize += tableBytes(collection.records)
    sums.indexes += collection.indexes.length
    for (const { table } of collection.indexes) sums.indexSize += tableBytes(table)
  }
  const scaled = (bytes: number): number => Math.floor(bytes / scale)
  return {
    db: request.database,
    collections: collections.length,
    views: 0,
    objects: sums.objects,
    avgObjSize: sums.objects === 0 ? 0 : sums.dataSize / sums.objects,
    dataSize: scaled(sums.dataSize),
    storageSize: scaled(sums.storageSize),
    indexes: sums.indexes,
    indexSize: scaled(sums.indexSize),
    totalSize: scaled(sums.storageSize + sums.indexSize),
    scaleFactor: scale,
  }
}

const validate: Handler = async (request, state) => {
  const collection = wantCollection(request, state)
  const errors: string[] = []
  let records = 0
  let invalid = 0
  const scan = new ScanStage(
    collection,
    planQuery(collection, { filter: documentValue(EMPTY_DOCUMENT), natural: 1 }),
  )
  await drainStage(scan, (doc) => {
    records++
    try {
      validateDocument(doc, 0, doc.length)
      for (const name of recordKeysMissing(collection, scan.recordId, doc))
        errors.push(`index ${name} lacks an entry of record ${scan.recordId.toString('hex')}`)
    } catch (error) {
      if (!(error instanceof MongoError)) throw error
      invalid++
      errors.push(error.message)
    }
    return errors.length < 100
  })
  const keysPerIndex: Record<string, number> = {}
  for (const { spec, table } of collection.indexes)
    keysPerIndex[spec.name] = (table.getStats() as TableStats).entryCount
  return {
    ns: collection.namespace,
    nInvalidDocuments: invalid,
    nNonCompliantDocuments: 0,
    nrecords: records,
    nIndexes: collection.indexes.length,
    keysPerIndex,
    valid: errors.length === 0,
    repaired: false,
    warnings: [],
    errors,
    extraIndexEntries: [],
    missingIndexEntries: [],
    corruptRecords: [],
  }
}

/** collStats, dbStats, validate. */
export const statisticsCommands: CommandTable = {
  collStats: command(collStats, ['scale']),
  dbStats: command(dbStats, ['scale', 'freeStorage']),
  dbstats: command(dbStats, ['scale', 'freeStorage']),
  validate: command(validate, ['full', 'background', 'metadata', 'checkBSONConformance']),
}
