import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { boolean, type ConfigField, ignored, int, password, string } from '../../config/fields.ts'
import { ConnectError } from '../../errors.ts'
import type { OptionPrefix, TaskContext } from '../../plugin.ts'
import type { MqttClientOptions } from './client.ts'

const licence = 'nothing here needs a licence'

/** Options that Confluent's connectors have for their licence. */
export const licenceFields: { readonly 'confluent.license': ConfigField<string | undefined> } = {
  'confluent.license': ignored(licence),
}

export const licencePrefixes: readonly OptionPrefix[] = [
  { prefix: 'confluent.topic.', ignored: licence },
]

const mqttVersions = ['auto', '3.1.1', '5']

/** The options of a connection to a broker, as Confluent's connectors name them, and ours. */
export const connectionFields: {
  readonly 'mqtt.server.uri': ConfigField<string>
  readonly 'mqtt.username': ConfigField<string>
  readonly 'mqtt.password': ConfigField<string>
  readonly 'mqtt.clean.session.enabled': ConfigField<boolean>
  readonly 'mqtt.connect.timeout.seconds': ConfigField<number>
  readonly 'mqtt.keepalive.interval.seconds': ConfigField<number>
  readonly 'mqtt.ssl.trust.store.path': ConfigField<string>
  readonly 'mqtt.ssl.trust.store.password': ConfigField<string>
  readonly 'mqtt.ssl.key.store.path': ConfigField<string>
  readonly 'mqtt.ssl.key.store.password': ConfigField<string>
  readonly 'mqtt.ssl.key.password': ConfigField<string>
  readonly 'mqtt.client.id': ConfigField<string>
  readonly 'mqtt.version': ConfigField<string>
  readonly 'mqtt.reconnect.backoff.ms': ConfigField<number>
  readonly 'mqtt.reconnect.backoff.max.ms': ConfigField<number>
} = {
  'mqtt.server.uri': string('The MQTT broker: tcp://, mqtt://, ssl:// or mqtts://HOST:PORT.', {
    importance: 'HIGH',
    check: (text) =>
      parseServer(text) ? undefined : 'expected tcp://HOST:PORT or ssl://HOST:PORT',
  }),
  'mqtt.username': string('Username to connect with, or empty.', {
    default: '',
    importance: 'HIGH',
  }),
  'mqtt.password': password('Password to connect with, or empty.', {
    default: '',
    importance: 'HIGH',
  }),
  'mqtt.clean.session.enabled': boolean(
    'Whether the broker forgets subscriptions and queued messages when the connection ends. Only false loses nothing.',
    { default: true, importance: 'LOW' },
  ),
  'mqtt.connect.timeout.seconds': int('How long to wait for the broker.', {
    default: 30,
    importance: 'LOW',
  }),
  'mqtt.keepalive.interval.seconds': int('Interval of pings.', { default: 60, importance: 'LOW' }),
  'mqtt.ssl.trust.store.path': string('PEM file with the authorities to trust.', { default: '' }),
  'mqtt.ssl.trust.store.password': password('Password of the trust store.', { default: '' }),
  'mqtt.ssl.key.store.path': string('PKCS #12 or PEM file with our key and certificate.', {
    default: '',
  }),
  'mqtt.ssl.key.store.password': password('Password of the key store.', { default: '' }),
  'mqtt.ssl.key.password': password('Password of the key.', { default: '' }),
  'mqtt.client.id': string(
    'Ours: the client id; a persistent session belongs to it. Default: khlong-NAME-TASK.',
    { default: '' },
  ),
  'mqtt.version': string('Ours: MQTT 5, 3.1.1, or 5 with 3.1.1 where the broker refuses it.', {
    default: 'auto',
    choices: mqttVersions,
    importance: 'LOW',
  }),
  'mqtt.reconnect.backoff.ms': int('Ours: wait before the second attempt to connect.', {
    default: 100,
    importance: 'LOW',
  }),
  'mqtt.reconnect.backoff.max.ms': int('Ours: longest wait between attempts to connect.', {
    default: 10_000,
    importance: 'LOW',
  }),
}

/** The values of {@link connectionFields}. */
export type ConnectionValues = {
  readonly [Name in keyof typeof connectionFields]: (typeof connectionFields)[Name] extends ConfigField<
    infer T
  >
    ? T
    : never
}

const defaultPorts: Readonly<Record<string, number>> = {
  'tcp:': 1883,
  'mqtt:': 1883,
  'ssl:': 8883,
  'mqtts:': 8883,
}

function parseServer(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url && url.hostname !== '' && url.protocol in defaultPorts ? url : undefined
}

/** Options of a client but for those that differ from attempt to attempt. */
export function clientOptions(
  values: ConnectionValues,
  context: TaskContext,
): Omit<MqttClientOptions, 'protocolVersion' | 'receiveMaximum'> {
  const url = parseServer(values['mqtt.server.uri'])!
  const isSecure = url.protocol === 'ssl:' || url.protocol === 'mqtts:'
  // An address that stands for the one in the file may bring the login that counts there.
  const place = new URL(`mqtt://${context.resolveHost(url.host)}`)
  const own = place.username === '' ? url : place
  const username = own === place ? '' : values['mqtt.username']
  const secret = own === place ? '' : values['mqtt.password']
  return {
    host: place.hostname.replace(/^\[|\]$/g, ''),
    port: place.port === '' ? defaultPorts[url.protocol]! : Number(place.port),
    ...(isSecure ? { tls: tlsOptions(values, url.hostname) } : {}),
    clientId: clientIdOf(values['mqtt.client.id'], context),
    isClean: values['mqtt.clean.session.enabled'],
    keepAliveSeconds: values['mqtt.keepalive.interval.seconds'],
    connectTimeoutMs: values['mqtt.connect.timeout.seconds'] * 1_000,
    ...given('username', username || decodeURIComponent(own.username)),
    ...given('password', secret || decodeURIComponent(own.password)),
    clock: context.clock,
  }
}

function given<Key extends string>(key: Key, value: string): Partial<Record<Key, string>> {
  return value === '' ? {} : ({ [key]: value } as Record<Key, string>)
}

function tlsOptions(values: ConnectionValues, servername: string): ConnectionOptions {
  const trust = values['mqtt.ssl.trust.store.path']
  const key = values['mqtt.ssl.key.store.path']
  const passphrase = values['mqtt.ssl.key.password'] || values['mqtt.ssl.key.store.password']
  return {
    ...(/^[\d.:]+$/.test(servername) ? {} : { servername }),
    ...(trust === '' ? {} : { ca: pem('mqtt.ssl.trust.store.path', trust) }),
    ...(passphrase === '' ? {} : { passphrase }),
    ...(key === ''
      ? {}
      : /\.(p12|pfx)$/i.test(key)
        ? { pfx: readFileSync(key) }
        : { key: pem('mqtt.ssl.key.store.path', key), cert: pem('mqtt.ssl.key.store.path', key) }),
  }
}

function pem(option: string, path: string): string {
  const text = readFileSync(path, 'latin1')
  if (text.includes('-----BEGIN')) return text
  throw new ConnectError(
    'CONNECT_NOT_SUPPORTED',
    `${option}: ${path} is a Java key store, which is not supported yet; give a PEM file (keytool -exportcert -rfc)`,
  )
}

/** The same for a task whenever it runs: the broker knows its session by it. */
export function clientIdOf(
  written: string,
  { connector, task }: Pick<TaskContext, 'connector' | 'task'>,
): string {
  if (written === '') return `khlong-${connector}-${task}`
  return task === 0 ? written : `${written}-${task}`
}
