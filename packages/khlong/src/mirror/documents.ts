import { createHash } from 'node:crypto'
import type { Db, Document, MongoClient } from 'mongodb'
import { KhlongError } from '../errors.ts'
import { isUnsupported } from '../outside/mongodb-refusals.ts'
import { exactDocument, idKey, idOf } from './exact-document.ts'

const batchSize = 1_000
const ownDatabases = ['admin', 'config', 'local']
/** Where the target keeps which of its collections are copies; docs/formats/mirror.md. */
export const notesDatabase = 'khlong_mirror'

interface Note {
  readonly _id: string
  readonly isDone: boolean
}

/** A collection of the source. */
export interface CopiedCollection {
  readonly database: string
  readonly name: string
  readonly options: Document
  readonly indexes: readonly Document[]
  readonly count: number
}

export interface DocumentTally {
  documents: number
  bytes: number
  removed: number
  /** Indexes that the target cannot have, with the reason. */
  readonly leftOut: string[]
}

/** What can be copied, and the names of what cannot, with the reason. */
export interface CollectionList {
  readonly collections: readonly CopiedCollection[]
  readonly leftOut: readonly string[]
}

/** The collections of a server, without those that it keeps for itself. */
export async function readCollections(source: MongoClient): Promise<CollectionList> {
  const collections: CopiedCollection[] = []
  const leftOut: string[] = []
  const { databases } = await source.db('admin').admin().listDatabases({ nameOnly: true })
  for (const { name: database } of databases) {
    if (ownDatabases.includes(database) || database === notesDatabase) continue
    const db = source.db(database)
    const found = (await db.listCollections().toArray()) as Document[]
    for (const { name, type, options } of found as {
      name: string
      type: string
      options: Document
    }[]) {
      if (name.startsWith('system.')) continue
      if (type !== 'collection') {
        leftOut.push(`${database}.${name}: it is a ${type}`)
        continue
      }
      const collection = db.collection(name)
      collections.push({
        database,
        name,
        options: options ?? {},
        indexes: (await collection.indexes()).filter((index) => index.name !== '_id_'),
        count: await collection.estimatedDocumentCount(),
      })
    }
  }
  return { collections, leftOut }
}

export interface DocumentCopyOptions {
  readonly source: MongoClient
  readonly target: MongoClient
  readonly collections: readonly CopiedCollection[]
  /** Nobody writes to the source: what is only at the target goes. */
  readonly isLast: boolean
  readonly signal: AbortSignal
  onProgress(done: number, total: number): void
}

/**
 * Brings the target's collections to what the source has: documents that are missing or different are
 * written, with their types and order of fields, and with `isLast` those that are gone are removed. What is
 * the same already is left alone, so that a copy which was killed goes on by being begun again.
 *
 * @throws KhlongError `KHLONG_MIRROR_COLLECTION`, `KHLONG_MIRROR_DONE`, `KHLONG_MIRROR_DOCUMENT`
 */
export async function copyDocuments(options: DocumentCopyOptions): Promise<DocumentTally> {
  const { source, target, collections, isLast, signal, onProgress } = options
  const tally: DocumentTally = { documents: 0, bytes: 0, removed: 0, leftOut: [] }
  const total = collections.reduce((sum, { count }) => sum + count, 0)
  let done = 0
  const fresh = new Set<CopiedCollection>()
  for (const collection of collections) if (await take(target, collection)) fresh.add(collection)
  for (const collection of collections) {
    const from = source.db(collection.database)
    const to = target.db(collection.database)
    for await (const batch of batchesOf(from, collection.name)) {
      signal.throwIfAborted()
      await writeBatch(to, collection, batch, fresh.has(collection), tally)
      done += batch.length
      onProgress(Math.min(done, total), total)
    }
    if (isLast) tally.removed += await removeGone(from, to, collection.name)
    await makeIndexes(to, collection, tally)
  }
  onProgress(total, total)
  return tally
}

/** Notes that others may write to the copies now. */
export async function finishDocuments(
  target: MongoClient,
  collections: readonly CopiedCollection[],
): Promise<void> {
  for (const collection of collections)
    await notes(target).updateOne({ _id: namespaceOf(collection) }, { $set: { isDone: true } })
}

/** Whether documents of these collections were moved before. */
export async function areDocumentsDone(target: MongoClient): Promise<boolean> {
  return (await notes(target).findOne({ isDone: true })) !== null
}

/** How a collection compares with its copy. */
export interface CollectionComparison {
  readonly namespace: string
  readonly documents: number
  /** SHA-256 over the documents' bytes, in the order of the source. */
  readonly checksum: string
  readonly difference?: string
}

/** Compares each document with its copy, byte by byte, and each index by its definition. */
export async function* compareDocuments(
  source: MongoClient,
  target: MongoClient,
  collections: readonly CopiedCollection[],
): AsyncGenerator<CollectionComparison, void, undefined> {
  for (const collection of collections) {
    const { database, name, indexes } = collection
    const hash = createHash('sha256')
    let documents = 0
    let different = 0
    let missing = 0
    let example = ''
    const to = target.db(database)
    for await (const batch of batchesOf(source.db(database), name)) {
      const copies = await findByIds(to, name, batch)
      for (const raw of batch) {
        const copy = copies.get(idKey(idOf(raw)))
        documents++
        hash.update(raw)
        if (copy && Buffer.compare(copy, raw) === 0) continue
        if (copy) different++
        else missing++
        example ||= JSON.stringify(idOf(raw))
      }
    }
    const note = await notes(target).findOne({ _id: namespaceOf(collection) })
    const count = await to.collection(name).countDocuments()
    const there = await to
      .collection(name)
      .indexes()
      .catch(() => [])
    const lost = indexes.find((index) => !there.some((other) => isSameIndex(index, other)))
    const difference =
      missing + different > 0
        ? `${missing} documents are missing at the target and ${different} are different, such as _id ${example}`
        : // Who goes on at the target adds to it.
          count > documents && note?.isDone !== true
          ? `the target has ${count} documents, the source ${documents}`
          : lost
            ? `index ${lost.name} is not the same at the target`
            : undefined
    yield {
      namespace: namespaceOf(collection),
      documents,
      checksum: hash.digest('hex'),
      ...(difference === undefined ? {} : { difference }),
    }
  }
}

// ---- One collection

const namespaceOf = ({ database, name }: CopiedCollection): string => `${database}.${name}`
const notes = (target: MongoClient) => target.db(notesDatabase).collection<Note>('collections')

/**
 * Notes that a collection of the target is a copy, and makes it where it has options of its own. True
 * where it was not one before, so that it is empty.
 */
async function take(target: MongoClient, collection: CopiedCollection): Promise<boolean> {
  const _id = namespaceOf(collection)
  const note = await notes(target).findOne({ _id })
  if (note?.isDone)
    throw new KhlongError(
      'KHLONG_MIRROR_DONE',
      `collection ${_id} was moved already, and others write to it at the target now; --verify compares what was copied`,
    )
  if (note) return false
  const db = target.db(collection.database)
  const count = await db.collection(collection.name).countDocuments({}, { limit: 1 })
  if (count > 0)
    throw new KhlongError(
      'KHLONG_MIRROR_COLLECTION',
      `collection ${_id} has documents at the target already that this copy has not written; drop it there, or rename it`,
    )
  await notes(target).insertOne({ _id, isDone: false })
  if (Object.keys(collection.options).length > 0)
    await db.createCollection(collection.name, collection.options).catch((error: unknown) => {
      if ((error as { codeName?: unknown }).codeName !== 'NamespaceExists') throw error
    })
  return true
}

async function* batchesOf(db: Db, name: string): AsyncGenerator<Uint8Array[], void, undefined> {
  const cursor = db.collection(name).find({}, { raw: true, batchSize })
  let batch: Uint8Array[] = []
  for await (const raw of cursor as unknown as AsyncIterable<Uint8Array>) {
    batch.push(raw)
    if (batch.length < batchSize) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function findByIds(
  db: Db,
  name: string,
  documents: readonly Uint8Array[],
): Promise<Map<string, Uint8Array>> {
  const ids = documents.map(idOf)
  const cursor = db
    .collection<Document>(name)
    .find({ _id: { $in: ids } } as Document, { raw: true, batchSize })
  const found = new Map<string, Uint8Array>()
  for await (const raw of cursor as unknown as AsyncIterable<Uint8Array>)
    found.set(idKey(idOf(raw)), raw)
  return found
}

async function writeBatch(
  db: Db,
  collection: CopiedCollection,
  batch: readonly Uint8Array[],
  isEmpty: boolean,
  tally: DocumentTally,
): Promise<void> {
  const there = isEmpty ? new Map<string, never>() : await findByIds(db, collection.name, batch)
  const inserts: Document[] = []
  const replacements: { id: unknown; document: Document }[] = []
  for (const raw of batch) {
    const id = idOf(raw)
    const copy = there.get(idKey(id))
    if (copy && Buffer.compare(copy, raw) === 0) continue
    const document = exactDocument(raw)
    if (!document)
      throw new KhlongError(
        'KHLONG_MIRROR_DOCUMENT',
        `the document with _id ${JSON.stringify(id)} of ${namespaceOf(collection)} has a field of a type that the driver does not write any more; change it, and run the command again`,
      )
    if (copy) replacements.push({ id, document })
    else inserts.push(document)
    tally.documents++
    tally.bytes += raw.byteLength
  }
  const target = db.collection<Document>(collection.name)
  const durable = { writeConcern: { w: 'majority', j: true } } as const
  if (inserts.length > 0)
    await target.insertMany(inserts, { ...durable, ordered: false, forceServerObjectId: true })
  if (replacements.length > 0)
    await target.bulkWrite(
      replacements.map(({ id, document }) => ({
        replaceOne: { filter: { _id: id } as Document, replacement: document },
      })),
      { ...durable, ordered: false },
    )
}

/** Removes what the source has no more: by TTL, or because somebody deleted it while it was copied. */
async function removeGone(from: Db, to: Db, name: string): Promise<number> {
  let removed = 0
  for await (const batch of batchesOf(to, name)) {
    const there = await findByIds(from, name, batch)
    const gone = batch.map(idOf).filter((id) => !there.has(idKey(id)))
    if (gone.length === 0) continue
    await to.collection<Document>(name).deleteMany({ _id: { $in: gone } } as Document)
    removed += gone.length
  }
  return removed
}

/** Each index as it is defined at the source, its time to live included, as far as the target has such. */
async function makeIndexes(
  db: Db,
  collection: CopiedCollection,
  { leftOut }: DocumentTally,
): Promise<void> {
  for (const { key, v: _version, ns: _namespace, ...options } of collection.indexes)
    try {
      await db.collection(collection.name).createIndex(key as Record<string, 1>, options)
    } catch (error) {
      if (!isUnsupported(error)) throw error
      leftOut.push(
        `index ${options.name} of ${namespaceOf(collection)}: ${(error as Error).message}`,
      )
    }
}

function isSameIndex(one: Document, other: Document): boolean {
  const told = ({ name, key, unique, sparse, expireAfterSeconds }: Document): string =>
    JSON.stringify([name, key, unique ?? false, sparse ?? false, expireAfterSeconds ?? null])
  return told(one) === told(other)
}
