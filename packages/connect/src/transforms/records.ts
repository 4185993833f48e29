import { boolean, int, list, string } from '../config/fields.ts'
import { ConfigSpec } from '../config/spec.ts'
import { parseText } from '../converters/headers.ts'
import type { Header } from '../data/record.ts'
import type { ConnectValue } from '../data/schema.ts'
import { ConnectError } from '../errors.ts'
import { formatTime } from './time-format.ts'
import {
  bothSides,
  requireObject,
  sideSchema,
  sideValue,
  type TransformPlugin,
  withValue,
} from './transform.ts'

const inJava = (name: string): string => `org.apache.kafka.connect.transforms.${name}`

/** Java's regular expressions in JavaScript: `$1` and `${name}` mean the same in replacements. */
export function javaRegex(option: string, text: string): RegExp {
  try {
    return new RegExp(text.replaceAll(/\(\?<([a-zA-Z]\w*)>/g, '(?<$1>'), 'u')
  } catch (error) {
    throw new ConnectError(
      'CONNECT_CONFIG',
      `Invalid value ${text} for configuration ${option}: Invalid regex: ${(error as Error).message}`,
    )
  }
}

const regexRouterSpec = new ConfigSpec(
  {
    regex: string('Regular expression to use for matching.', { importance: 'HIGH' }),
    replacement: string('Replacement string.', { importance: 'HIGH' }),
  },
  'Transforms',
)

const regexRouter: TransformPlugin = {
  className: inJava('RegexRouter'),
  spec: regexRouterSpec,
  create(config) {
    const options = regexRouterSpec.parse(config)
    const regex = javaRegex('regex', options.regex)
    const replacement = options.replacement
      .replaceAll(/\$\{(\w+)\}/g, '$<$1>')
      .replaceAll('$0', '$&')
    return (record) => {
      // Java's matcher has to match the whole topic.
      const match = regex.exec(record.topic)
      if (!match || match[0].length !== record.topic.length) return record
      return { ...record, topic: record.topic.replace(regex, replacement) }
    }
  },
}

/** What stands for a value in a format string: `$`, then the name in braces. */
const placeholder = (name: string): string => `$\{${name}}`

const timestampRouterSpec = new ConfigSpec(
  {
    'topic.format': string(
      'Format string for the topic, with placeholders for topic and timestamp.',
      {
        default: `${placeholder('topic')}-${placeholder('timestamp')}`,
        importance: 'HIGH',
      },
    ),
    'timestamp.format': string('Format of the timestamp, as java.text.SimpleDateFormat has it.', {
      default: 'yyyyMMdd',
      importance: 'HIGH',
    }),
  },
  'Transforms',
)

const timestampRouter: TransformPlugin = {
  className: inJava('TimestampRouter'),
  spec: timestampRouterSpec,
  create(config) {
    const options = timestampRouterSpec.parse(config)
    return (record) => {
      if (record.timestampMs === null)
        throw new ConnectError('CONNECT_DATA', 'Timestamp missing on record: TimestampRouter')
      const timestamp = formatTime(options['timestamp.format'], record.timestampMs)
      return {
        ...record,
        topic: options['topic.format']
          .replaceAll(placeholder('topic'), () => record.topic)
          .replaceAll(placeholder('timestamp'), () => timestamp),
      }
    }
  },
}

const filter: TransformPlugin = {
  className: inJava('Filter'),
  spec: new ConfigSpec({}, 'Transforms'),
  create: () => () => null,
}

const dropHeadersSpec = new ConfigSpec(
  { headers: list('The name of the headers to be removed.', { importance: 'HIGH' }) },
  'Transforms',
)

const dropHeaders: TransformPlugin = {
  className: inJava('DropHeaders'),
  spec: dropHeadersSpec,
  create(config) {
    const names = new Set(dropHeadersSpec.parse(config).headers)
    return (record) => ({
      ...record,
      headers: record.headers.filter((header) => !names.has(header.key)),
    })
  },
}

const insertHeaderSpec = new ConfigSpec(
  {
    header: string('The name of the header.', { importance: 'HIGH' }),
    'value.literal': string('The literal value that is to be set as the header value.', {
      importance: 'HIGH',
    }),
  },
  'Transforms',
)

const insertHeader: TransformPlugin = {
  className: inJava('InsertHeader'),
  spec: insertHeaderSpec,
  create(config) {
    const options = insertHeaderSpec.parse(config)
    const header: Header = { key: options.header, ...parseText(options['value.literal']) }
    return (record) => ({ ...record, headers: [...record.headers, header] })
  },
}

const headerFromSpec = new ConfigSpec(
  {
    fields: list('Field names in the record whose values are to be copied or moved to headers.', {
      importance: 'HIGH',
    }),
    headers: list('Header names, in the same order as the field names.', { importance: 'HIGH' }),
    operation: string('Either move if the fields are to be moved to the headers, or copy.', {
      importance: 'HIGH',
      choices: ['move', 'copy'],
    }),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

const headerFrom = bothSides('HeaderFrom', headerFromSpec, (config, side) => {
  const { fields, headers, operation } = headerFromSpec.parse(config)
  if (fields.length !== headers.length)
    throw new ConnectError(
      'CONNECT_CONFIG',
      'fields config must have the same number of elements as headers config',
    )
  return (record) => {
    const value = requireObject(sideValue(record, side), 'header from')
    const schema = sideSchema(record, side)
    const added = fields.map((name, index): Header => {
      const fieldSchema = schema?.fields?.find((field) => field.name === name)?.schema
      return { key: headers[index]!, schema: fieldSchema, value: value[name] ?? null }
    })
    const moved = { ...record, headers: [...record.headers, ...added] }
    if (operation === 'copy') return moved
    const rest: Record<string, ConnectValue> = { ...value }
    for (const name of fields) delete rest[name]
    const restSchema = schema && {
      ...schema,
      fields: (schema.fields ?? []).filter((field) => !fields.includes(field.name)),
    }
    return withValue(moved, side, restSchema, rest)
  }
})

const schemaMetadataSpec = new ConfigSpec(
  {
    'schema.name': string('Schema name to set.', { optional: true, importance: 'HIGH' }),
    'schema.version': int('Schema version to set.', { optional: true, importance: 'HIGH' }),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

const setSchemaMetadata = bothSides('SetSchemaMetadata', schemaMetadataSpec, (config, side) => {
  const options = schemaMetadataSpec.parse(config)
  if (options['schema.name'] === undefined && options['schema.version'] === undefined)
    throw new ConnectError(
      'CONNECT_CONFIG',
      'Neither schema name nor version configured for SetSchemaMetadata',
    )
  return (record) => {
    const schema = sideSchema(record, side)
    const value = sideValue(record, side)
    if (!schema) {
      if (value === null) return record
      throw new ConnectError('CONNECT_DATA', 'Schema required for [updating schema metadata]')
    }
    const updated = {
      ...schema,
      ...(options['schema.name'] === undefined ? {} : { name: options['schema.name'] }),
      ...(options['schema.version'] === undefined ? {} : { version: options['schema.version'] }),
    }
    return withValue(record, side, updated, value)
  }
})

/** The transforms that route, drop, or change headers and schema names. */
export const recordTransforms: readonly TransformPlugin[] = [
  regexRouter,
  timestampRouter,
  filter,
  dropHeaders,
  insertHeader,
  ...headerFrom,
  ...setSchemaMetadata,
]
