import { atLeast } from '../../config/checks.ts'
import {
  boolean,
  type ConfigMap,
  ignored,
  int,
  list,
  long,
  string,
  unsupported,
} from '../../config/fields.ts'
import { ConfigSpec } from '../../config/spec.ts'
import { connectionFields } from './connection.ts'
import type { NumericMapping } from './database.ts'

const fields = {
  ...connectionFields,
  mode: string(
    'bulk: each time the whole table; incrementing: rows with a greater value of incrementing.column.name; timestamp: rows with a later one of timestamp.column.name; timestamp+incrementing: both, which finds changed rows and doubles none.',
    {
      choices: ['bulk', 'timestamp', 'incrementing', 'timestamp+incrementing'],
      importance: 'HIGH',
      isCaseIgnored: true,
    },
  ),
  'incrementing.column.name': string('A column that only grows.', { default: '' }),
  'timestamp.column.name': list(
    'Columns with the time of the last change; the first that is not null counts.',
    {
      default: [],
    },
  ),
  'timestamp.initial': long('Where to begin, in ms since the epoch; -1: now.', {
    default: 0,
    importance: 'LOW',
    check: atLeast(-1),
  }),
  'validate.non.null': boolean('Whether these columns have to be declared NOT NULL.', {
    default: true,
    importance: 'LOW',
  }),
  'table.whitelist': list('Tables to read.', { default: [] }),
  'table.blacklist': list('Tables not to read.', { default: [] }),
  'schema.pattern': string('The schema of the tables, as LIKE has patterns.', { optional: true }),
  'catalog.pattern': ignored('a connection sees one database'),
  'table.types': list('TABLE, VIEW.', { default: ['TABLE'], importance: 'LOW' }),
  query: string('A query in the place of tables; conditions of the mode are added as its WHERE.', {
    default: '',
  }),
  'query.suffix': string('What is added at the end of each query.', {
    default: '',
    importance: 'LOW',
  }),
  'topic.prefix': string('The topic is this and the name of the table; for a query this alone.', {
    importance: 'HIGH',
  }),
  'poll.interval.ms': int('How often each table is asked.', {
    default: 5_000,
    importance: 'HIGH',
    check: atLeast(1),
  }),
  'table.poll.interval.ms': long('How often is looked for new tables.', {
    default: 60_000,
    importance: 'LOW',
    check: atLeast(1),
  }),
  'batch.max.rows': int('The most rows of one batch.', {
    default: 100,
    importance: 'LOW',
    check: atLeast(1),
  }),
  'timestamp.delay.interval.ms': long(
    'How old a change has to be, so that transactions that began before it have ended.',
    { default: 0, check: atLeast(0) },
  ),
  'numeric.mapping': string('How NUMERIC comes: as Decimal (none), or as numbers where they fit.', {
    default: 'none',
    choices: ['none', 'precision_only', 'best_fit', 'best_fit_eager_double'],
    isCaseIgnored: true,
    importance: 'LOW',
  }),
  'numeric.precision.mapping': unsupported('use numeric.mapping=precision_only', 'false'),
  'timestamp.granularity': unsupported('timestamps other than connect_logical', 'connect_logical'),
  'transaction.isolation.mode': unsupported(
    'levels of isolation other than the database’s',
    'DEFAULT',
  ),
  'quote.sql.identifiers': string('Whether names are quoted.', {
    default: 'always',
    choices: ['always', 'never'],
    isCaseIgnored: true,
  }),
  'sql.quote.identifiers': boolean('Aiven’s name for quote.sql.identifiers.', { default: true }),
}
const spec = new ConfigSpec(fields, 'Mode')
export const sourceSpec: ConfigSpec = spec

/** The options of the source that its task reads. */
export interface SourceOptions {
  readonly mode: string
  readonly 'incrementing.column.name': string
  readonly 'timestamp.column.name': readonly string[]
  readonly 'timestamp.initial': number
  readonly 'validate.non.null': boolean
  readonly 'table.whitelist': readonly string[]
  readonly 'table.blacklist': readonly string[]
  readonly 'schema.pattern': string | undefined
  readonly 'table.types': readonly string[]
  readonly query: string
  readonly 'query.suffix': string
  readonly 'topic.prefix': string
  readonly 'poll.interval.ms': number
  readonly 'table.poll.interval.ms': number
  readonly 'batch.max.rows': number
  readonly 'timestamp.delay.interval.ms': number
  readonly 'numeric.mapping': NumericMapping
  readonly 'quote.sql.identifiers': string
  readonly 'sql.quote.identifiers': boolean
}

/** @throws ConnectError `CONNECT_CONFIG` */
export function sourceOptionsOf(config: ConfigMap): SourceOptions {
  const options = spec.parse(config)
  return { ...options, 'numeric.mapping': options['numeric.mapping'] as NumericMapping }
}

export function checkSource(config: ConfigMap): { option: string; error: string }[] {
  const options = sourceOptionsOf(config)
  const problems: { option: string; error: string }[] = []
  const { mode } = options
  if (mode.includes('incrementing') && options['incrementing.column.name'] === '')
    problems.push({
      option: 'incrementing.column.name',
      error: `mode ${mode} needs incrementing.column.name`,
    })
  if (mode.includes('timestamp') && options['timestamp.column.name'].length === 0)
    problems.push({
      option: 'timestamp.column.name',
      error: `mode ${mode} needs timestamp.column.name`,
    })
  const hasTables = options['table.whitelist'].length + options['table.blacklist'].length > 0
  if (options.query !== '' && hasTables)
    problems.push({
      option: 'query',
      error: 'query may not be combined with whole-table copying settings.',
    })
  if (options['table.whitelist'].length > 0 && options['table.blacklist'].length > 0)
    problems.push({
      option: 'table.blacklist',
      error: 'table.whitelist and table.blacklist are exclusive.',
    })
  const isSqlite = (config['connection.url'] ?? '').startsWith('jdbc:sqlite:')
  if (isSqlite && options['timestamp.delay.interval.ms'] > 0)
    problems.push({
      option: 'timestamp.delay.interval.ms',
      error: 'not supported yet with SQLite, where one transaction writes at a time',
    })
  return problems
}
