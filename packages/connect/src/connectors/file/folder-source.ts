import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { atLeast, regularExpression } from '../../config/checks.ts'
import {
  boolean,
  type ConfigMap,
  ignored,
  int,
  long,
  string,
  unsupported,
} from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import { parseJson } from '../../converters/json.ts'
import type { SourceRecord } from '../../data/record.ts'
import {
  type ConnectObject,
  type ConnectValue,
  type Schema,
  stringSchema,
} from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { SourcePlugin, SourceTask, SourceTaskContext } from '../../plugin.ts'
import { pause } from '../../runtime/pause.ts'
import { CsvReader } from './csv.ts'

const nonEmpty = (text: string): string | undefined =>
  text === '' ? 'String must be non-empty' : undefined
const schemas = unsupported('schemas of keys and values; with CSV set schema.generation.enabled')

const commonFields = {
  topic: string('The topic to write to.', { importance: 'HIGH', check: nonEmpty }),
  'input.path': string('The folder that files are taken from.', {
    importance: 'HIGH',
    check: nonEmpty,
  }),
  'finished.path': string('Where files go that are done, with cleanup.policy=MOVE.', {
    default: '',
    importance: 'HIGH',
  }),
  'error.path': ignored('records in error go the way of errors.tolerance, and their file goes on'),
  'input.file.pattern': string('A regular expression that names of files match as a whole.', {
    importance: 'HIGH',
    check: regularExpression,
  }),
  'cleanup.policy': string('What becomes of a file when all of it is in Kafka.', {
    default: 'MOVE',
    choices: ['NONE', 'DELETE', 'MOVE'],
  }),
  'halt.on.error': ignored('errors.tolerance decides whether a record in error fails the task'),
  'batch.size': int('The most records of one batch.', { default: 1_000, check: atLeast(1) }),
  'empty.poll.wait.ms': long('How long it waits when there is no file.', {
    default: 500,
    check: atLeast(1),
  }),
  'file.minimum.age.ms': long('How long a file has to be left alone before it is read.', {
    default: 0,
    importance: 'LOW',
    check: atLeast(0),
  }),
  'file.charset': unsupported('files that are not in UTF-8', 'UTF-8'),
  'processing.file.extension': ignored('offsets tell how far a file is read'),
  'input.path.walk.recursively': unsupported('folders in the folder', 'false'),
  'key.schema': schemas,
  'value.schema': schemas,
}

const jsonSpec = new ConfigSpec(commonFields, 'File System')
const csvFields = {
  ...commonFields,
  'csv.first.row.as.header': boolean('Whether the first row names the fields.', { default: false }),
  'csv.separator.char': int('The number of the character between fields.', { default: 44 }),
  'csv.quote.char': int('The number of the character around fields.', { default: 34 }),
  'csv.skip.lines': unsupported('lines before the first row', '0'),
  'schema.generation.enabled': boolean('Whether fields are text; has to be true.', {
    default: false,
    check: (value) =>
      value ? undefined : 'not supported yet: value.schema; set schema.generation.enabled=true',
  }),
  'schema.generation.value.name': string('The name of the schema.', {
    default: 'com.github.jcustenborder.kafka.connect.model.Value',
    importance: 'LOW',
  }),
}
const csvSpec = new ConfigSpec(csvFields, 'File System')

type Options = ConfigValues<typeof commonFields>
const inJava = (name: string): string =>
  `com.github.jcustenborder.kafka.connect.spooldir.SpoolDir${name}SourceConnector`

/** What is alike in both. */
const common = {
  kind: 'source',
  version: '0.1.0',
  check: (config: ConfigMap) =>
    (config['cleanup.policy'] ?? 'MOVE') === 'MOVE' && (config['finished.path'] ?? '') === ''
      ? [{ option: 'finished.path', error: 'cleanup.policy=MOVE needs finished.path' }]
      : [],
  describe: (config: ConfigMap) => [`file:${config['input.path'] ?? ''}`],
  topics: (config: ConfigMap) => [config.topic ?? ''],
  isExactlyOnce: () => true,
} as const

/** Rows of CSV files, as Structs of text. */
export const csvFolderSource: SourcePlugin = {
  ...common,
  className: inJava('Csv'),
  spec: csvSpec,
  createTask: (config, context) => {
    const options = csvSpec.parse(config)
    return new FolderSourceTask(options, context, () => new CsvRows(options))
  },
}

/** Lines of JSON files, without a schema. */
export const jsonFolderSource: SourcePlugin = {
  ...common,
  className: inJava('SchemaLessJson'),
  spec: jsonSpec,
  createTask: (config, context) =>
    new FolderSourceTask(jsonSpec.parse(config), context, () => new JsonLines()),
}

/** One row or line: what is to be written of it. */
interface Item {
  readonly schema: Schema | undefined
  readonly value: ConnectValue
  readonly raw?: Uint8Array
  readonly error?: ConnectError
}

/** Reads a file's text as it comes. */
interface ItemReader {
  read(text: string): Item[]
  /** What is left at the end of the file. */
  end(): Item[]
}

class CsvRows implements ItemReader {
  readonly #reader: CsvReader
  readonly #hasHeader: boolean
  readonly #schemaName: string
  #schema: Schema | undefined

  constructor(options: ConfigValues<typeof csvFields>) {
    this.#reader = new CsvReader({
      separator: String.fromCodePoint(options['csv.separator.char']),
      quote: String.fromCodePoint(options['csv.quote.char']),
    })
    this.#hasHeader = options['csv.first.row.as.header']
    this.#schemaName = options['schema.generation.value.name']
  }

  read(text: string): Item[] {
    return this.#items(this.#reader.read(text))
  }
  end(): Item[] {
    return this.#items(this.#reader.end())
  }

  #items(rows: readonly string[][]): Item[] {
    return rows.flatMap((row) => {
      if (!this.#schema) {
        const names = row.map((name, index) =>
          this.#hasHeader ? name : `column${String(index + 1).padStart(2, '0')}`,
        )
        this.#schema = {
          type: 'struct',
          name: this.#schemaName,
          fields: names.map((name) => ({ name, schema: { ...stringSchema, optional: true } })),
        }
        if (this.#hasHeader) return []
      }
      return [this.#item(row, this.#schema)]
    })
  }

  #item(row: readonly string[], schema: Schema): Item {
    const { fields = [] } = schema
    const raw = Buffer.from(JSON.stringify(row))
    if (row.length !== fields.length)
      return {
        schema: undefined,
        value: null,
        raw,
        error: new ConnectError(
          'CONNECT_DATA',
          `a row has ${row.length} fields, and the first one has ${fields.length}`,
        ),
      }
    const value: Record<string, ConnectValue> = {}
    for (const [index, { name }] of fields.entries()) value[name] = row[index] ?? null
    return { schema, value, raw }
  }
}

const lineCharactersMax = 8 * 1024 * 1024

class JsonLines implements ItemReader {
  #rest = ''

  read(text: string): Item[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > lineCharactersMax)
      throw new ConnectError('CONNECT_DATA', `a line has more than ${lineCharactersMax} characters`)
    return lines.flatMap(itemOf)
  }
  end(): Item[] {
    const rest = this.#rest
    this.#rest = ''
    return itemOf(rest)
  }
}

function itemOf(line: string): Item[] {
  if (line.trim() === '') return []
  const raw = Buffer.from(line)
  try {
    return [{ schema: undefined, value: parseJson(raw), raw }]
  } catch (error) {
    return [{ schema: undefined, value: null, raw, error: error as ConnectError }]
  }
}

/** A file that is read. */
interface Reading {
  readonly name: string
  /** When it was last changed, in ms: another time is another file. */
  readonly modifiedMs: number
  readonly handle: FileHandle
  readonly items: ItemReader
  readonly decoder: StringDecoder
  /** How many items were given, or passed over since they are in Kafka. */
  count: number
  readonly skip: number
  isEnded: boolean
}

const readBytes = 64 * 1024

/**
 * Takes files in the order of their names, one after another. A file's offset is the number of its
 * rows that are in Kafka, with the time of its last change; it is cleaned up when that is all of them.
 */
class FolderSourceTask implements SourceTask {
  readonly #options: Options
  readonly #context: SourceTaskContext
  readonly #makeReader: () => ItemReader
  readonly #buffer = Buffer.allocUnsafe(readBytes)
  /** Names and times of files that are done, with cleanup.policy=NONE. */
  readonly #done = new Map<string, number>()
  readonly #waiting: Item[] = []
  /** What was given of each file and is not yet durable, in order. */
  readonly #uncommitted: { reading: Reading; count: number }[] = []
  #reading: Reading | undefined
  #note: string | undefined
  readonly isReady = true

  constructor(options: Options, context: SourceTaskContext, makeReader: () => ItemReader) {
    this.#options = options
    this.#context = context
    this.#makeReader = makeReader
  }

  get note(): string | undefined {
    return this.#note
  }

  async start(): Promise<void> {
    if (this.#options['cleanup.policy'] === 'MOVE')
      await mkdir(this.#options['finished.path'], { recursive: true })
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[]> {
    this.#reading ??= await this.#next()
    const reading = this.#reading
    if (!reading) {
      await pause(this.#context.clock, this.#options['empty.poll.wait.ms'], signal)
      return []
    }
    const max = this.#options['batch.size']
    while (this.#waiting.length < max && !reading.isEnded) await this.#readOn(reading)
    const given = this.#waiting.splice(0, max)
    const records: SourceRecord[] = []
    for (const item of given) {
      reading.count++
      if (reading.count > reading.skip) records.push(this.#record(item, reading))
    }
    this.#uncommitted.push({ reading, count: records.length })
    if (reading.isEnded && this.#waiting.length === 0) {
      this.#reading = undefined
      await reading.handle.close()
    }
    if (records.length === 0) this.commit(0)
    return records
  }

  commit(count: number): void {
    let left = count
    for (;;) {
      const [first] = this.#uncommitted
      if (!first || first.count > left) {
        if (first) first.count -= left
        return
      }
      left -= first.count
      this.#uncommitted.shift()
      const { reading } = first
      const isLast = reading !== this.#reading && this.#uncommitted[0]?.reading !== reading
      if (isLast) void this.#cleanUp(reading.name)
    }
  }

  async stop(): Promise<void> {
    await this.#reading?.handle.close().catch(() => {})
    this.#reading = undefined
  }

  async #next(): Promise<Reading | undefined> {
    const folder = this.#options['input.path']
    const pattern = new RegExp(`^(?:${this.#options['input.file.pattern']})$`, 'u')
    let names: string[]
    try {
      names = (await readdir(folder)).filter((name) => pattern.test(name)).sort()
      this.#note = undefined
    } catch {
      this.#note = `the folder ${folder} cannot be read`
      return undefined
    }
    const underWay = new Set(this.#uncommitted.map(({ reading }) => reading.name))
    for (const name of names) {
      const file = path.join(folder, name)
      const found = await stat(file).catch(() => undefined)
      if (!found?.isFile() || underWay.has(name) || this.#done.get(name) === found.mtimeMs) continue
      if (this.#context.clock.nowMs() - found.mtimeMs < this.#options['file.minimum.age.ms'])
        continue
      const handle = await open(file, 'r').catch(() => undefined)
      if (!handle) continue
      const modifiedMs = Math.floor(found.mtimeMs)
      const before = this.#context.readOffset(partitionOf(name))
      return {
        name,
        modifiedMs,
        handle,
        items: this.#makeReader(),
        decoder: new StringDecoder('utf8'),
        count: 0,
        skip: before?.modified === modifiedMs ? Number(before.offset ?? 0) : 0,
        isEnded: false,
      }
    }
    return undefined
  }

  async #readOn(reading: Reading): Promise<void> {
    const { bytesRead } = await reading.handle.read(this.#buffer, 0, readBytes, null)
    if (bytesRead > 0) {
      const text = reading.decoder.write(this.#buffer.subarray(0, bytesRead))
      this.#waiting.push(...reading.items.read(text))
      return
    }
    this.#waiting.push(...reading.items.read(reading.decoder.end()), ...reading.items.end())
    reading.isEnded = true
  }

  #record({ schema, value, raw, error }: Item, reading: Reading): SourceRecord {
    return {
      topic: this.#options.topic,
      partition: null,
      keySchema: undefined,
      key: null,
      valueSchema: schema,
      value,
      timestampMs: this.#context.clock.nowMs(),
      headers: [{ key: 'file.name', schema: stringSchema, value: reading.name }],
      sourcePartition: partitionOf(reading.name),
      sourceOffset: { offset: reading.count, modified: reading.modifiedMs },
      ...(raw ? { raw } : {}),
      ...(error ? { error } : {}),
    }
  }

  /** All of a file is in Kafka. Where cleaning up fails the file stays, and its offset says that it is done. */
  async #cleanUp(name: string): Promise<void> {
    const { logger, connector } = this.#context
    const file = path.join(this.#options['input.path'], name)
    try {
      const { mtimeMs } = await stat(file)
      this.#done.set(name, mtimeMs)
      const policy = this.#options['cleanup.policy']
      if (policy === 'DELETE') await rm(file)
      else if (policy === 'MOVE')
        await rename(file, path.join(this.#options['finished.path'], name))
      else return
      this.#done.delete(name)
    } catch (error) {
      logger.warn({ connector, file, err: error }, 'a file that is done could not be cleaned up')
    }
  }
}

const partitionOf = (name: string): ConnectObject => ({ fileName: name })
