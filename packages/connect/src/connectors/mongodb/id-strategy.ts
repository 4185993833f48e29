import { randomUUID } from 'node:crypto'
import type { Document, ObjectId } from 'mongodb'
import type { SinkRecord } from '../../data/record.ts'
import { type ConnectValue, isObject } from '../../data/schema.ts'
import { dataError } from '../../errors.ts'
import { type BsonTypes, toBson } from './bson-value.ts'

/** What an id is made of. */
export interface IdSource {
  readonly record: SinkRecord
  readonly document: Document
  /** The key as post processors left it; undefined where it is no document. */
  readonly key: Document | undefined
  readonly bson: BsonTypes
  readonly partialKey: Projection
  readonly partialValue: Projection
  readonly uuidIsBinary: boolean
}

export interface Projection {
  readonly names: ReadonlySet<string>
  readonly isAllowList: boolean
}

export interface IdStrategy {
  readonly className: string
  /** Made of the key alone, so that it can name the document to delete when the value is null. */
  readonly isOfKey: boolean
  /** @throws ConnectError `CONNECT_DATA` */
  make(source: IdSource): unknown
}

const inJava = (name: string): string =>
  `com.mongodb.kafka.connect.sink.processor.id.strategy.${name}`

const strategy = (
  name: string,
  make: (source: IdSource) => unknown,
  isOfKey = false,
): IdStrategy => ({ className: inJava(name), make, isOfKey })

/** How `_id` is made, the default first. */
export const idStrategies: readonly IdStrategy[] = [
  strategy('BsonOidStrategy', ({ bson }): ObjectId => new bson.ObjectId()),
  strategy(
    'KafkaMetaDataStrategy',
    ({ record }) => `${record.topic}#${record.origin.partition}#${record.origin.offset}`,
  ),
  strategy('FullKeyStrategy', ({ key }) => keyDocument(key), true),
  strategy('ProvidedInKeyStrategy', ({ record, bson }) => provided(record.key, 'key', bson), true),
  strategy('ProvidedInValueStrategy', ({ record, bson }) => provided(record.value, 'value', bson)),
  strategy(
    'PartialKeyStrategy',
    ({ key, partialKey }) => project(keyDocument(key), partialKey),
    true,
  ),
  strategy('PartialValueStrategy', ({ document, partialValue }) => project(document, partialValue)),
  strategy('UuidStrategy', ({ bson, uuidIsBinary }) =>
    uuidIsBinary ? new bson.UUID() : randomUUID(),
  ),
  strategy(
    'UuidProvidedInKeyStrategy',
    ({ record, bson }) => uuidOf(provided(record.key, 'key', bson), bson),
    true,
  ),
  strategy('UuidProvidedInValueStrategy', ({ record, bson }) =>
    uuidOf(provided(record.value, 'value', bson), bson),
  ),
]

/** Java's class names of all strategies. */
export const idStrategyNames: ReadonlySet<string> = new Set(
  idStrategies.map((item) => item.className),
)

export function findIdStrategy(className: string): IdStrategy {
  return idStrategies.find((item) => item.className === className)!
}

function keyDocument(key: Document | undefined): Document {
  if (key) return key
  throw dataError('Could not convert the key to a document: it is not a map or a struct')
}

function provided(value: ConnectValue, where: string, bson: BsonTypes): unknown {
  const id = isObject(value) ? value._id : undefined
  if (id === undefined || id === null)
    throw dataError(`Provided id strategy: the document structure of the ${where} has no _id`)
  return toBson(id, undefined, bson)
}

function uuidOf(value: unknown, bson: BsonTypes): unknown {
  if (typeof value === 'string' && bson.UUID.isValid(value)) return new bson.UUID(value)
  throw dataError(`UUID cannot be parsed from ${String(value)}`)
}

function project(document: Document, projection: Projection): Document {
  return Object.fromEntries(
    Object.entries(document).filter(
      ([name]) => projection.names.has(name) === projection.isAllowList,
    ),
  )
}
