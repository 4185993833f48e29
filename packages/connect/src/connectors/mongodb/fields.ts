import { atLeast } from '../../config/checks.ts'
import {
  boolean,
  type ConfigField,
  className,
  ignored,
  int,
  list,
  password,
  string,
  unsupported,
} from '../../config/fields.ts'
import { idStrategies, idStrategyNames } from './id-strategy.ts'
import { objectsIn, patternsOf, postProcessorNames } from './post-processors.ts'
import { writeModelNames, writeModels } from './write-model.ts'

const group = 'Connection'

const encryption = unsupported('client-side field level encryption', 'false', '')
const oldRetry = ignored(
  'a write that fails for a reason that may pass is tried again until it succeeds',
)
const ssl = unsupported('key stores by path; put tls options into connection.uri', '')
const projectionType = string(
  'none, AllowList or BlockList; it counts where the chain has a projector.',
  {
    default: 'none',
    choices: ['none', 'allowlist', 'blocklist'],
    isCaseIgnored: true,
    importance: 'LOW',
  },
)
const projectionList = list('Paths of fields; * stands for one name, ** for any number of names.', {
  default: [],
  importance: 'LOW',
})
const server = ignored('the server decides, not its API version')
const cdc = unsupported('handlers of change data capture', '')
const timeSeries = unsupported(
  'making time-series collections; make the collection before',
  'false',
  '0',
)

function problemOf(read: () => unknown): string | undefined {
  try {
    read()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** The options of MongoDB's sink connector, 1.2 to 1.16. */
export const fields: {
  readonly 'connection.uri': ConfigField<string>
  readonly database: ConfigField<string>
  readonly collection: ConfigField<string>
  readonly 'document.id.strategy': ConfigField<string>
  readonly 'document.id.strategy.overwrite.existing': ConfigField<boolean>
  readonly 'document.id.strategy.uuid.format': ConfigField<string>
  readonly 'document.id.strategy.partial.key.projection.list': ConfigField<readonly string[]>
  readonly 'document.id.strategy.partial.key.projection.type': ConfigField<string>
  readonly 'document.id.strategy.partial.value.projection.list': ConfigField<readonly string[]>
  readonly 'document.id.strategy.partial.value.projection.type': ConfigField<string>
  readonly 'writemodel.strategy': ConfigField<string>
  readonly 'post.processor.chain': ConfigField<readonly string[]>
  readonly 'key.projection.type': ConfigField<string>
  readonly 'key.projection.list': ConfigField<readonly string[]>
  readonly 'value.projection.type': ConfigField<string>
  readonly 'value.projection.list': ConfigField<readonly string[]>
  readonly 'field.renamer.mapping': ConfigField<string>
  readonly 'field.renamer.regexp': ConfigField<string>
  readonly 'delete.writemodel.strategy': ConfigField<string>
  readonly 'max.batch.size': ConfigField<number>
  readonly 'bulk.write.ordered': ConfigField<boolean>
  readonly 'delete.on.null.values': ConfigField<boolean>
  readonly 'mongo.errors.tolerance': ConfigField<string | undefined>
  readonly 'mongo.errors.log.enable': ConfigField<string | undefined>
  readonly 'retries.defer.timeout': ConfigField<number>
  readonly [name: string]: ConfigField<unknown>
} = {
  'connection.uri': password('The connection URI as supported by the official drivers.', {
    default: 'mongodb://localhost:27017',
    importance: 'HIGH',
    group,
    check: (text) =>
      /^mongodb(\+srv)?:\/\//.test(text) ? undefined : 'expected mongodb://HOST:PORT',
  }),
  database: string('The MongoDB database name.', {
    importance: 'HIGH',
    check: (text) => (text === '' ? 'String must be non-empty' : undefined),
  }),
  collection: string(
    'Optional, single sink collection name to write to. Default: the name of the topic.',
    { default: '', importance: 'HIGH' },
  ),
  'document.id.strategy': className('How the unique document id (_id) is made.', {
    default: idStrategies[0]!.className,
    importance: 'HIGH',
    check: (name) => (idStrategyNames.has(name) ? undefined : `Class not found: ${name}`),
  }),
  'document.id.strategy.overwrite.existing': boolean(
    'Whether an _id that the document has already is overwritten.',
    { default: false },
  ),
  'document.id.strategy.uuid.format': string('How UuidStrategy and UuidProvided… write ids.', {
    default: 'String',
    choices: ['String', 'string', 'Binary', 'binary'],
  }),
  'document.id.strategy.partial.key.projection.list': list('Fields of PartialKeyStrategy.', {
    default: [],
  }),
  'document.id.strategy.partial.key.projection.type': string('AllowList or BlockList.', {
    default: '',
    choices: ['', 'AllowList', 'BlockList', 'allowlist', 'blocklist'],
  }),
  'document.id.strategy.partial.value.projection.list': list('Fields of PartialValueStrategy.', {
    default: [],
  }),
  'document.id.strategy.partial.value.projection.type': string('AllowList or BlockList.', {
    default: '',
    choices: ['', 'AllowList', 'BlockList', 'allowlist', 'blocklist'],
  }),
  'writemodel.strategy': className('How a document is written.', {
    default: writeModels[0]!.className,
    importance: 'LOW',
    check: (name) => (writeModelNames.has(name) ? undefined : `Class not found: ${name}`),
  }),
  'delete.writemodel.strategy': className('How a document is deleted.', {
    default: 'com.mongodb.kafka.connect.sink.writemodel.strategy.DeleteOneDefaultStrategy',
    importance: 'LOW',
    choices: ['com.mongodb.kafka.connect.sink.writemodel.strategy.DeleteOneDefaultStrategy'],
  }),
  'max.batch.size': int('The most records that one bulk write has; 0 is no limit.', {
    default: 0,
    check: atLeast(0),
  }),
  'bulk.write.ordered': boolean(
    'Whether documents are written one after another. Java has true; ids that repeat in a batch are kept in order here in any case.',
    { default: false },
  ),
  'delete.on.null.values': boolean(
    'Whether the document that the key names is deleted when the value is null.',
    { default: false },
  ),
  'mongo.errors.tolerance': string('Overrides errors.tolerance for this connector.', {
    optional: true,
    choices: ['none', 'all', 'data'],
  }),
  'mongo.errors.log.enable': string('Overrides errors.log.enable for this connector.', {
    optional: true,
    choices: ['true', 'false'],
  }),
  'retries.defer.timeout': int('How long in ms a retry is deferred.', { default: 5_000 }),
  'max.num.retries': oldRetry,
  'post.processor.chain': list('What changes a document before it is written, in this order.', {
    default: ['com.mongodb.kafka.connect.sink.processor.DocumentIdAdder'],
    importance: 'LOW',
    check: (names) => {
      const unknown = names.find((name) => !postProcessorNames.has(name))
      return unknown === undefined ? undefined : `Class not found: ${unknown}`
    },
  }),
  'namespace.mapper': unsupported(
    'namespace mappers beside the default one',
    'com.mongodb.kafka.connect.sink.namespace.mapping.DefaultNamespaceMapper',
  ),
  'namespace.mapper.error.if.invalid': ignored('only the default namespace mapper is there'),
  'key.projection.type': projectionType,
  'key.projection.list': projectionList,
  'value.projection.type': projectionType,
  'value.projection.list': projectionList,
  'field.renamer.mapping': string('RenameByMapping: a JSON list of {oldName, newName}.', {
    default: '[]',
    importance: 'LOW',
    check: (text) => problemOf(() => objectsIn('the list', text, ['oldName', 'newName'])),
  }),
  'field.renamer.regexp': string('RenameByRegex: a JSON list of {regexp, pattern, replace}.', {
    default: '[]',
    importance: 'LOW',
    check: (text) => problemOf(() => patternsOf(text)),
  }),
  'change.data.capture.handler': cdc,
  'rate.limiting.timeout': unsupported('rate limits', '0'),
  'rate.limiting.every.n': unsupported('rate limits', '0'),
  'timeseries.timefield': timeSeries,
  'timeseries.timefield.auto.convert': timeSeries,
  'timeseries.timefield.auto.convert.date.format': ignored('time fields are not converted'),
  'timeseries.timefield.auto.convert.locale.language.tag': ignored('time fields are not converted'),
  'timeseries.metafield': timeSeries,
  'timeseries.expire.after.seconds': timeSeries,
  'timeseries.granularity': timeSeries,
  'server.api.version': server,
  'server.api.deprecation.errors': server,
  'server.api.strict': server,
  'connection.ssl.truststore': ssl,
  'connection.ssl.truststorePassword': ssl,
  'connection.ssl.keystore': ssl,
  'connection.ssl.keystorePassword': ssl,
  'csfle.enabled': encryption,
  'csfle.local.master.key': encryption,
  'csfle.key.vault.namespace': encryption,
  'mongo.custom.auth.mechanism.enable': unsupported('custom credential providers', 'false'),
  'mongo.custom.auth.mechanism.providerClass': unsupported('custom credential providers', ''),
  provider: ignored('it only tells MongoDB who set up the connector'),
}
