import { execFile, execFileSync, spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually } from '@khlong/core/testing'
import { Admin } from '@khlong/kafka-client'
import { peer, reference } from '../../tools/peers.ts'
import {
  type Ends,
  endProcess,
  freePort,
  launchMosquitto,
  startKafka,
} from '../../tools/real-engines.ts'
import { mongoPlugin, mqttLibrary, startJavaWorker } from '../java-connect.ts'
import { connectorFiles, type Stack, startDocuments } from './stack.ts'

const run = promisify(execFile)

/** What of the real stack is compiled before anything is measured. */
export interface RealParts {
  /** Plugins of the Connect worker, comma-separated. */
  readonly plugins: string
  /** Class path of the Streams application. */
  readonly classPath: string
}

/** Compiles the MQTT source and the Streams application, and downloads what is missing. */
export async function buildRealParts(folder: string): Promise<RealParts> {
  const kafka = execFileSync('bash', [reference('kafka.sh'), 'classpath', 'kraft'], {
    encoding: 'utf8',
  }).trim()
  const [mongo, mqtt] = [await mongoPlugin(), await mqttLibrary()]
  const classes = path.join(folder, 'classes')
  const services = path.join(classes, 'META-INF/services')
  await mkdir(services, { recursive: true })
  const source = (name: string): string => fileURLToPath(new URL(`java/${name}`, import.meta.url))
  const classPath = `${kafka}:${mqtt}/*`
  await run('javac', [
    ...['-d', classes, '-cp', classPath],
    ...[source('MqttSource.java'), source('IotProcessor.java')],
  ])
  await writeFile(
    path.join(services, 'org.apache.kafka.connect.source.SourceConnector'),
    'khlong.bench.MqttSource\n',
  )
  const plugin = path.join(folder, 'plugins/mqtt')
  await mkdir(plugin, { recursive: true })
  await run('jar', ['cf', path.join(plugin, 'mqtt.jar'), '-C', classes, '.'])
  await run('cp', ['-r', `${mqtt}/.`, plugin])
  return { plugins: `${path.dirname(plugin)},${mongo}`, classPath: `${kafka}:${classes}` }
}

/**
 * Mosquitto, Kafka in KRaft mode, the Java Connect worker with an MQTT source and MongoDB's sink, and a Java
 * Streams application, each with the heap that its own start script gives it. What can start at once does.
 */
export async function startRealStack(
  ends: Ends,
  folder: string,
  { plugins, classPath }: RealParts,
  windowMs: number,
): Promise<Stack> {
  const kafkaFolder = path.join(folder, 'kafka')
  const [mosquitto, documents, servers] = await Promise.all([
    launchMosquitto(ends, path.join(folder, 'mosquitto')),
    startDocuments(ends, path.join(folder, 'documents'), await freePort()),
    startKafka(ends, kafkaFolder, 'kraft', { KAFKA_HEAP: '-Xms1G -Xmx1G' }),
  ])
  await using admin = new Admin({ 'bootstrap.servers': servers })
  await admin.createTopics(
    [
      'iot-frames',
      'iot-aggregate-metrics-sensor',
      'iot-aggregate-metrics-place',
      'iot-metrics-time-series',
    ].map((name) => ({ name, partitions: 6 })),
  )
  const streams = spawn(
    peer('java'),
    [
      ...['-Xms512M', '-Xmx1G', '-XX:+UseG1GC', '-cp', classPath],
      ...['khlong.bench.IotProcessor', servers, path.join(folder, 'state'), String(windowMs)],
    ],
    { stdio: 'ignore' },
  )
  ends.push(() => endProcess(streams, 'SIGKILL'))
  const worker = await startJavaWorker(kafkaFolder, plugins)
  ends.push(() => worker.stop())
  // A worker that has started may still have no resources, or share out what it was given before.
  const put = (name: string, config: Readonly<Record<string, unknown>>): Promise<void> =>
    eventually(async () => {
      const response = await fetch(`${worker.url}/connectors/${name}/config`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(config),
      })
      if (!response.ok) throw new Error(`${name}: ${response.status} ${await response.text()}`)
    }, 60_000)
  for (const { name, config } of await connectorFiles())
    if (name === 'mqtt-source')
      await put(name, {
        'connector.class': 'khlong.bench.MqttSource',
        'tasks.max': 1,
        'mqtt.server.uri': mosquitto.url,
        'mqtt.topics': 'iot-frames',
        'kafka.topic': 'iot-frames',
        'key.converter': config['key.converter'],
        'value.converter': config['value.converter'],
      })
    else await put(name, { ...config, 'connection.uri': documents.uri })
  const broker = Number(await readFile(path.join(kafkaFolder, 'broker.pid'), 'utf8'))
  return {
    mqttUrl: mosquitto.url.replace('tcp:', 'mqtt:'),
    documents,
    processes: {
      mosquitto: mosquitto.processId,
      kafka: broker,
      connect: worker.processId,
      streams: streams.pid!,
    },
  }
}
