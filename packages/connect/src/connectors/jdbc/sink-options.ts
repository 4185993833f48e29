import { atLeast } from '../../config/checks.ts'
import { boolean, type ConfigMap, ignored, int, list, string } from '../../config/fields.ts'
import { ConfigSpec } from '../../config/spec.ts'
import { connectionFields } from './connection.ts'

const fields = {
  ...connectionFields,
  'insert.mode': string(
    'insert; upsert: what is there under the same key is changed; update: only what is there; multi: as insert.',
    { default: 'insert', choices: ['insert', 'upsert', 'update', 'multi'], isCaseIgnored: true },
  ),
  'pk.mode': string(
    'Where the key comes from: none; kafka: topic, partition and offset; record_key; record_value.',
    {
      default: 'none',
      choices: ['none', 'kafka', 'record_key', 'record_value'],
      isCaseIgnored: true,
      importance: 'HIGH',
    },
  ),
  'pk.fields': list(
    'Fields of the key. For kafka three names (default __connect_topic, __connect_partition, __connect_offset); for record_key one name where the key is a plain value; empty: all fields.',
    { default: [] },
  ),
  'delete.enabled': boolean('Whether a record without a value deletes; needs pk.mode=record_key.', {
    default: false,
  }),
  'batch.size': int('The most rows of one statement.', { default: 3000, check: atLeast(1) }),
  'table.name.format': string(
    'The table for a topic, whose name stands in the place of the word topic in its braces.',
    {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder of the option
      default: '${topic}',
      check: (text) => (text === '' ? 'String must be non-empty' : undefined),
    },
  ),
  'table.name.normalize': boolean(
    'Aiven’s: whether all but letters, digits and _ in table names becomes _.',
    { default: false },
  ),
  'topics.to.tables.mapping': list('Aiven’s: topic:table, separated by commas.', { default: [] }),
  'fields.whitelist': list('Fields of the value that become columns; empty: all.', { default: [] }),
  'auto.create': boolean('Whether missing tables are made.', { default: false }),
  'auto.evolve': boolean('Whether missing columns are added.', { default: false }),
  'quote.sql.identifiers': string('Whether names are quoted.', {
    default: 'always',
    choices: ['always', 'never'],
    isCaseIgnored: true,
  }),
  'sql.quote.identifiers': boolean('Aiven’s name for quote.sql.identifiers.', { default: true }),
  'table.types': list('What may be written to.', { default: ['TABLE'], importance: 'LOW' }),
  'max.retries': ignored('a database that is away is tried again for as long as the task runs'),
  'retry.backoff.ms': ignored('the waits between attempts grow from 300 ms to 10 s'),
  'trim.sensitive.log': ignored('values are never logged'),
  'mssql.use.merge.holdlock': ignored('it is for SQL Server'),
  'date.timezone': ignored('dates and times are in UTC'),
}

const spec = new ConfigSpec(fields, 'Writes')
export const sinkSpec: ConfigSpec = spec

/** The options of the sink that its task reads. */
export interface SinkOptions {
  readonly 'insert.mode': string
  readonly 'pk.mode': string
  readonly 'pk.fields': readonly string[]
  readonly 'delete.enabled': boolean
  readonly 'batch.size': number
  readonly 'table.name.format': string
  readonly 'table.name.normalize': boolean
  readonly 'topics.to.tables.mapping': readonly string[]
  readonly 'fields.whitelist': readonly string[]
  readonly 'auto.create': boolean
  readonly 'auto.evolve': boolean
  readonly 'quote.sql.identifiers': string
  readonly 'sql.quote.identifiers': boolean
}

/** @throws ConnectError `CONNECT_CONFIG` */
export const sinkOptionsOf = (config: ConfigMap): SinkOptions => spec.parse(config)

export type PkMode = 'none' | 'kafka' | 'record_key' | 'record_value'

export function checkSink(config: ConfigMap): { option: string; error: string }[] {
  const options = sinkOptionsOf(config)
  const mode = options['pk.mode'] as PkMode
  const keyed = ['upsert', 'update'].includes(options['insert.mode'])
  const problems: { option: string; error: string }[] = []
  if (keyed && mode === 'none')
    problems.push({
      option: 'pk.mode',
      error: `Primary key mode must not be 'none' when insert.mode is '${options['insert.mode']}'`,
    })
  if (options['delete.enabled'] && mode !== 'record_key')
    problems.push({
      option: 'delete.enabled',
      error: "Deletes are only supported for pk.mode record_key, see 'pk.mode'",
    })
  const count = options['pk.fields'].length
  if (mode === 'kafka' && count !== 0 && count !== 3)
    problems.push({
      option: 'pk.fields',
      error: `pk.mode=kafka takes no names or exactly three, and there are ${count}`,
    })
  for (const item of options['topics.to.tables.mapping'])
    if (!/^[^:]+:[^:]+$/.test(item))
      problems.push({ option: 'topics.to.tables.mapping', error: `${item} is no topic:table` })
  return problems
}
