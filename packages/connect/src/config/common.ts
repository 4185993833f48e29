import { atLeast, regularExpression } from './checks.ts'
import {
  boolean,
  type ConfigField,
  className,
  int,
  list,
  long,
  string,
  unsupported,
} from './fields.ts'
import { ConfigSpec, type ConfigValues } from './spec.ts'

const low = { importance: 'LOW' } as const
const errors = { group: 'Error Handling' } as const

/** Options that every connector has. */
export const commonFields: {
  readonly name: ConfigField<string>
  readonly 'connector.class': ConfigField<string>
  readonly 'tasks.max': ConfigField<number>
  readonly 'errors.retry.timeout': ConfigField<number>
  readonly 'errors.retry.delay.max.ms': ConfigField<number>
  readonly 'errors.tolerance': ConfigField<string>
  readonly 'errors.log.enable': ConfigField<boolean>
  readonly 'errors.log.include.messages': ConfigField<boolean>
  readonly 'errors.deadletterqueue.topic.name': ConfigField<string>
  readonly 'errors.deadletterqueue.topic.replication.factor': ConfigField<number>
  readonly 'errors.deadletterqueue.context.headers.enable': ConfigField<boolean>
  readonly [name: string]: ConfigField<unknown>
} = {
  name: string('Globally unique name to use for this connector.', {
    importance: 'HIGH',
    check: (text) => (text === '' ? 'String must be non-empty' : undefined),
  }),
  'connector.class': string(
    'Name or alias of the class for this connector: its full Java name, or the last part of it with or without "Connector".',
    { importance: 'HIGH' },
  ),
  'connector.plugin.version': string('Version of the connector.', { optional: true }),
  'tasks.max': int('Maximum number of tasks to use for this connector.', {
    default: 1,
    importance: 'HIGH',
    check: atLeast(1),
  }),
  'tasks.max.enforce': boolean('(Deprecated) Whether to enforce tasks.max.', {
    default: true,
    ...low,
  }),
  'key.converter': className('Converter of keys; the default is the worker’s.', {
    optional: true,
    ...low,
  }),
  'key.converter.plugin.version': string('Version of the converter.', { optional: true, ...low }),
  'value.converter': className('Converter of values; the default is the worker’s.', {
    optional: true,
    ...low,
  }),
  'value.converter.plugin.version': string('Version of the converter.', {
    optional: true,
    ...low,
  }),
  'header.converter': className('Converter of headers; the default is the worker’s.', {
    optional: true,
    ...low,
  }),
  'header.converter.plugin.version': string('Version of the converter.', {
    optional: true,
    ...low,
  }),
  transforms: list('Aliases for the transformations to be applied to records.', {
    default: [],
    ...low,
    group: 'Transforms',
  }),
  predicates: list('Aliases for the predicates used by transformations.', {
    default: [],
    ...low,
    group: 'Predicates',
  }),
  'config.action.reload': string('What to do when a config provider’s value changes.', {
    default: 'restart',
    choices: ['none', 'restart'],
    ...low,
  }),
  'errors.retry.timeout': long(
    'How long a failed operation of a converter or transform is tried again, in ms; -1 for ever. Reaching a source, a target or Kafka is tried again in any case.',
    { default: 0, ...errors },
  ),
  'errors.retry.delay.max.ms': long('The longest wait between two attempts.', {
    default: 60_000,
    ...errors,
  }),
  'errors.tolerance': string(
    'none: any error fails the task. all: records in error are skipped, or go to the dead letter topic.',
    { default: 'none', choices: ['none', 'all'], ...errors },
  ),
  'errors.log.enable': boolean('Whether each record in error is logged, tolerated or not.', {
    default: false,
    ...errors,
  }),
  'errors.log.include.messages': boolean(
    'Whether the log names topic, partition, offset and time of the record. Payloads are never logged.',
    { default: false, ...errors },
  ),
  'errors.deadletterqueue.topic.name': string(
    'The topic for records in error. On sources too, which is an extension of ours.',
    { default: '', ...errors },
  ),
  'errors.deadletterqueue.topic.replication.factor': int(
    'Replication factor of the dead letter topic when it is made; 3, as in Java, becomes the broker’s default where there are fewer brokers.',
    { default: 3, ...errors },
  ),
  'errors.deadletterqueue.context.headers.enable': boolean(
    'Whether dead letters carry the reason in headers that begin with __connect.errors.',
    { default: false, ...errors },
  ),
}

const exactlyOnceGroup = { group: 'Exactly Once Support' } as const

const sourceFields = {
  'topic.creation.groups': unsupported(
    'groups of topics to create; topics get the broker’s defaults',
  ),
  'topic.creation.default.partitions': int(
    'Partitions of topics that are made; -1: the broker’s default.',
    {
      default: -1,
      group: 'Topic Creation',
    },
  ),
  'topic.creation.default.replication.factor': int(
    'Replication factor of topics that are made; -1: the broker’s default.',
    { default: -1, group: 'Topic Creation' },
  ),
  'exactly.once.support': string(
    'required: the connector is refused where the worker, or what it reads from, gives no exactly-once. requested: it runs in any case.',
    {
      default: 'requested',
      choices: ['required', 'requested'],
      isCaseIgnored: true,
      ...exactlyOnceGroup,
    },
  ),
  'transaction.boundary': string(
    'When transactions of a source end, where the worker has exactly.once.source.support: with each batch that is polled, after transaction.boundary.interval.ms, or where the connector says.',
    {
      default: 'poll',
      choices: ['interval', 'poll', 'connector'],
      isCaseIgnored: true,
      ...exactlyOnceGroup,
    },
  ),
  'transaction.boundary.interval.ms': int(
    'How long a transaction lasts with transaction.boundary=interval; default: the worker’s offset.flush.interval.ms.',
    {
      optional: true,
      ...low,
      ...exactlyOnceGroup,
      check: atLeast(0),
    },
  ),
  'offsets.storage.topic': string(
    'An offsets topic of this connector’s own, which is made where it is missing; default: that of the workers.',
    {
      optional: true,
      ...low,
      check: (value) => (value === '' ? 'String must be non-empty' : undefined),
    },
  ),
}

const sinkFields = {
  topics: list('Topics to consume, separated by commas.', { default: [], importance: 'HIGH' }),
  'topics.regex': string('Regular expression giving topics to consume.', {
    default: '',
    importance: 'HIGH',
    check: regularExpression,
  }),
}

export const commonSpec: ConfigSpec<typeof commonFields> = new ConfigSpec(commonFields, 'Common')

/** The common options of sources and of sinks. */
export const kindSpecs: { readonly source: ConfigSpec; readonly sink: ConfigSpec } = {
  source: new ConfigSpec({ ...commonFields, ...sourceFields }, 'Common'),
  sink: new ConfigSpec({ ...commonFields, ...sinkFields }, 'Common'),
}

export type CommonValues = ConfigValues<typeof commonFields>

/** Options that hand settings on to a client of this connector alone, and to parts of it. */
export const commonPrefixes: readonly string[] = [
  'producer.override.',
  'consumer.override.',
  'key.converter.',
  'value.converter.',
  'header.converter.',
  'transforms.',
  'predicates.',
]

/** Older files give converter options without a side; Java ignores them. */
export const strayOptions: ReadonlySet<string> = new Set(['converter.encoding'])
