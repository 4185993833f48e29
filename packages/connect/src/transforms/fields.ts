import { boolean, type ConfigMap, list, string } from '../config/fields.ts'
import { ConfigSpec } from '../config/spec.ts'
import type { ConnectRecord } from '../data/record.ts'
import {
  type ConnectValue,
  type Field,
  int32Schema,
  int64Schema,
  isObject,
  type Schema,
  stringSchema,
  timestampSchema,
} from '../data/schema.ts'
import { ConnectError, dataError } from '../errors.ts'
import {
  bothSides,
  perSchema,
  requireObject,
  type Side,
  sideSchema,
  sideValue,
  type Transform,
  type TransformPlugin,
  withValue,
} from './transform.ts'

const fieldSyntax = string(
  'Version of the grammar for naming fields: V1 (one level) or V2 (nested, KIP-821).',
  { default: 'V1', choices: ['V1', 'V2'] },
)

// HoistField

const hoistSpec = new ConfigSpec(
  { field: string('Field name for the single field that will be created.') },
  'Transforms',
)

function hoistField(config: ConfigMap, side: Side): Transform {
  const { field } = hoistSpec.parse(config)
  const hoisted = perSchema<Schema>((schema) => ({
    type: 'struct',
    fields: [{ name: field, schema }],
  }))
  return (record) => {
    const schema = sideSchema(record, side)
    return withValue(record, side, schema && hoisted(schema), { [field]: sideValue(record, side) })
  }
}

// ExtractField

const extractSpec = new ConfigSpec(
  {
    field: string('Field name to extract.'),
    'field.syntax.version': fieldSyntax,
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

function extractField(config: ConfigMap, side: Side): Transform {
  const options = extractSpec.parse(config)
  const path = pathOf(options.field, options['field.syntax.version'])
  return (record) => {
    const schema = sideSchema(record, side)
    const whole = sideValue(record, side)
    if (whole === null && schema === undefined) return withValue(record, side, undefined, null)
    if (schema === undefined)
      return withValue(
        record,
        side,
        undefined,
        valueAt(requireObject(whole, 'field extraction'), path),
      )
    const found = schemaAt(schema, path)
    if (!found) throw new ConnectError('CONNECT_CONFIG', `Unknown field: ${options.field}`)
    const value = whole === null ? null : valueAt(whole, path)
    return withValue(
      record,
      side,
      found,
      value === null && options['replace.null.with.default'] ? (found.default ?? null) : value,
    )
  }
}

/** `a.b` and `` `a.b`.c `` in V2; the whole text as one name in V1. */
function pathOf(text: string, syntax: string): readonly string[] {
  if (syntax === 'V1') return [text]
  return [...text.matchAll(/`([^`]*)`|([^.`]+)/g)].map((match) => match[1] ?? match[2] ?? '')
}

function valueAt(value: ConnectValue, path: readonly string[]): ConnectValue {
  let at: ConnectValue = value
  for (const step of path) {
    if (!isObject(at)) return null
    at = at[step] ?? null
  }
  return at
}

function schemaAt(schema: Schema, path: readonly string[]): Schema | undefined {
  let at: Schema | undefined = schema
  for (const step of path)
    at = at?.fields ? at.fields.find((field) => field.name === step)?.schema : at?.values
  return at
}

// ValueToKey

const valueToKeySpec = new ConfigSpec(
  {
    fields: list('Field names on the record value to extract as the record key.'),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

const valueToKey: TransformPlugin = {
  className: 'org.apache.kafka.connect.transforms.ValueToKey',
  spec: valueToKeySpec,
  create(config) {
    const { fields } = valueToKeySpec.parse(config)
    const keySchemaOf = perSchema<Schema>((schema) => ({
      type: 'struct',
      fields: fields.map((name) => fieldOf(schema, name)),
    }))
    return (record) => {
      const value = requireObject(record.value, 'copying fields from value to key')
      const key: Record<string, ConnectValue> = {}
      for (const name of fields) key[name] = value[name] ?? null
      return {
        ...record,
        keySchema: record.valueSchema && keySchemaOf(record.valueSchema),
        key,
      }
    }
  },
}

function fieldOf(schema: Schema, name: string): Field {
  const field = schema.fields?.find((item) => item.name === name)
  if (!field) throw dataError(`Field does not exist: ${name}`)
  return field
}

// InsertField

const insertFieldSpec = new ConfigSpec(
  {
    'topic.field': string('Field name for Kafka topic.', { optional: true }),
    'partition.field': string('Field name for Kafka partition.', { optional: true }),
    'offset.field': string('Field name for Kafka offset; only for sinks.', { optional: true }),
    'timestamp.field': string('Field name for record timestamp.', { optional: true }),
    'static.field': string('Field name for static data field.', { optional: true }),
    'static.value': string('Static field value, if field name configured.', { optional: true }),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

interface Insertion {
  readonly name: string
  readonly optional: boolean
  readonly schema: Schema
  readonly read: (record: ConnectRecord) => ConnectValue
}

function insertField(config: ConfigMap, side: Side): Transform {
  const options = insertFieldSpec.parse(config)
  const insertions: Insertion[] = []
  const insert = (
    name: string | undefined,
    schema: Schema,
    read: (record: ConnectRecord) => ConnectValue,
  ): void => {
    if (name === undefined) return
    // `name!` makes the field required, `name?` optional, which is the default.
    insertions.push({
      name: name.replace(/[!?]$/, ''),
      optional: !name.endsWith('!'),
      schema,
      read,
    })
  }
  insert(options['topic.field'], stringSchema, (record) => record.topic)
  insert(options['partition.field'], int32Schema, (record) => record.partition)
  insert(options['offset.field'], int64Schema, offsetOf)
  insert(options['timestamp.field'], timestampSchema, (record) =>
    record.timestampMs === null ? null : new Date(record.timestampMs),
  )
  const text = options['static.value']
  if (options['static.field'] !== undefined && text === undefined)
    throw new ConnectError('CONNECT_CONFIG', 'No value specified for static field: static.value')
  insert(options['static.field'], stringSchema, () => text ?? null)
  if (insertions.length === 0)
    throw new ConnectError('CONNECT_CONFIG', 'No field insertion configured')

  const extended = perSchema<Schema>((schema) => ({
    ...schema,
    fields: [
      ...(schema.fields ?? []),
      ...insertions.map((item) => ({
        name: item.name,
        schema: { ...item.schema, optional: item.optional },
      })),
    ],
  }))
  return (record) => {
    const value = sideValue(record, side)
    if (value === null) return record
    const schema = sideSchema(record, side)
    const result: Record<string, ConnectValue> = {
      ...requireObject(value, 'field insertion'),
    }
    for (const item of insertions) {
      const inserted = item.read(record)
      // Without a schema Java puts the timestamp as milliseconds.
      result[item.name] =
        inserted instanceof Date && schema === undefined ? inserted.getTime() : inserted
    }
    return withValue(record, side, schema && extended(schema), result)
  }
}

function offsetOf(record: ConnectRecord): ConnectValue {
  if ('origin' in record) return (record as { origin: { offset: number } }).origin.offset
  throw dataError(
    'Offset insertion is only supported for sink connectors, record is not a SinkRecord',
  )
}

// ReplaceField

const replaceFieldSpec = new ConfigSpec(
  {
    exclude: list('Fields to exclude. This takes precedence over the fields to include.', {
      default: [],
    }),
    include: list('Fields to include. If specified, only these fields will be used.', {
      default: [],
    }),
    renames: list('Field rename mappings: `old:new`.', {
      default: [],
      check: (items) =>
        items.every((item) => item.split(':').length === 2)
          ? undefined
          : 'Invalid rename mapping: expected old:new',
    }),
    blacklist: list('Former name of exclude.', { default: [], importance: 'LOW' }),
    whitelist: list('Former name of include.', { default: [], importance: 'LOW' }),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

function replaceField(config: ConfigMap, side: Side): Transform {
  const options = replaceFieldSpec.parse(config)
  const exclude = new Set([...options.exclude, ...options.blacklist])
  const include = new Set([...options.include, ...options.whitelist])
  const renames = new Map(options.renames.map((item) => item.split(':') as [string, string]))
  const keeps = (name: string): boolean =>
    !exclude.has(name) && (include.size === 0 || include.has(name))
  const narrowed = perSchema<Schema>((schema) => ({
    ...schema,
    fields: (schema.fields ?? [])
      .filter((field) => keeps(field.name))
      .map((field) => ({ name: renames.get(field.name) ?? field.name, schema: field.schema })),
  }))
  return (record) => {
    const value = sideValue(record, side)
    if (value === null) return record
    const result: Record<string, ConnectValue> = {}
    for (const [name, item] of Object.entries(requireObject(value, 'field replacement')))
      if (keeps(name)) result[renames.get(name) ?? name] = item
    const schema = sideSchema(record, side)
    return withValue(record, side, schema && narrowed(schema), result)
  }
}

// MaskField

const maskFieldSpec = new ConfigSpec(
  {
    fields: list('Names of fields to mask.', { importance: 'HIGH' }),
    replacement: string('Custom value replacement, applied to all fields (numbers and strings).', {
      optional: true,
      importance: 'LOW',
    }),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

function maskField(config: ConfigMap, side: Side): Transform {
  const options = maskFieldSpec.parse(config)
  return (record) => {
    const value = sideValue(record, side)
    if (value === null) return record
    const result: Record<string, ConnectValue> = { ...requireObject(value, 'mask fields') }
    for (const name of options.fields)
      if (name in result) result[name] = masked(result[name] ?? null, options.replacement)
    return withValue(record, side, sideSchema(record, side), result)
  }
}

function masked(value: ConnectValue, replacement: string | undefined): ConnectValue {
  if (replacement !== undefined) {
    if (typeof value === 'string') return replacement
    if (
      (typeof value === 'number' || typeof value === 'bigint') &&
      !Number.isNaN(Number(replacement))
    )
      return Number(replacement)
    throw dataError(`Cannot mask value of type ${typeof value} with custom replacement.`)
  }
  switch (typeof value) {
    case 'string':
      return ''
    case 'boolean':
      return false
    case 'number':
    case 'bigint':
      return 0
  }
  if (value instanceof Date) return new Date(0)
  if (Array.isArray(value)) return []
  if (value === null) return null
  if (value instanceof Uint8Array) throw dataError('Cannot mask value of type: [B')
  return {}
}

// Flatten

const flattenSpec = new ConfigSpec(
  { delimiter: string('Delimiter to insert between field names.', { default: '.' }) },
  'Transforms',
)

function flatten(config: ConfigMap, side: Side): Transform {
  const { delimiter } = flattenSpec.parse(config)
  const flattened = perSchema<Schema>((schema) => ({
    ...schema,
    fields: flatFields(schema, '', delimiter, schema.optional ?? false),
  }))
  return (record) => {
    const value = sideValue(record, side)
    if (value === null) return record
    const result: Record<string, ConnectValue> = {}
    const schema = sideSchema(record, side)
    flattenInto(result, requireObject(value, 'flattening'), schema, '', delimiter)
    return withValue(record, side, schema && flattened(schema), result)
  }
}

function flattenInto(
  result: Record<string, ConnectValue>,
  value: ConnectValue,
  schema: Schema | undefined,
  prefix: string,
  delimiter: string,
): void {
  const entries: [string, ConnectValue, Schema | undefined][] =
    schema?.fields?.map((field) => [
      field.name,
      (isObject(value) ? value[field.name] : null) ?? null,
      field.schema,
    ]) ??
    Object.entries(value as Record<string, ConnectValue>).map(([name, item]) => [
      name,
      item,
      undefined,
    ])
  for (const [name, item, itemSchema] of entries) {
    const fullName = prefix === '' ? name : prefix + delimiter + name
    const nested = itemSchema ? itemSchema.type === 'struct' : isObject(item)
    if (nested) flattenInto(result, item, itemSchema, fullName, delimiter)
    else result[fullName] = item
  }
}

function flatFields(schema: Schema, prefix: string, delimiter: string, optional: boolean): Field[] {
  return (schema.fields ?? []).flatMap((field) => {
    const name = prefix === '' ? field.name : prefix + delimiter + field.name
    const isOptional = optional || (field.schema.optional ?? false)
    return field.schema.type === 'struct'
      ? flatFields(field.schema, name, delimiter, isOptional)
      : [{ name, schema: isOptional ? { ...field.schema, optional: true } : field.schema }]
  })
}

/** The transforms that work on the fields of a key or value. */
export const fieldTransforms: readonly TransformPlugin[] = [
  ...bothSides('HoistField', hoistSpec, hoistField),
  ...bothSides('ExtractField', extractSpec, extractField),
  valueToKey,
  ...bothSides('InsertField', insertFieldSpec, insertField),
  ...bothSides('ReplaceField', replaceFieldSpec, replaceField),
  ...bothSides('MaskField', maskFieldSpec, maskField),
  ...bothSides('Flatten', flattenSpec, flatten),
]
