import type { AnyBulkWriteOperation, Document, MongoClient } from 'mongodb'
import type { ConfigMap } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import { optionsUnder } from '../../converters/index.ts'
import { parseJson } from '../../converters/json.ts'
import type { SinkRecord } from '../../data/record.ts'
import { type ConnectValue, isObject, javaTypeOf } from '../../data/schema.ts'
import { ConnectError, dataError } from '../../errors.ts'
import type { SinkPlugin, SinkTask, SinkTaskContext } from '../../plugin.ts'
import { type BsonTypes, toBson } from './bson-value.ts'
import { fields } from './fields.ts'
import { findIdStrategy, type IdSource, type IdStrategy, type Projection } from './id-strategy.ts'
import { type PostProcessor, type Processed, postProcessors } from './post-processors.ts'
import { giveBackClient, takeClient } from './shared-client.ts'
import { mapUriHosts } from './uri.ts'
import { findWriteModel, type WriteModel } from './write-model.ts'

const spec = new ConfigSpec(fields, 'MongoDB')
const overridePrefix = 'topic.override.'

/** `com.mongodb.kafka.connect.MongoSinkConnector` */
export const mongodbSink: SinkPlugin = {
  kind: 'sink',
  className: 'com.mongodb.kafka.connect.MongoSinkConnector',
  version: '0.1.0',
  spec,
  prefixes: [{ prefix: overridePrefix }],
  check(config) {
    const { 'delete.on.null.values': deletes, 'document.id.strategy': name } = spec.parse(config)
    if (!deletes || findIdStrategy(name).isOfKey) return []
    return [
      {
        option: 'delete.on.null.values',
        error:
          'DeleteOneDefaultStrategy can only be applied when the configured IdStrategy is an instance of: FullKeyStrategy or PartialKeyStrategy or ProvidedInKeyStrategy',
      },
    ]
  },
  taskCount: (_config, tasksMax) => tasksMax,
  describe(config) {
    const options = spec.parse(config)
    const topics = (config.topics ?? '').split(',').map((topic) => topic.trim())
    return topics.map((topic) => {
      const own = optionsOf(config, topic)
      return `${own.database || options.database}.${own.collection || topic}`
    })
  },
  createTask: (config, context) => new MongodbSinkTask(config, context),
}

type Options = ConfigValues<typeof fields>

/** The options for a topic: `topic.override.TOPIC.OPTION` goes before `OPTION`. */
function optionsOf(config: ConfigMap, topic: string): Options {
  return spec.parse({ ...config, ...optionsUnder(config, `${overridePrefix}${topic}.`) })
}

/** What is done with the records of one topic. */
interface Target {
  readonly options: Options
  readonly namespace: string
  readonly idStrategy: IdStrategy
  readonly writeModel: WriteModel
  readonly processors: readonly PostProcessor[]
  readonly partialKey: Projection
  readonly partialValue: Projection
}

interface Write {
  readonly record: SinkRecord
  readonly operation: AnyBulkWriteOperation
}

class MongodbSinkTask implements SinkTask {
  readonly #config: ConfigMap
  readonly #context: SinkTaskContext
  readonly #targets = new Map<string, Target>()
  #client: MongoClient | undefined
  #uri = ''
  #bson: BsonTypes | undefined
  #note: string | undefined

  constructor(config: ConfigMap, context: SinkTaskContext) {
    this.#config = config
    this.#context = context
  }

  get note(): string | undefined {
    return this.#note
  }

  async start(): Promise<void> {
    try {
      await this.#connect()
    } catch (error) {
      const failure = asConnectError(error)
      if (!failure.retriable) throw failure
      // A server that is away now is waited for in `put`.
      this.#note = failure.message
    }
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const byNamespace = new Map<string, { target: Target; writes: Write[] }>()
    for (const record of records) {
      const target = this.#target(record.topic)
      const write = this.#write(record, target)
      if (!write) continue
      const group = byNamespace.get(target.namespace)
      if (group) group.writes.push(write)
      else byNamespace.set(target.namespace, { target, writes: [write] })
    }
    if (byNamespace.size > 0 && !this.#client) await this.#reconnect()
    for (const { target, writes } of byNamespace.values()) {
      const size = target.options['max.batch.size'] || writes.length
      for (let start = 0; start < writes.length; start += size)
        await this.#bulkWrite(target, writes.slice(start, start + size))
    }
    this.#note = undefined
  }

  async stop(): Promise<void> {
    if (!this.#client) return
    this.#client = undefined
    await giveBackClient(this.#uri)
  }

  /** @throws what the driver says. */
  async #connect(): Promise<void> {
    // The driver is heavy; a worker without this sink does not load it.
    const driver = await import('mongodb')
    this.#bson = driver
    const uri = mapUriHosts(spec.parse(this.#config)['connection.uri'], (host) =>
      this.#context.resolveHost(host),
    )
    this.#client = await takeClient(driver.MongoClient, uri, {
      appName: 'khlong-connect',
      maxPoolSize: 8,
      // A server that is away is asked for again by `put`, which says so meanwhile.
      ...(/[?&]serverSelectionTimeoutMS=/i.test(uri) ? {} : { serverSelectionTimeoutMS: 5_000 }),
      // The driver itself would wait for ever for a server that took a write and says nothing.
      ...(/[?&](socketTimeoutMS|timeoutMS)=/i.test(uri) ? {} : { socketTimeoutMS: 60_000 }),
      // What is acknowledged to Kafka has to be in the journal.
      ...(/[?&](w|journal)=/i.test(uri) ? {} : { writeConcern: { w: 1, journal: true } }),
    })
    this.#uri = uri
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect()
    } catch (error) {
      const failure = asConnectError(error)
      this.#note = failure.message
      throw failure
    }
  }

  #write(record: SinkRecord, target: Target): Write | undefined {
    try {
      const operation = this.#operation(record, target)
      return operation && { record, operation }
    } catch (error) {
      this.#context.reportErrant(record, error as Error)
      return undefined
    }
  }

  #operation(record: SinkRecord, target: Target): AnyBulkWriteOperation | undefined {
    const { options, idStrategy } = target
    if (record.value === null) {
      if (!options['delete.on.null.values']) return undefined
      const processed = { record, key: this.#keyOf(record), value: {} }
      const filter: Document = { _id: idStrategy.make(this.#idSource(processed, target)) }
      return { deleteOne: { filter } }
    }
    const value = documentOf(record.value)
    const document = toBson(value, record.valueSchema, this.#bson!) as Document
    const processed = { record, key: this.#keyOf(record), value: document }
    for (const process of target.processors) process(processed)
    return target.writeModel.make(document, this.#context.clock.nowMs())
  }

  #keyOf({ key, keySchema }: SinkRecord): Document | undefined {
    return isObject(key) ? (toBson(key, keySchema, this.#bson!) as Document) : undefined
  }

  #idSource({ record, key, value: document }: Processed, target: Target): IdSource {
    return {
      record,
      document,
      key,
      bson: this.#bson!,
      partialKey: target.partialKey,
      partialValue: target.partialValue,
      uuidIsBinary: target.options['document.id.strategy.uuid.format'].toLowerCase() === 'binary',
    }
  }

  async #bulkWrite(target: Target, writes: readonly Write[]): Promise<void> {
    const [database, collection] = splitNamespace(target.namespace)
    const ordered = isOrdered(target, writes)
    let rest = writes
    while (rest.length > 0)
      try {
        await this.#client!.db(database)
          .collection(collection)
          .bulkWrite(
            rest.map((write) => write.operation),
            { ordered, ignoreUndefined: true },
          )
        return
      } catch (error) {
        const last = this.#onWriteError(error, rest)
        // In order the server stops at the first document that it refuses.
        rest = ordered ? rest.slice(last + 1) : []
      }
  }

  /**
   * Documents that the server refuses go the way of errors. Gives the place of the last of them.
   *
   * @throws ConnectError for what is no document's fault.
   */
  #onWriteError(error: unknown, writes: readonly Write[]): number {
    const failures = (error as { writeErrors?: WriteFailure[] | WriteFailure }).writeErrors
    const list = failures === undefined ? [] : Array.isArray(failures) ? failures : [failures]
    const passes = list.find(({ code }) => code !== undefined && passing.has(code))
    if (list.length === 0 || passes) {
      const failure = passes
        ? new ConnectError('CONNECT_RETRIABLE', `MongoDB: ${passes.errmsg ?? ''}`, { cause: error })
        : asConnectError(error)
      if (failure.retriable) this.#note = failure.message
      throw failure
    }
    for (const { index, code, errmsg } of list) {
      // An insert that was made before and comes again is no error: at least once is the promise.
      const write = writes[index]
      if (!write || (code === 11000 && 'insertOne' in write.operation)) continue
      this.#context.reportErrant(
        write.record,
        new ConnectError('CONNECT_DATA', `v=1, code=${code}, message=${errmsg ?? ''}`),
      )
    }
    return Math.max(...list.map(({ index }) => index))
  }

  #target(topic: string): Target {
    let target = this.#targets.get(topic)
    if (!target) {
      const options = optionsOf(this.#config, topic)
      const idStrategy = findIdStrategy(options['document.id.strategy'])
      const made: Target = {
        options,
        processors: postProcessors(options, (processed) => {
          const { value } = processed
          if (value._id === undefined || options['document.id.strategy.overwrite.existing'])
            value._id = idStrategy.make(this.#idSource(processed, made))
        }),
        namespace: `${options.database}\0${options.collection || topic}`,
        idStrategy,
        writeModel: findWriteModel(options['writemodel.strategy']),
        partialKey: projectionOf(options, 'key'),
        partialValue: projectionOf(options, 'value'),
      }
      target = made
      this.#targets.set(topic, target)
    }
    return target
  }
}

interface WriteFailure {
  readonly index: number
  readonly code?: number
  readonly errmsg?: string
}

const splitNamespace = (namespace: string): [database: string, collection: string] =>
  namespace.split('\0') as [string, string]

function projectionOf(options: Options, side: 'key' | 'value'): Projection {
  const prefix = `document.id.strategy.partial.${side}.projection` as const
  return {
    names: new Set(options[`${prefix}.list`]),
    isAllowList: options[`${prefix}.type`].toLowerCase() !== 'blocklist',
  }
}

/** Writes of one document have to stay in their order; a batch without such is faster without. */
function isOrdered(target: Target, writes: readonly Write[]): boolean {
  if (target.options['bulk.write.ordered']) return true
  if (
    target.idStrategy.className.endsWith('.KafkaMetaDataStrategy') ||
    target.idStrategy.className.endsWith('.BsonOidStrategy')
  )
    return writes.some((write) => isObject(write.record.value) && '_id' in write.record.value)
  return true
}

/** Text and bytes are read as JSON, as the Java connector does. */
function documentOf(value: ConnectValue): ConnectValue {
  const document =
    typeof value === 'string'
      ? parseJson(Buffer.from(value))
      : value instanceof Uint8Array
        ? parseJson(value)
        : value
  if (isObject(document)) return document
  throw dataError(`Could not convert value to BSON: it is a ${javaTypeOf(document)}`)
}

const lasting = new Set([13, 18, 8000])
/** What a server answers that stops, steps down, or is overtaken by others: the same may work later. */
const passing = new Set([
  6, 7, 24, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,
])
/** InternalError and UnknownError: of a whole command, not of a document, they may pass too. */
const unclear = new Set([1, 8])

/** A server that is away is tried again; one that refuses the login fails the task. */
function asConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error
  const { name, message, code, ok } = error as {
    name: string
    message: string
    code?: number
    ok?: number
  }
  const isLasting =
    (code !== undefined && lasting.has(code)) ||
    name === 'MongoParseError' ||
    name === 'MongoInvalidArgumentError' ||
    name === 'MongoMissingCredentialsError'
  const isAway = /Network|ServerSelection|NotPrimary|Timeout|PoolCleared|NotConnected|Retryable/i
  // What broke a bulk write comes under the name of the bulk write, with the fields that a network
  // error or a failed selection of a server has.
  const isWrapped =
    name === 'MongoBulkWriteError' &&
    code === undefined &&
    ['beforeHandshake', 'reason'].some((field) => field in (error as object))
  const mayPass =
    !isLasting &&
    (isWrapped ||
      // A server that answers so, or without a code, does not know itself what has happened.
      (ok === 0 && (code === undefined || unclear.has(code))) ||
      (code !== undefined && passing.has(code)) ||
      isAway.test(name) ||
      (error as { hasErrorLabel?: (label: string) => boolean }).hasErrorLabel?.(
        'RetryableWriteError',
      ) === true)
  return new ConnectError(mayPass ? 'CONNECT_RETRIABLE' : 'CONNECT_FAILED', `MongoDB: ${message}`, {
    cause: error,
  })
}
