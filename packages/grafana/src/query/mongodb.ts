import type { Document, MongoClient } from 'mongodb'
import { GrafanaError, upstreamFailed } from '../errors.ts'
import { type Frame, numberField, stringField, timeField } from './frames.ts'
import { parseQueryText } from './query-text.ts'

const documentsMax = 1000
const timeMsMax = 10_000
// These write, or run code in the database.
const refusedKeys = new Set(['$out', '$merge', '$where', '$function', '$accumulator'])

/** The official driver, loaded and connected when it is first needed. */
export class MongoLink {
  readonly uri: string
  readonly database: string
  #client: Promise<MongoClient> | undefined

  constructor(uri: string, database: string) {
    this.uri = uri
    this.database = database
  }

  async client(): Promise<MongoClient> {
    this.#client ??= this.#connect().catch((error) => {
      this.#client = undefined
      throw upstreamFailed('mongodb', 'MongoDB does not answer', error)
    })
    return this.#client
  }

  async #connect(): Promise<MongoClient> {
    const { MongoClient } = await import('mongodb')
    const client = new MongoClient(this.uri, {
      appName: 'khlong-console',
      serverSelectionTimeoutMS: 3_000,
      maxPoolSize: 4,
    })
    return client.connect()
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    await client?.close()
  }

  /** Runs one read-only query text and gives the documents, at most 1,000. */
  async run(text: string, database?: string): Promise<Document[]> {
    const { Decimal128, Long, ObjectId } = await import('mongodb')
    const query = parseQueryText(text, {
      ObjectId: (hex) => checked(() => new ObjectId(hex)),
      ISODate: (date) => checkedDate(date),
      NumberLong: (number) => checked(() => Long.fromString(number)),
      NumberDecimal: (number) => checked(() => Decimal128.fromString(number)),
    })
    const [first, ...modifiers] = query.calls
    if (!first) throw badQuery('expected .find(…) or .aggregate(…)')
    for (const call of query.calls) refuseWrites(call.arguments)
    const client = await this.client()
    const collection = client.db(database ?? this.database).collection(query.collection)
    try {
      switch (first.name) {
        case 'find': {
          const cursor = collection.find((first.arguments[0] as Document) ?? {}, {
            maxTimeMS: timeMsMax,
            ...(first.arguments[1] ? { projection: first.arguments[1] as Document } : {}),
          })
          let limit = documentsMax
          for (const modifier of modifiers) {
            const value = modifier.arguments[0]
            if (modifier.name === 'sort') cursor.sort(value as Document as Record<string, 1 | -1>)
            else if (modifier.name === 'skip') cursor.skip(Number(value))
            else if (modifier.name === 'project') cursor.project(value as Document)
            else if (modifier.name === 'limit') limit = boundedLimit(value)
            else if (modifier.name !== 'toArray')
              throw badQuery(`.${modifier.name}() is not supported`)
          }
          return await cursor.limit(limit).toArray()
        }
        case 'aggregate': {
          if (modifiers.some((modifier) => modifier.name !== 'toArray'))
            throw badQuery(`.${modifiers[0]?.name}() is not supported after .aggregate()`)
          const pipeline = first.arguments[0]
          if (!Array.isArray(pipeline)) throw badQuery('aggregate() takes an array of stages')
          return await collection
            .aggregate([...(pipeline as Document[]), { $limit: documentsMax }], {
              maxTimeMS: timeMsMax,
            })
            .toArray()
        }
        case 'countDocuments':
          return [
            { count: await collection.countDocuments((first.arguments[0] as Document) ?? {}) },
          ]
        case 'distinct': {
          const values = await collection.distinct(
            String(first.arguments[0]),
            (first.arguments[1] as Document) ?? {},
          )
          return values.slice(0, documentsMax).map((value) => ({ value }))
        }
        default:
          throw badQuery(
            `.${first.name}() is not supported: find, aggregate, countDocuments, distinct`,
          )
      }
    } catch (error) {
      if (error instanceof GrafanaError) throw error
      throw upstreamFailed('mongodb', error instanceof Error ? error.message : String(error), error)
    }
  }
}

/** One frame with a column per top-level field, in the order in which fields appear. */
export function framesOfDocuments(refId: string, documents: readonly Document[]): Frame[] {
  const names = [...new Set(documents.flatMap((document) => Object.keys(document)))]
  const columns = names.map((name) => documents.map((document) => plain(document[name])))
  return [
    {
      schema: {
        refId,
        meta: { preferredVisualisationType: 'table' },
        fields: names.map((name, index) => {
          const present = columns[index]!.filter((value) => value !== null)
          const dates = documents.some((document) => document[name] instanceof Date)
          if (dates) return timeField(name)
          return present.length > 0 && present.every((value) => typeof value === 'number')
            ? numberField(name)
            : stringField(name)
        }),
      },
      data: { values: columns },
    },
  ]
}

function plain(value: unknown): string | number | boolean | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean')
    return value
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Date) return value.getTime()
  const type = (value as { _bsontype?: string })._bsontype
  if (type === 'Long' || type === 'Double' || type === 'Int32' || type === 'Decimal128')
    return Number(String(value))
  if (type !== undefined) return String(value)
  return JSON.stringify(value)
}

/** Refuses what writes or runs code, at any depth. */
export function refuseWrites(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    if (refusedKeys.has(key)) throw badQuery(`${key} is refused: queries are read only`)
    refuseWrites(inner)
  }
}

function boundedLimit(value: unknown): number {
  const limit = Number(value)
  return limit > 0 ? Math.min(limit, documentsMax) : documentsMax
}

function badQuery(message: string): GrafanaError {
  return new GrafanaError('GRAFANA_BAD_REQUEST', message)
}

function checked<Value>(make: () => Value): Value {
  try {
    return make()
  } catch (error) {
    throw badQuery(error instanceof Error ? error.message : String(error))
  }
}

function checkedDate(text: string | undefined): Date {
  const date = text === undefined ? new Date() : new Date(text)
  if (Number.isNaN(date.getTime())) throw badQuery(`${text} is not a date`)
  return date
}
