import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import path from 'node:path'
import { atLeast } from '../../config/checks.ts'
import { boolean, type ConfigMap, int, list, string } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import { toJson } from '../../converters/json.ts'
import type { SinkRecord } from '../../data/record.ts'
import { type ConnectValue, isObject, type Schema } from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { SinkPlugin, SinkTask, SinkTaskContext } from '../../plugin.ts'
import { csvField } from './csv.ts'

const fieldNames = ['key', 'value', 'offset', 'timestamp']

const fields = {
  directory: string('The folder that files are written to.', {
    importance: 'HIGH',
    check: (text) => (text === '' ? 'String must be non-empty' : undefined),
  }),
  'format.output.type': string('jsonl: a JSON value a line; csv: with a header.', {
    default: 'jsonl',
    choices: ['jsonl', 'csv'],
  }),
  'format.output.fields': list('What of a record is written: key, value, offset, timestamp.', {
    default: ['value'],
    check: (names) => {
      const unknown = names.find((name) => !fieldNames.includes(name))
      return unknown === undefined ? undefined : `${unknown} is none of ${fieldNames.join(', ')}`
    },
  }),
  'format.output.envelope': boolean(
    'Whether jsonl has an object of the fields; without it the value alone.',
    { default: true },
  ),
  'file.max.records': int('The most records of one file.', {
    default: 100_000,
    check: atLeast(1),
  }),
}
const spec = new ConfigSpec(fields, 'File')

/** Files of CSV or JSON lines in a folder, `TOPIC-PARTITION-OFFSET` by their first record. */
export const folderSink: SinkPlugin = {
  kind: 'sink',
  className: 'io.khlong.connect.file.DirectorySinkConnector',
  version: '0.1.0',
  spec,
  taskCount: (_config, tasksMax) => tasksMax,
  describe: (config) => [`file:${config.directory ?? ''}`],
  createTask: (config, context) => new FolderSinkTask(config, context),
}

/** A file that is being written, under a name that nobody takes for a whole one. */
interface OpenFile {
  readonly handle: FileHandle
  readonly path: string
  readonly header: readonly string[]
  count: number
}

/**
 * Invariant: a file has its own name when it is whole and on the disk, before offsets are committed. A
 * repetition begins at the offset where a file began, and writes it over.
 */
class FolderSinkTask implements SinkTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SinkTaskContext
  readonly #open = new Map<string, OpenFile>()

  constructor(config: ConfigMap, context: SinkTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
  }

  async start(): Promise<void> {
    await mkdir(this.#options.directory, { recursive: true })
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const texts = new Map<string, string>()
    for (const record of records) {
      const place = `${record.origin.topic}-${record.origin.partition}`
      let row: readonly (readonly [name: string, text: string])[]
      try {
        row = this.#row(record)
      } catch (error) {
        this.#context.reportErrant(record, error as Error)
        continue
      }
      let file = this.#open.get(place)
      const isFull = file && file.count >= this.#options['file.max.records']
      const differs = file && file.header.join('\0') !== row.map(([name]) => name).join('\0')
      if (file && (isFull || differs)) {
        await append(file, texts.get(place))
        texts.delete(place)
        await this.#finish(place, file)
        file = undefined
      }
      if (!file) {
        file = await this.#begin(place, record.origin.offset, row)
        this.#open.set(place, file)
      }
      file.count++
      const line = this.#options['format.output.type'] === 'csv' ? csvLine(row) : row[0]![1]
      texts.set(place, `${texts.get(place) ?? ''}${line}\n`)
    }
    for (const [place, text] of texts) await append(this.#open.get(place)!, text)
  }

  async flush(): Promise<void> {
    for (const [place, file] of this.#open) await this.#finish(place, file)
  }

  async stop(): Promise<void> {
    for (const file of this.#open.values()) await file.handle.close()
    this.#open.clear()
  }

  async #begin(
    place: string,
    offset: number,
    row: readonly (readonly [string, string])[],
  ): Promise<OpenFile> {
    const type = this.#options['format.output.type']
    // Topics have none of the characters that a path would mind, but for a name of dots alone.
    const name = `${place}-${String(offset).padStart(20, '0')}.${type}`
    const file = path.join(this.#options.directory, name)
    const handle = await open(`${file}.tmp`, 'w')
    const header = row.map(([field]) => field)
    if (type === 'csv')
      await handle.appendFile(`${header.map((field) => csvField(field, csv)).join(',')}\n`)
    return { handle, path: file, header, count: 0 }
  }

  async #finish(place: string, file: OpenFile): Promise<void> {
    this.#open.delete(place)
    await file.handle.sync()
    await file.handle.close()
    await rename(`${file.path}.tmp`, file.path)
  }

  /** The columns of a record; for jsonl one, with the whole line. */
  #row(record: SinkRecord): (readonly [name: string, text: string])[] {
    const { key, keySchema, value, valueSchema, origin } = record
    const all: Record<string, unknown> = {
      key: toJson(keySchema, key),
      value: toJson(valueSchema, value),
      offset: origin.offset,
      timestamp: origin.timestamp < 0 ? null : new Date(origin.timestamp).toISOString(),
    }
    const names = this.#options['format.output.fields']
    if (this.#options['format.output.type'] === 'jsonl') {
      const [only] = names
      const line =
        this.#options['format.output.envelope'] || names.length !== 1
          ? Object.fromEntries(names.map((name) => [name, all[name]]))
          : all[only!]
      return [['line', JSON.stringify(line) ?? 'null']]
    }
    return names.flatMap((name) =>
      name === 'value' ? cellsOf(value, valueSchema) : [[name, cellText(all[name])] as const],
    )
  }
}

const csv = { separator: ',', quote: '"' }

const csvLine = (row: readonly (readonly [string, string])[]): string =>
  row.map(([, text]) => (text === '' ? '' : csvField(text, csv))).join(',')

/** The fields of a value as columns; one column for what is no object. */
function cellsOf(value: ConnectValue, schema: Schema | undefined): (readonly [string, string])[] {
  if (value === null)
    throw new ConnectError('CONNECT_DATA', 'a record without a value is no row of a CSV file')
  const json = toJson(schema, value)
  if (!isObject(value)) return [['value', cellText(json)]]
  return Object.entries(json as Record<string, unknown>).map(([name, item]) => [
    name,
    cellText(item),
  ])
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

async function append(file: OpenFile, text: string | undefined): Promise<void> {
  if (text !== undefined) await file.handle.appendFile(text)
}
