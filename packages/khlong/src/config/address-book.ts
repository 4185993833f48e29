import net from 'node:net'
import { formatListen, type ListenAddress, newPassword, newToken, parseListen } from '@khlong/core'
import { internalUsername } from '../devices/device.ts'
import { KhlongError } from '../errors.ts'
import { checkLan, defaultHost } from '../lan/lan-settings.ts'
import { addressProblem } from './external-address.ts'
import { resolveHosts } from './hosts.ts'
import {
  type KafkaAccess,
  type KafkaLogin,
  kafkaAccess,
  newKafkaLogin,
  publicKafkaAddress,
} from './kafka-access.ts'
import { clientAddress, type PartAddress } from './part-address.ts'
import { askedForParts, type PartName } from './part-names.ts'
import { type Pipeline, partSettings } from './pipeline.ts'

/**
 * Where each part is, decided before any part starts: the one place that knows whether a part is
 * embedded or the real system.
 */
export interface AddressBook {
  readonly parts: Readonly<Record<PartName, PartAddress>>
  /** The platform's own status and metrics, on loopback. */
  readonly platform: string
  /** Default ports that were taken, and what took their place. */
  readonly moved: readonly {
    readonly part: PartName
    readonly listener: string
    readonly from: number
    readonly to: number
  }[]
  /**
   * What this run's own clients are known by where people must log in: fresh each time, in no file; or what
   * `KHLONG_SHARED_TOKEN` says, so that the workers of several machines know each other.
   */
  readonly token: string
  /** What they log in to our broker by; fresh each time, too. */
  readonly mqttLogin: { readonly username: string; readonly password: string }
  /** What they log in to our own Kafka by. */
  readonly kafkaLogin: KafkaLogin
  /** How this run's own clients reach Kafka; undefined where there is none. */
  readonly kafka: KafkaAccess | undefined
  /** How others reach our broker: by TLS where it has a certificate. */
  readonly mqttScheme: 'mqtt' | 'mqtts'
  /** `KHLONG_…` variables as connector files read them. */
  readonly environment: Readonly<Record<string, string>>
  /** Host names that files of the pipeline use, with what they mean in this run. */
  readonly hosts: Readonly<Record<string, string>>
}

interface Listener {
  readonly name: string
  readonly port: number
  /** Whether it is for other parts only and may have any free port. */
  readonly internal?: boolean
}

/** Listeners of embedded parts with their real systems' ports, and the key that names an external one. */
const wiring: Record<PartName, { listeners: readonly Listener[]; externalKey?: string }> = {
  sensors: { listeners: [] },
  mqtt: {
    listeners: [
      { name: 'listen', port: 1883 },
      { name: 'websocket', port: 9001 },
      { name: 'internal.listen', port: 0, internal: true },
    ],
    externalKey: 'url',
  },
  zookeeper: { listeners: [{ name: 'listen', port: 2181 }], externalKey: 'url' },
  kafka: {
    listeners: [
      { name: 'listen', port: 9092 },
      { name: 'internal.listen', port: 0, internal: true },
    ],
    externalKey: 'bootstrap.servers',
  },
  connect: {
    listeners: [
      { name: 'listen', port: 8083 },
      { name: 'series.listen', port: 8084 },
    ],
    externalKey: 'url',
  },
  streams: { listeners: [] },
  mongodb: { listeners: [{ name: 'listen', port: 27_017 }], externalKey: 'url' },
  prometheus: {
    listeners: [
      { name: 'listen', port: 9090 },
      { name: 'alertmanager.listen', port: 9093 },
    ],
    externalKey: 'url',
  },
  grafana: { listeners: [{ name: 'listen', port: 3000 }], externalKey: 'url' },
  forward: { listeners: [] },
}

/** Keys of a part's section that the address book reads and the part never sees. */
export function wiringKeys(part: PartName): readonly string[] {
  const { listeners, externalKey } = wiring[part]
  return [...listeners.map(({ name }) => name), ...(externalKey === undefined ? [] : [externalKey])]
}

const sharedTokenLengthMin = 32

export interface ResolveAddressOptions {
  /** Whether a part may listen there; by default it is tried. */
  isFree?(address: ListenAddress): Promise<boolean>
}

/**
 * Decides every address. A default port that is taken moves to the next free one; a port that the
 * user wrote stays, and is refused where it is taken.
 *
 * @throws KhlongError `KHLONG_PORT_TAKEN` with file, line and key
 */
export async function resolveAddressBook(
  pipeline: Pipeline,
  { isFree = canListen }: ResolveAddressOptions = {},
): Promise<AddressBook> {
  checkLan(pipeline)
  const ports: Ports = { given: new Set(), written: writtenPorts(pipeline), isFree }
  const parts = {} as Record<PartName, PartAddress>
  const moved: { part: PartName; listener: string; from: number; to: number }[] = []
  for (const part of Object.keys(wiring) as PartName[]) {
    const settings = partSettings(pipeline, part)
    const { listeners, externalKey } = wiring[part]
    if (
      settings === false ||
      (settings === undefined && askedForParts.includes(part)) ||
      (part === 'zookeeper' && isNeedless(pipeline, settings))
    ) {
      parts[part] = { kind: 'off' }
      continue
    }
    const external = externalKey === undefined ? undefined : settings?.[externalKey]
    if (external !== undefined) {
      const problem = addressProblem(part, String(external))
      if (problem !== undefined)
        throw new KhlongError(
          'KHLONG_SETTING_INVALID',
          `${pipeline.settings.where([part, externalKey!])}: ${part}.${externalKey}: ${problem}`,
        )
      parts[part] = { kind: 'external', address: String(external) }
      continue
    }
    const addresses: Record<string, string> = {}
    for (const listener of listeners) {
      const written = settings?.[listener.name]
      if (written === false) continue
      // What a broker's own key opens, the broker decides.
      if (part === 'kafka' && listener.name === 'listen' && settings?.listeners !== undefined) {
        checkOneKind(pipeline, written)
        continue
      }
      const address = await decide(pipeline, part, listener, written, ports)
      if (address.port !== listener.port && written === undefined && !listener.internal)
        moved.push({ part, listener: listener.name, from: listener.port, to: address.port })
      ports.given.add(address.port)
      addresses[listener.name] = formatListen(address)
    }
    parts[part] = { kind: 'embedded', listeners: addresses }
  }
  const platform = formatListen({
    host: '127.0.0.1',
    port: await freePort('127.0.0.1', 9600, ports),
  })
  const mqttLogin = { username: internalUsername, password: newPassword(32) }
  const kafkaLogin = newKafkaLogin()
  const environment = environmentOf(pipeline, parts, mqttLogin)
  const kafka = kafkaAccess(pipeline, parts.kafka, kafkaLogin)
  const hosts = resolveHosts(pipeline, { parts, platform, mqttLogin })
  const logins = { token: sharedToken() ?? newToken(), mqttLogin, kafkaLogin }
  const mqtt = partSettings(pipeline, 'mqtt') || {}
  const mqttScheme = mqtt.certfile === undefined ? 'mqtt' : 'mqtts'
  return { parts, platform, moved, ...logins, mqttScheme, kafka, environment, hosts }
}

/** @throws KhlongError `KHLONG_SETTING_INVALID` where it could be guessed */
function sharedToken(): string | undefined {
  const token = process.env.KHLONG_SHARED_TOKEN
  if (token === undefined || token.length >= sharedTokenLengthMin) return token
  throw new KhlongError(
    'KHLONG_SETTING_INVALID',
    `KHLONG_SHARED_TOKEN: expected at least ${sharedTokenLengthMin} characters that nobody can guess, found ${token.length}`,
  )
}

function checkOneKind(pipeline: Pipeline, listen: unknown): void {
  if (listen === undefined) return
  throw new KhlongError(
    'KHLONG_SETTING_INVALID',
    `${pipeline.settings.where(['kafka', 'listen'])}: kafka.listen: cannot stand beside kafka.listeners`,
  )
}

/** ZooKeeper is there for our broker; a real Kafka has its own, or none. Who writes an address wants it. */
function isNeedless(pipeline: Pipeline, settings: Record<string, unknown> | undefined): boolean {
  const kafka = partSettings(pipeline, 'kafka')
  const isRealKafka = kafka !== false && kafka?.[wiring.kafka.externalKey!] !== undefined
  return isRealKafka && settings?.listen === undefined && settings?.url === undefined
}

interface Ports {
  readonly given: Set<number>
  /** Those that somebody wrote: no listener without a port of its own may take one of them first. */
  readonly written: ReadonlySet<number>
  isFree(address: ListenAddress): Promise<boolean>
}

function writtenPorts(pipeline: Pipeline): Set<number> {
  const ports = new Set<number>()
  for (const part of Object.keys(wiring) as PartName[]) {
    const settings = partSettings(pipeline, part)
    if (!settings) continue
    for (const { name } of wiring[part].listeners) {
      const [, port] = /(?:^|:)(\d+)$/.exec(String(settings[name] ?? '')) ?? []
      if (port !== undefined) ports.add(Number(port))
    }
  }
  return ports
}

async function decide(
  pipeline: Pipeline,
  part: PartName,
  listener: Listener,
  written: unknown,
  ports: Ports,
): Promise<ListenAddress> {
  const host = defaultHost(pipeline, part, listener.name)
  if (written === undefined) return { host, port: await freePort(host, listener.port, ports) }
  const where = pipeline.settings.where([part, listener.name])
  const key = `${part}.${listener.name}`
  let address: ListenAddress
  try {
    address = parseListen(written as string | number, host)
  } catch (error) {
    throw new KhlongError('KHLONG_SETTING_INVALID', `${where}: ${key}: ${(error as Error).message}`)
  }
  if (address.port === 0)
    return { host: address.host, port: await freePort(address.host, 0, ports) }
  const problem = ports.given.has(address.port)
    ? 'is given to two parts'
    : (await ports.isFree(address))
      ? undefined
      : 'is taken by another process'
  if (problem)
    throw new KhlongError(
      'KHLONG_PORT_TAKEN',
      `${where}: ${key}: port ${address.port} ${problem}; free it or write another`,
      { fields: { key, port: address.port } },
    )
  return address
}

/** The first free port from `from` upwards; any free port where `from` is 0. */
async function freePort(
  host: string,
  from: number,
  { given, written, isFree }: Ports,
): Promise<number> {
  const isOthers = (port: number): boolean => given.has(port) || written.has(port)
  if (from === 0) {
    for (;;) {
      const port = await probe({ host, port: 0 })
      if (port !== undefined && !isOthers(port)) return port
    }
  }
  for (let port = from; port < from + 1_000; port++)
    if (!isOthers(port) && (await isFree({ host, port }))) return port
  throw new KhlongError(
    'KHLONG_PORT_TAKEN',
    `no free port from ${from} to ${from + 999} on ${host}`,
  )
}

/** Whether this process could listen there now. */
export async function canListen(address: ListenAddress): Promise<boolean> {
  return (await probe(address)) !== undefined
}

/** Listens for a moment; gives the port, or undefined where that is not possible. */
function probe(address: ListenAddress): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function environmentOf(
  pipeline: Pipeline,
  parts: Readonly<Record<PartName, PartAddress>>,
  { username, password }: AddressBook['mqttLogin'],
): Record<string, string> {
  const environment: Record<string, string> = {}
  const give = (
    name: string,
    part: PartName,
    scheme: string,
    listener = 'listen',
    path = '',
  ): void => {
    const address = parts[part]
    if (address.kind === 'external') environment[name] = address.address
    else if (address.kind === 'embedded' && address.listeners[listener] !== undefined)
      environment[name] = `${scheme}${clientAddress(address.listeners[listener])}${path}`
  }
  give('KHLONG_MQTT_URL', 'mqtt', `mqtt://${username}:${password}@`, 'internal.listen')
  give('KHLONG_ZOOKEEPER_CONNECT', 'zookeeper', '')
  const kafka = publicKafkaAddress(pipeline, parts.kafka)
  if (kafka !== undefined) environment.KHLONG_KAFKA_BOOTSTRAP_SERVERS = kafka
  give('KHLONG_CONNECT_URL', 'connect', 'http://')
  if (parts.connect.kind === 'embedded')
    give('KHLONG_SERIES_URL', 'connect', 'http://', 'series.listen', '/iot-metrics-time-series')
  give('KHLONG_MONGODB_URI', 'mongodb', 'mongodb://')
  give('KHLONG_PROMETHEUS_URL', 'prometheus', 'http://')
  give('KHLONG_GRAFANA_URL', 'grafana', 'http://')
  return environment
}
