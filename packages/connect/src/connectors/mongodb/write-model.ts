import type { AnyBulkWriteOperation, Document } from 'mongodb'

export interface WriteModel {
  readonly className: string
  make(document: Document, nowMs: number): AnyBulkWriteOperation
}

const inJava = (name: string): string =>
  `com.mongodb.kafka.connect.sink.writemodel.strategy.${name}`

const replaceOne = (document: Document): AnyBulkWriteOperation => ({
  replaceOne: { filter: { _id: document._id }, replacement: document, upsert: true },
})

/** How documents are written, the default first. */
export const writeModels: readonly WriteModel[] = [
  { className: inJava('DefaultWriteModelStrategy'), make: replaceOne },
  { className: inJava('ReplaceOneDefaultStrategy'), make: replaceOne },
  {
    className: inJava('InsertOneDefaultStrategy'),
    make: (document) => ({ insertOne: { document } }),
  },
  {
    className: inJava('ReplaceOneBusinessKeyStrategy'),
    make(document) {
      const { _id: filter, ...replacement } = document
      return { replaceOne: { filter: filter as Document, replacement, upsert: true } }
    },
  },
  {
    className: inJava('UpdateOneDefaultStrategy'),
    make(document) {
      const { _id, ...rest } = document
      return { updateOne: { filter: { _id }, update: { $set: rest }, upsert: true } }
    },
  },
  {
    className: inJava('UpdateOneTimestampsStrategy'),
    make(document, nowMs) {
      const { _id, ...rest } = document
      const now = new Date(nowMs)
      return {
        updateOne: {
          filter: { _id },
          update: { $set: { ...rest, _modifiedTS: now }, $setOnInsert: { _insertedTS: now } },
          upsert: true,
        },
      }
    },
  },
  {
    className: inJava('UpdateOneBusinessKeyTimestampStrategy'),
    make(document, nowMs) {
      const { _id: filter, ...rest } = document
      const now = new Date(nowMs)
      return {
        updateOne: {
          filter: filter as Document,
          update: { $set: { ...rest, _modifiedTS: now }, $setOnInsert: { _insertedTS: now } },
          upsert: true,
        },
      }
    },
  },
]

/** Java's class names of all write models. */
export const writeModelNames: ReadonlySet<string> = new Set(
  writeModels.map((item) => item.className),
)

export function findWriteModel(className: string): WriteModel {
  return writeModels.find((item) => item.className === className)!
}
