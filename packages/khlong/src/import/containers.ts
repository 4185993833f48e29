import type { ComposeService } from './compose-file.ts'
import type { PipelineDraft } from './pipeline-draft.ts'

/** Keys that Khlong decides itself: addresses, folders, one broker instead of several. */
const wired =
  /^(zookeeper\.connect|listeners|advertised\.|listener\.|inter\.broker|process\.roles|node\.id|broker\.(id|rack)|controller\.|log\.dirs?$|bootstrap\.servers|rest\.|plugin\.path|cluster\.id|host\.name|port$)/
/** What is meant for the JVM, its logs, or one vendor's additions. */
const ofTheImage =
  /^(heap|jmx|log4j|opts|jvm|gc|confluent|metric\.reporters|internal\.|kraft|mode$|version|home|volume|debug)/i
const ofAnImage = 'it is for the JVM, or for what this image adds'
const replication = /(replication\.factor|min\.isr|min\.insync\.replicas)$/

/** Takes over `KAFKA_NUM_PARTITIONS` and the like, as the images of Kafka and Connect read them. */
export async function takeContainerSettings(
  draft: PipelineDraft,
  part: 'kafka' | 'connect',
  service: ComposeService,
): Promise<void> {
  const prefixes =
    part === 'kafka' ? /^KAFKA_(?:CFG_)?/ : /^(?:CONNECT_|(?=[A-Z]+_STORAGE_TOPIC|GROUP_ID))/
  const settings: Record<string, string> = {}
  for (const [variable, value] of Object.entries(service.environment)) {
    if (!prefixes.test(variable)) continue
    const key = variable
      .replace(prefixes, '')
      .toLowerCase()
      .replace(/___/g, '-')
      .replace(/__/g, '\u0000')
      .replaceAll('_', '.')
      .replaceAll('\u0000', '_')
    if (wired.test(key)) continue
    if (ofTheImage.test(key)) {
      draft.leftOut(`${service.name}: ${variable}`, ofAnImage)
      continue
    }
    if (replication.test(key) && value.replaceAll('"', '') !== '1')
      draft.leftOut(
        `${service.name}: ${variable}=${value}`,
        'there is one broker, so each record is kept once; several brokers are what a real Kafka is for',
      )
    else settings[key] = value
  }
  await draft.takeSettings(part, service.name, settings)
}

/** The users that MongoDB's image makes on its first start. */
export function takeMongoUser(draft: PipelineDraft, { name, environment }: ComposeService): void {
  const user = environment.MONGO_INITDB_ROOT_USERNAME ?? environment.MONGODB_ROOT_USER
  const secret = environment.MONGO_INITDB_ROOT_PASSWORD ?? environment.MONGODB_ROOT_PASSWORD
  if (!user || !secret) return
  draft.set('mongodb', 'users', [{ user, pwd: secret }])
  draft.taken(`${name}: the root user ${user}`, 'mongodb.users of khlong.yml, with its password')
}

/** What Prometheus is told on its command line. */
export async function takePrometheusFlags(
  draft: PipelineDraft,
  { name, command }: ComposeService,
): Promise<void> {
  const flags: Record<string, string> = {}
  for (const word of command) {
    const [, key, value = 'true'] = /^--([\w.-]+)(?:=(.*))?$/s.exec(word) ?? []
    if (
      key === undefined ||
      /^(config\.file|storage\.tsdb\.path|web\.listen-address|log\.|web\.console)/.test(key)
    )
      continue
    flags[key] = value
  }
  await draft.takeSettings('prometheus', name, flags)
}

/** The port by which people reach a system from outside stays the one that they know. */
export function takePort(
  draft: PipelineDraft,
  part: Parameters<PipelineDraft['set']>[0],
  { name, ports }: ComposeService,
  listeners: Readonly<Record<number, string>>,
): void {
  for (const [inside, key] of Object.entries(listeners)) {
    const outside = ports.get(Number(inside))
    if (outside === undefined || outside === Number(inside)) continue
    draft.set(part, key, outside)
    draft.taken(`${name}: port ${outside}`, `${part}.${key} of khlong.yml`)
  }
}

/** The sensors of the classic pipeline become a fleet of ours that sends the same frames. */
export function takeSensors(draft: PipelineDraft, services: readonly ComposeService[]): void {
  if (services.length === 0) return
  const sensors = services.map(({ name, environment }) => {
    const value = (pattern: RegExp): string | undefined =>
      Object.entries(environment).find(([key]) => pattern.test(key))?.[1]
    return {
      id: value(/^sensor[._]?id$/i) ?? name,
      name: value(/^sensor[._]?name$/i) ?? name,
      place: value(/^(sensor[._]?)?place[._]?id$/i) ?? '1',
    }
  })
  const lines = sensors.map(
    (sensor) =>
      `  - { id: ${JSON.stringify(sensor.id)}, name: ${JSON.stringify(sensor.name)}, place: ${JSON.stringify(sensor.place)} }`,
  )
  draft.files.set(
    'sensors.yml',
    `# A frame a second each, QoS 1, retained; sequence: false is the bare frame.\nseed: 7\ntopic: iot-frames\nqos: 1\nretain: true\nrate: 1\nsequence: true\n\nsensors:\n${lines.join('\n')}\n`,
  )
  draft.set('sensors', 'fleet', './sensors.yml')
  for (const [index, { name }] of services.entries())
    draft.changed(
      `service ${name}`,
      `sensor ${sensors[index]!.id} of sensors.yml; real devices need no fleet: leave the section sensors out`,
    )
}

/** Takes over `ZOOKEEPER_TICK_TIME` and the like; addresses and folders are Khlong's to decide. */
export async function takeZookeeperSettings(
  draft: PipelineDraft,
  service: ComposeService,
): Promise<void> {
  const settings: Record<string, string> = {}
  for (const [variable, value] of Object.entries(service.environment)) {
    const name = /^(?:ZOOKEEPER|ZOO)_(.+)$/.exec(variable)?.[1]?.toLowerCase()
    if (name === undefined || /^(client_?port|port|my_?id|server|data|log4j)/.test(name)) continue
    // ZooKeeper's own names have humps.
    const key = name.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase())
    settings[key] = value
  }
  await draft.takeSettings('zookeeper', service.name, settings)
}

/** Grafana's own settings: the console has people, and listens as khlong.yml says. */
export function leaveGrafanaSettings(
  draft: PipelineDraft,
  { name, environment }: ComposeService,
): void {
  for (const variable of Object.keys(environment).filter((key) => key.startsWith('GF_')))
    draft.leftOut(
      `${name}: ${variable}`,
      /^GF_(SECURITY_ADMIN|AUTH|USERS)_/.test(variable)
        ? 'who may log in is said by npx khlong user add; on this machine nobody has to'
        : 'the console has no such setting',
    )
}
