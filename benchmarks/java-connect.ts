import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { peer, reference } from '../tools/peers.ts'
import { freePort } from '../tools/real-engines.ts'

// The Java runtime of Kafka Connect, and what it is measured with.

const run = promisify(execFile)

/** A worker in a process of its own. */
export interface Worker {
  readonly url: string
  readonly processId: number
  stop(): Promise<void>
}

/** Starts a distributed worker on the broker of that folder; `plugins` are folders, comma-separated. */
export async function startJavaWorker(kafkaFolder: string, plugins: string): Promise<Worker> {
  const port = String(await freePort())
  const script = reference('kafka.sh')
  const { stdout } = await run('bash', [script, 'connect', kafkaFolder, port, plugins], {
    timeout: 120_000,
  })
  const processId = Number(await readFile(`${kafkaFolder}/connect.pid`, 'utf8'))
  return {
    url: stdout.trim(),
    processId,
    stop: async () => {
      if (!existsSync(`/proc/${processId}`)) return
      process.kill(processId, 'SIGTERM')
      while (existsSync(`/proc/${processId}`)) await delay(20)
    },
  }
}

/** The folder of plugins with MongoDB's connector, by Maven. */
export function mongoPlugin(): Promise<string> {
  return mavenFolder('connect-plugins', 'org.mongodb.kafka:mongo-kafka-connect:2.0.1:jar:all')
}

/** The folder of Eclipse's MQTT client for Java, by Maven. */
export function mqttLibrary(): Promise<string> {
  return mavenFolder('mqtt-client', 'org.eclipse.paho:org.eclipse.paho.client.mqttv3:1.2.5:jar')
}

/** A folder of what was downloaded, with one artifact: `group:name:version:jar[:classifier]`. */
async function mavenFolder(name: string, artifact: string): Promise<string> {
  const cache = process.env.REFERENCE_CACHE ?? path.join(homedir(), '.cache/reference')
  const folder = path.join(cache, name)
  const [, id, version, , classifier] = artifact.split(':')
  const file = `${id}-${version}${classifier ? `-${classifier}` : ''}.jar`
  if (existsSync(path.join(folder, file))) return folder
  await mkdir(folder, { recursive: true })
  await run(peer('mvn'), [
    '-B',
    '-q',
    'dependency:copy',
    `-Dartifact=${artifact}`,
    `-DoutputDirectory=${folder}`,
  ])
  return folder
}
