import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder } from '@khlong/core'
import { KhlongError } from '../errors.ts'
import { copyReferenceStreams } from '../reference-pipeline.ts'
import { type ComposeService, readComposeServices } from './compose-file.ts'
import { takeConnectors } from './connector-files.ts'
import {
  leaveGrafanaSettings,
  takeContainerSettings,
  takeMongoUser,
  takePort,
  takePrometheusFlags,
  takeSensors,
  takeZookeeperSettings,
} from './containers.ts'
import { takeDashboards, takeDataSources } from './dashboard-files.ts'
import { takeMosquittoConf } from './mosquitto-files.ts'
import { type ImportNote, PipelineDraft } from './pipeline-draft.ts'
import { readProjectFiles } from './project-files.ts'
import { takePrometheusFiles } from './prometheus-files.ts'
import { roleOf } from './systems.ts'

export interface ImportOptions {
  /** A project of the classic stack: compose file, configurations, connectors, dashboards. */
  readonly from: string
  /** A new or empty folder, which becomes a pipeline folder. */
  readonly to: string
}

/** Listeners by the ports that their systems have inside containers. */
const outerPorts = {
  mqtt: { 1883: 'listen', 9001: 'websocket' },
  zookeeper: { 2181: 'listen' },
  kafka: { 9092: 'listen' },
  connect: { 8083: 'listen' },
  mongodb: { 27017: 'listen' },
  prometheus: { 9090: 'listen' },
  grafana: { 3000: 'listen' },
} as const

/**
 * Makes a pipeline folder of a project of the classic stack, and says of each thing in it where it went,
 * what is different, or why it was not taken. The project is only read.
 *
 * @throws KhlongError `KHLONG_IMPORT` where nothing of the stack is found, or a file cannot be read;
 *   `KHLONG_USAGE` where the folder is not empty
 */
export async function importProject({ from, to }: ImportOptions): Promise<readonly ImportNote[]> {
  const files = await readProjectFiles(path.resolve(from))
  const services = readComposeServices(files)
  const draft = new PipelineDraft()
  for (const service of services) await takeService(draft, service)
  takeSensors(
    draft,
    services.filter((service) => roleOf(service).kind === 'sensor'),
  )
  if (draft.uses('mqtt') || services.length === 0) takeMosquittoConf(draft, files)
  takeConnectors(draft, files, services)
  takePrometheusFiles(draft, files, services)
  takeDashboards(draft, files)
  takeDataSources(draft, files)
  if (draft.notes.length === 0)
    throw new KhlongError(
      'KHLONG_IMPORT',
      `${from} holds nothing of the classic stack: no compose file, connectors, prometheus.yml, mosquitto.conf or dashboards`,
    )
  await write(draft, path.resolve(to), path.basename(path.resolve(from)))
  return draft.notes
}

async function takeService(draft: PipelineDraft, service: ComposeService): Promise<void> {
  const role = roleOf(service)
  const what = `service ${service.name}${service.image === '' ? '' : ` (${service.image})`}`
  switch (role.kind) {
    case 'part': {
      draft.use(role.part)
      for (const host of [service.name, ...service.aliases]) draft.mapHost(host, role.part)
      draft.taken(what, `the part ${role.part}`)
      if (role.part in outerPorts)
        takePort(draft, role.part, service, outerPorts[role.part as keyof typeof outerPorts])
      if (role.part === 'kafka') await takeContainerSettings(draft, 'kafka', service)
      if (role.part === 'connect') {
        await takeContainerSettings(draft, 'connect', service)
        // Sinks that are scraped listen on all interfaces of their container; here on this machine.
        draft.mapHost('0.0.0.0', 'connect')
      }
      if (role.part === 'zookeeper') await takeZookeeperSettings(draft, service)
      if (role.part === 'grafana') leaveGrafanaSettings(draft, service)
      if (role.part === 'mongodb') takeMongoUser(draft, service)
      if (role.part === 'prometheus') {
        await takePrometheusFlags(draft, service)
        draft.mapHost('localhost:9090', 'prometheus')
      }
      return
    }
    case 'alertmanager':
      draft.taken(what, 'an Alertmanager runs beside Prometheus')
      return
    case 'tool':
      draft.leftOut(what, `the console has it: ${role.place}`)
      return
    case 'exporter':
      draft.leftOut(what, `the part ${role.part} gives these metrics itself, by the same names`)
      return
    case 'foreign':
      draft.leftOut(what, role.advice)
      return
    case 'sensor':
      return
    case 'processor':
      draft.use('streams')
      await copyReferenceStreams(draft.files)
      draft.changed(
        what,
        'its twin in TypeScript, streams/iot-processor.ts, without its known faults',
      )
      return
    case 'program':
      draft.leftOut(
        what,
        'a program of your own goes on as it is, with Khlong’s address for Kafka; a Java Streams service can also become a file of streams/ (packages/streams/README.md)',
      )
      return
    case 'setup':
      draft.leftOut(
        what,
        'a step of the set-up: connectors that it posts are taken, topics are made as they are needed, with num.partitions; what else it does is yours to look at',
      )
      return
    case 'unknown':
      draft.leftOut(what, 'Khlong does not know what it is; it can go on beside Khlong')
  }
}

async function write(draft: PipelineDraft, folder: string, name: string): Promise<void> {
  await makeFolder(folder)
  if ((await readdir(folder)).length > 0)
    throw new KhlongError('KHLONG_USAGE', `${folder} is not empty; choose a new folder`)
  const files = new Map<string, string>([
    ['khlong.yml', draft.khlongYml(name)],
    ['IMPORT.md', draft.report(name)],
    ...draft.files,
  ])
  for (const [file, text] of files) {
    const target = path.join(folder, ...file.split('/'))
    await mkdir(path.dirname(target), { recursive: true })
    // Beside Mosquitto's configuration stand passwords and keys.
    const isSecret = file.startsWith('mosquitto/') && file !== 'mosquitto/mosquitto.conf'
    await writeFile(target, text, isSecret ? { mode: 0o600 } : {})
  }
}
