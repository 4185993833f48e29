import type { SinkRecord } from '../../data/record.ts'
import { type ConnectObject, type ConnectValue, isObject, type Schema } from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { TableName } from './database.ts'
import type { PkMode, SinkOptions } from './sink-options.ts'
import { schemaOf } from './values.ts'

export interface Cell {
  readonly name: string
  readonly schema: Schema
  readonly value: ConnectValue
}

/** What one record does to its table. */
export interface RowChange {
  readonly record: SinkRecord
  readonly table: TableName
  readonly kind: 'write' | 'delete'
  readonly keys: readonly Cell[]
  /** Columns that are no keys. */
  readonly others: readonly Cell[]
}

const kafkaKeys = ['__connect_topic', '__connect_partition', '__connect_offset'] as const
const text: Schema = { type: 'string' }
const int32: Schema = { type: 'int32' }
const int64: Schema = { type: 'int64' }

/** Tells what a record does, by the options of the sink. @throws ConnectError `CONNECT_DATA` */
export class RowReader {
  readonly #options: SinkOptions
  readonly #mode: PkMode
  readonly #whitelist: ReadonlySet<string> | undefined
  readonly #tables: ReadonlyMap<string, string>

  constructor(options: SinkOptions) {
    this.#options = options
    this.#mode = options['pk.mode'] as PkMode
    const whitelist = options['fields.whitelist']
    this.#whitelist = whitelist.length === 0 ? undefined : new Set(whitelist)
    this.#tables = new Map(
      options['topics.to.tables.mapping'].map((item) => item.split(':') as [string, string]),
    )
  }

  read(record: SinkRecord): RowChange {
    const table = this.#tableOf(record.topic)
    if (record.value === null) {
      if (!this.#options['delete.enabled'])
        throw new ConnectError(
          'CONNECT_DATA',
          `the sink is configured with 'delete.enabled=false' and 'pk.mode=${this.#mode}' and therefore requires records with a value, but found record at (${placeOf(record)}) with a null value`,
        )
      return { record, table, kind: 'delete', keys: this.#keys(record, {}), others: [] }
    }
    if (!isObject(record.value))
      throw new ConnectError(
        'CONNECT_DATA',
        `the sink writes records whose value is a Struct or a JSON object, but found record at (${placeOf(record)}) with another value; a converter or HoistField may help`,
      )
    const { value } = record
    const keys = this.#keys(record, value)
    const keyNames = new Set(keys.map(({ name }) => name))
    const others = cellsOf(value, record.valueSchema).filter(
      ({ name }) => !keyNames.has(name) && (this.#whitelist?.has(name) ?? true),
    )
    if (keys.length + others.length === 0)
      throw new ConnectError('CONNECT_DATA', `No fields found for table ${table.name}`)
    return { record, table, kind: 'write', keys, others }
  }

  #tableOf(topic: string): TableName {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder of the option
    const formatted = this.#options['table.name.format'].replaceAll('${topic}', topic)
    const full = this.#tables.get(topic) ?? formatted
    const normal = this.#options['table.name.normalize'] ? full.replaceAll(/[^\w.]/g, '_') : full
    // A topic may have dots in its name; only what the format itself has of them parts a schema.
    const [schema, ...rest] = normal.split('.')
    const hasSchema =
      this.#tables.has(topic) || this.#options['table.name.format'].includes('.')
        ? rest.length > 0
        : false
    return hasSchema
      ? { schema: schema!, name: rest.join('.') }
      : { schema: undefined, name: normal }
  }

  #keys(record: SinkRecord, value: ConnectObject): readonly Cell[] {
    const names = this.#options['pk.fields']
    switch (this.#mode) {
      case 'none':
        return []
      case 'kafka': {
        const [topic, partition, offset] = names.length === 3 ? names : kafkaKeys
        const { origin } = record
        return [
          { name: topic!, schema: text, value: origin.topic },
          { name: partition!, schema: int32, value: origin.partition },
          { name: offset!, schema: int64, value: origin.offset },
        ]
      }
      case 'record_key':
        return keysOf(record.key, record.keySchema, names, record)
      case 'record_value':
        return pick(cellsOf(value, record.valueSchema), names, 'value', record)
    }
  }
}

function keysOf(
  key: ConnectValue,
  schema: Schema | undefined,
  names: readonly string[],
  record: SinkRecord,
): readonly Cell[] {
  if (key === null)
    throw new ConnectError(
      'CONNECT_DATA',
      `PK mode is record_key, but the record at (${placeOf(record)}) has no key`,
    )
  if (isObject(key)) return pick(cellsOf(key, schema), names, 'key', record)
  if (names.length !== 1)
    throw new ConnectError(
      'CONNECT_DATA',
      `Need exactly one PK column defined since the key schema for records is a primitive type, defined columns are: [${names.join(', ')}]`,
    )
  const name = names[0]!
  return [
    { name, schema: { ...(schema ?? schemaOf(key, 'the key')), optional: false }, value: key },
  ]
}

function pick(
  cells: readonly Cell[],
  names: readonly string[],
  where: 'key' | 'value',
  record: SinkRecord,
): readonly Cell[] {
  if (names.length === 0) return cells
  return names.map((name) => {
    const cell = cells.find((one) => one.name === name)
    if (cell) return cell
    throw new ConnectError(
      'CONNECT_DATA',
      `PK mode is record_${where} with configured PK fields [${names.join(', ')}], but the ${where} of the record at (${placeOf(record)}) does not contain field: ${name}`,
    )
  })
}

/** The fields of a Struct, or of an object without a schema. */
function cellsOf(value: ConnectObject, schema: Schema | undefined): Cell[] {
  if (schema?.fields)
    return schema.fields.map(({ name, schema: own }) => ({
      name,
      schema: own,
      value: value[name] ?? own.default ?? null,
    }))
  return Object.entries(value).map(([name, item]) => ({
    name,
    schema: schemaOf(item, `field ${name}`),
    value: item,
  }))
}

const placeOf = ({ origin }: SinkRecord): string =>
  `topic='${origin.topic}',partition=${origin.partition},offset=${origin.offset}`
