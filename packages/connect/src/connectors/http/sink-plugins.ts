import { atLeast } from '../../config/checks.ts'
import {
  boolean,
  type ConfigMap,
  ignored,
  int,
  list,
  password,
  string,
  unsupported,
} from '../../config/fields.ts'
import { ConfigSpec } from '../../config/spec.ts'
import type { SinkPlugin } from '../../plugin.ts'
import { licenceFields, licencePrefixes } from '../mqtt/connection.ts'
import { basicAuth, headersOf, isHttpUrl, withoutSecrets } from './http-client.ts'
import { HttpSinkTask } from './sink.ts'

const checkUrl = (text: string): string | undefined =>
  isHttpUrl(text) ? undefined : 'expected http:// or https://'
const retries = {
  'max.retries': ignored('a target that is away is tried again for as long as the task runs'),
  'retry.backoff.ms': ignored('the waits between attempts grow from 300 ms to 10 s'),
}

const aivenSpec = new ConfigSpec(
  {
    'http.url': string('Where records go to.', { importance: 'HIGH', check: checkUrl }),
    'http.authorization.type': string('none, or static: http.headers.authorization.', {
      default: 'none',
      choices: ['none', 'static', 'oauth2'],
      isCaseIgnored: true,
      importance: 'HIGH',
      check: (type) => (type === 'oauth2' ? 'not supported yet: oauth2' : undefined),
    }),
    'http.headers.authorization': password('The header Authorization.', { optional: true }),
    'http.headers.content.type': string('The header Content-Type.', { optional: true }),
    'http.headers.additional': list('Further headers, name:value.', { default: [] }),
    'http.timeout': int('How many seconds an answer may take.', {
      default: 30,
      check: atLeast(1),
    }),
    'http.ssl.trust.all.certs': unsupported('certificates that nobody checks', 'false'),
    'http.proxy.host': unsupported('proxies'),
    'batching.enabled': boolean('Whether a request has several records.', { default: false }),
    'batch.max.size': int('The most records of a request.', { default: 500, check: atLeast(1) }),
    'batch.prefix': string('What stands before the records of a batch.', { default: '' }),
    'batch.suffix': string('What stands after them.', { default: '' }),
    'batch.separator': string('What stands between them; the default is a new line.', {
      optional: true,
    }),
    'kafka.retry.backoff.ms': ignored('the waits between attempts grow from 300 ms to 10 s'),
    ...retries,
  },
  'Connection',
)

/** `io.aiven.kafka.connect.http.HttpSinkConnector` */
export const aivenHttpSink: SinkPlugin = {
  kind: 'sink',
  className: 'io.aiven.kafka.connect.http.HttpSinkConnector',
  version: '0.1.0',
  spec: aivenSpec,
  prefixes: [{ prefix: 'oauth2.', unsupported: 'oauth2' }],
  taskCount: (_config, tasksMax) => tasksMax,
  describe: (config) => [withoutSecrets(config['http.url'] ?? '')],
  createTask: (config, context) => {
    const options = aivenSpec.parse(config)
    const isBatched = options['batching.enabled']
    const authorization = options['http.headers.authorization']
    const contentType = options['http.headers.content.type']
    return new HttpSinkTask(
      {
        url: options['http.url'],
        method: 'POST',
        headers: {
          ...(contentType === undefined ? {} : { 'content-type': contentType }),
          ...headersOf(options['http.headers.additional']),
          ...(options['http.authorization.type'] === 'static' && authorization !== undefined
            ? { authorization }
            : {}),
        },
        batchMax: isBatched ? options['batch.max.size'] : 1,
        ...aroundOf(config, '\n'),
        onNull: 'fail',
        onError: 'fail',
        timeoutMs: options['http.timeout'] * 1_000,
      },
      context,
    )
  },
}

const confluentSpec = new ConfigSpec(
  {
    'http.api.url': string('Where records go to; may have the topic and the key in it.', {
      importance: 'HIGH',
      check: checkUrl,
    }),
    'request.method': string('POST, PUT or PATCH.', {
      default: 'POST',
      choices: ['POST', 'PUT', 'PATCH'],
      importance: 'HIGH',
    }),
    headers: string('Headers, name:value, parted by header.separator.', { default: '' }),
    'header.separator': string('What parts headers.', { default: '|' }),
    'request.body.format': string('Values that are neither text nor bytes are JSON in any case.', {
      default: 'string',
      choices: ['string', 'json'],
    }),
    'behavior.on.null.values': string('What becomes of a record without a value.', {
      default: 'ignore',
      choices: ['ignore', 'fail', 'delete'],
      isCaseIgnored: true,
    }),
    'behavior.on.error': string('What becomes of a record that is refused.', {
      default: 'fail',
      choices: ['fail', 'log', 'ignore'],
      isCaseIgnored: true,
    }),
    'batch.max.size': int('The most records of a request.', { default: 1, check: atLeast(1) }),
    'batch.prefix': string('What stands before the records of a batch.', { default: '' }),
    'batch.suffix': string('What stands after them.', { default: '' }),
    'batch.separator': string('What stands between them.', { default: ',' }),
    'batch.json.as.array': boolean('Whether a batch is a JSON array.', { default: false }),
    'auth.type': string('NONE or BASIC.', {
      default: 'NONE',
      choices: ['NONE', 'BASIC', 'OAUTH2'],
      check: (type) => (type === 'OAUTH2' ? 'not supported yet: OAUTH2' : undefined),
    }),
    'connection.user': string('User of BASIC.', { default: '' }),
    'connection.password': password('Password of BASIC.', { default: '' }),
    'http.connect.timeout.ms': ignored('http.request.timeout.ms counts from the beginning'),
    'http.request.timeout.ms': int('How long an answer may take.', {
      default: 30_000,
      check: atLeast(1),
    }),
    'retry.on.status.codes': unsupported(
      'other statuses than 408, 425, 429 and 500 to 599',
      '500-',
    ),
    'regex.patterns': unsupported('replacements in the body; a transform may do it'),
    'http.proxy.host': unsupported('proxies'),
    ...retries,
    ...licenceFields,
  },
  'Connection',
)

/** `io.confluent.connect.http.HttpSinkConnector` */
export const confluentHttpSink: SinkPlugin = {
  kind: 'sink',
  className: 'io.confluent.connect.http.HttpSinkConnector',
  version: '0.1.0',
  spec: confluentSpec,
  prefixes: [
    ...licencePrefixes,
    { prefix: 'oauth2.', unsupported: 'oauth2' },
    { prefix: 'https.ssl.', unsupported: 'stores of keys of its own' },
    {
      prefix: 'reporter.',
      ignored: 'results are not reported to topics; errors go to errors.deadletterqueue.topic.name',
    },
  ],
  taskCount: (_config, tasksMax) => tasksMax,
  describe: (config) => [withoutSecrets(config['http.api.url'] ?? '')],
  createTask: (config, context) => {
    const options = confluentSpec.parse(config)
    const isArray = options['batch.json.as.array']
    return new HttpSinkTask(
      {
        url: options['http.api.url'],
        method: options['request.method'] as 'POST' | 'PUT' | 'PATCH',
        headers: {
          ...(options['request.body.format'] === 'json' || isArray
            ? { 'content-type': 'application/json' }
            : {}),
          ...headersOf(options.headers.split(options['header.separator'])),
          ...(options['auth.type'] === 'BASIC'
            ? {
                authorization: basicAuth(
                  options['connection.user'],
                  options['connection.password'],
                ),
              }
            : {}),
        },
        batchMax: options['batch.max.size'],
        ...(isArray ? { prefix: '[', suffix: ']', separator: ',' } : aroundOf(config, ',')),
        onNull: options['behavior.on.null.values'] as 'ignore' | 'fail' | 'delete',
        onError: options['behavior.on.error'] as 'fail' | 'log' | 'ignore',
        timeoutMs: options['http.request.timeout.ms'],
      },
      context,
    )
  },
}

/** White space counts in these: they are taken as they are written, with \n for a new line. */
function aroundOf(
  config: ConfigMap,
  separator: string,
): { prefix: string; suffix: string; separator: string } {
  const read = (name: string, otherwise: string): string =>
    (config[name] ?? otherwise).replaceAll('\\n', '\n')
  return {
    prefix: read('batch.prefix', ''),
    suffix: read('batch.suffix', ''),
    separator: read('batch.separator', separator),
  }
}
