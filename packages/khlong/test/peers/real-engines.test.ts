import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { listenTcp, silentLogger } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin, Producer } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import {
  type Ends,
  endProcess,
  freePort,
  startKafka,
  startMongo,
  startMosquitto,
  startPrometheus,
  startZooKeeper,
} from '../../../../tools/real-engines.ts'
import { startSecuredKafka } from '../../../kafka-client/test/peers/secured-kafka.ts'
import { readPipeline } from '../../src/config/pipeline.ts'
import { provisionGrafana } from '../../src/outside/grafana-provisioning.ts'
import { Platform } from '../../src/platform.ts'
import { start } from '../../src/test/index.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Addresses of real systems, by the flags of `khlong up` that put them in place of embedded parts. */
interface Engines {
  readonly mqtt?: string
  readonly zookeeper?: string
  readonly kafka?: string
  readonly mongodb?: string
  readonly prometheus?: string
}

/** A folder of a test, and the ends of what runs in it: the last first, and all before the folder goes. */
async function workplace(t: TestContext): Promise<{ ends: Ends; folder: string }> {
  const ends: (() => Promise<unknown>)[] = []
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { ends: { push: (end) => ends.push(end) }, folder: await temporaryFolder(t) }
}

interface Frame {
  readonly id: string
  readonly seq: number
}

/**
 * Runs pipelines/iot on the engines given, and follows frames to documents, aggregates and series.
 * `kafkaSettings` are lines of the section `kafka` of khlong.yml.
 */
async function followFrames(
  ends: Ends,
  folder: string,
  engines: Engines,
  kafkaSettings: readonly string[] = [],
): Promise<PipelineProcess> {
  const pipeline = await PipelineProcess.create({
    folder,
    flags: Object.entries(engines).flatMap(([part, address]) => [`--${part}`, address]),
    set: ['streams.settings.window.size.ms=1000'],
  })
  let hasEnded = false
  ends.push(async () => {
    await pipeline.stop()
    if (!hasEnded) process.stdout.write(pipeline.output)
  })
  const settings = path.join(pipeline.folder, 'khlong.yml')
  const written = await readFile(settings, 'utf8')
  const lines = kafkaSettings.map((line) => `  ${line}\n`)
  await writeFile(
    settings,
    written.replace(/^kafka:.*\n/m, (section) => section + lines.join('')),
  )
  await pipeline.start(120_000)
  if (engines.prometheus !== undefined)
    await startPrometheus(ends, path.join(folder, 'prometheus'), {
      config: path.join(pipeline.folder, 'data/discovery/prometheus.yml'),
      port: Number(new URL(engines.prometheus).port),
    })
  const mqttUrl = engines.mqtt?.replace('tcp:', 'mqtt:')
  const client = await mqtt.connectAsync(mqttUrl ?? `mqtt://127.0.0.1:${pipeline.ports.mqtt}`)
  ends.push(() => client.endAsync())
  const send = (seq: number): Promise<unknown> =>
    client.publishAsync('iot-frames', frame(seq), { qos: 1 })
  for (let seq = 1; seq <= 20; seq++) await send(seq)
  const mongo = await MongoClient.connect(
    engines.mongodb ?? `mongodb://127.0.0.1:${pipeline.ports.mongodb}`,
  )
  ends.push(() => mongo.close())
  const iot = mongo.db('iot')
  await eventually(async () => {
    const documents = await iot.collection<Frame>('iot_frames').find({ id: sensor }).toArray()
    assert.deepEqual(
      documents.map(({ seq }) => seq).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
  }, 60_000)
  // Every frame counts once, in whichever windows they fell.
  await eventually(async () => {
    const windows = await iot
      .collection<{ sensor_id: string; count_measures: number }>('iot_aggregate_metrics_sensor')
      .find({ sensor_id: sensor })
      .toArray()
    assert.equal(
      windows.reduce((sum, { count_measures: count }) => sum + count, 0),
      20,
    )
  }, 60_000)
  const prometheus = engines.prometheus ?? `http://127.0.0.1:${pipeline.ports.prometheus}`
  const query = encodeURIComponent(`sample_sensor_metric_temperature{sensor_id="${sensor}"}`)
  await eventually(async () => {
    // The sink shows what came within the last minute.
    await send(21)
    const response = await fetch(`${prometheus}/api/v1/query?query=${query}`)
    const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } }
    assert.equal(data.result[0]?.value[1], '20.5')
  }, 60_000)
  hasEnded = true
  return pipeline
}

const sensor = '777'

function frame(seq: number): string {
  return JSON.stringify({
    id: sensor,
    name: 'mine',
    place_id: '1',
    seq,
    timestamp: Date.now(),
    payload: { temperature: 20.5, humidity: 40, pressure: 1013, luminosity: 300 },
  })
}

test('a real Mosquitto takes the place of mqtt', async (t) => {
  const { ends, folder } = await workplace(t)
  await followFrames(ends, folder, { mqtt: await startMosquitto(ends, `${folder}/mosquitto`) })
})

test('a real ZooKeeper stands under the embedded Kafka', async (t) => {
  const { ends, folder } = await workplace(t)
  await followFrames(ends, folder, { zookeeper: await startZooKeeper(ends, `${folder}/zookeeper`) })
})

test('a real Kafka 3.9 on ZooKeeper takes the place of kafka', async (t) => {
  const { ends, folder } = await workplace(t)
  await followFrames(ends, folder, {
    kafka: await startKafka(ends, `${folder}/kafka`, 'zookeeper'),
  })
})

test('a real Kafka takes the place of kafka by SASL_SSL and SCRAM: the whole pipeline, its console, its command line and commands to devices', async (t) => {
  const { ends, folder } = await workplace(t)
  const { kafka, address, certificate, passwords } = await startSecuredKafka('kraft', {
    // As on many a cluster of several teams.
    settings: { 'auto.create.topics.enable': 'false' },
  })
  ends.push(() => kafka.stop())
  const servers = address('SASL_SSL')
  await mkdir(path.join(folder, 'iot'))
  await writeFile(path.join(folder, 'iot/ca.pem'), certificate)
  const login = `org.apache.kafka.common.security.scram.ScramLoginModule required username="scram" password="${passwords.scram}";`
  const pipeline = await followFrames(ends, folder, { kafka: servers }, [
    'security.protocol: SASL_SSL',
    'sasl.mechanism: SCRAM-SHA-512',
    `sasl.jaas.config: ${login}`,
    'ssl.truststore.type: PEM',
    'ssl.truststore.location: ./ca.pem',
  ])
  await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${pipeline.ports.grafana}/-/kafka/topics`)
    const answer = await response.text()
    assert.ok(response.ok, answer)
    assert.match(answer, /"iot-aggregate-metrics-sensor"/)
  }, 60_000)

  const khlong = async (...words: string[]): Promise<string> =>
    (await run(process.execPath, [main, ...words], { timeout: 60_000 })).stdout
  await writeFile(
    path.join(folder, 'client.properties'),
    `security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=${login}\nssl.truststore.type=PEM\nssl.truststore.location=iot/ca.pem\n`,
  )
  const listed = await khlong(
    ...['kafka', 'topics', '--bootstrap-server', servers],
    ...['--command-config', path.join(folder, 'client.properties')],
  )
  assert.match(listed, /^iot-frames\b/m)

  const device = await mqtt.connectAsync(`mqtt://127.0.0.1:${pipeline.ports.mqtt}`)
  ends.push(() => device.endAsync(true))
  const commands: string[] = []
  device.on('message', (_topic, payload) => commands.push(String(payload)))
  await device.subscribeAsync(`devices/${sensor}/commands`, { qos: 1 })
  const at = ['--pipeline', pipeline.folder]
  await khlong('device', 'command', sensor, 'fan', '--param', 'seconds=5', ...at)
  await eventually(() => assert.match(commands[0] ?? '', /"action":"fan"/), 30_000)
  // Its states come by the streams and a connector.
  await eventually(
    async () => assert.match(await khlong('device', 'commands', sensor, ...at), /fan/),
    60_000,
  )

  // A pipeline that stands still moves there by the same login, and a gateway forwards there.
  const properties = path.join(folder, 'client.properties')
  const moving = await pipelineWithRecords(path.join(folder, 'moving'), 'moved')
  const move = ['mirror', moving, '--from', 'embedded', '--to', `kafka=${servers}`]
  assert.match(await khlong(...move, '--command-config', properties), /^moved\. Go on there/m)
  const asSettings = {
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': 'SCRAM-SHA-512',
    'sasl.username': 'scram',
    'sasl.password': passwords.scram,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': path.join(folder, 'iot/ca.pem'),
  }
  const set = (section: string): string[] =>
    Object.entries(asSettings).flatMap(([key, value]) => ['--set', `${section}${key}=${value}`])
  const verified = await khlong(...move, '--verify', ...set('kafka.'))
  assert.match(verified, /^moved-0: 100 records, sha256 /m)
  assert.match(verified, /^all the same$/m)
  await using gateway = await start({ kafka: true })
  await fill(gateway.kafka.bootstrapServers, 'uplink')
  const forward = spawn(
    process.execPath,
    [
      ...[main, 'forward', '--set', `source=${gateway.kafka.bootstrapServers}`],
      ...['--set', `bootstrap.servers=${servers}`, '--set', 'topics=uplink', ...set('')],
    ],
    { stdio: 'ignore' },
  )
  ends.push(() => endProcess(forward, 'SIGTERM'))
  // A reader that begins before the topic is there may have to be given up and begun again.
  await eventually(async () => {
    const found = await khlong(
      ...['kafka', 'consume', 'uplink', '--from-beginning', '--count', '100'],
      ...['--bootstrap-server', servers, '--command-config', properties],
    )
    assert.deepEqual(
      found.trim().split('\n'),
      Array.from({ length: 100 }, (_, index) => `value ${index}`),
    )
  }, 150_000)
})

/** Writes a hundred records to a new topic of one partition. */
async function fill(bootstrapServers: string, topic: string): Promise<void> {
  await using admin = new Admin({ 'bootstrap.servers': bootstrapServers })
  await admin.createTopics([{ name: topic, partitions: 1 }])
  await using producer = new Producer({ 'bootstrap.servers': bootstrapServers })
  await producer.sendBatch(
    topic,
    Array.from({ length: 100 }, (_, index) => ({ key: `${index}`, value: `value ${index}` })),
  )
}

/** A pipeline folder whose Kafka has had a topic, and which was stopped. */
async function pipelineWithRecords(folder: string, topic: string): Promise<string> {
  await mkdir(folder)
  await writeFile(path.join(folder, 'khlong.yml'), 'name: moving\n')
  const platform = await Platform.start({
    pipeline: await readPipeline({
      folder,
      set: ['zookeeper.listen=127.0.0.1:0', 'kafka.listen=127.0.0.1:0'],
    }),
    logger: silentLogger,
    only: ['zookeeper', 'kafka'],
  })
  await fill(platform.book.environment.KHLONG_KAFKA_BOOTSTRAP_SERVERS!, topic)
  await platform.stop()
  return folder
}

test('another server of its protocol takes the place of mongodb', async (t) => {
  const { ends, folder } = await workplace(t)
  await followFrames(ends, folder, { mongodb: await startMongo(ends, `${folder}/mongo`) })
})

test('a real Prometheus takes the place of prometheus, with the file that Khlong writes for it', async (t) => {
  const { ends, folder } = await workplace(t)
  await followFrames(ends, folder, { prometheus: `http://127.0.0.1:${await freePort()}` })
})

test('all of them at once, with a Kafka 4', async (t) => {
  const { ends, folder } = await workplace(t)
  await followFrames(ends, folder, {
    mqtt: await startMosquitto(ends, `${folder}/mosquitto`),
    kafka: await startKafka(ends, `${folder}/kafka`),
    mongodb: await startMongo(ends, `${folder}/mongo`),
    prometheus: `http://127.0.0.1:${await freePort()}`,
  })
})

// Grafana itself is in no package registry: this holds the calls against its documented HTTP API.
test('a real Grafana is given data source and dashboards through its API', async (t) => {
  interface Call {
    readonly request: string
    readonly authorization: string | undefined
    readonly body: Readonly<Record<string, unknown>>
  }
  const calls: Call[] = []
  let isAway = true
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    request.on('end', () => {
      // A gateway before a Grafana that starts.
      if (isAway) {
        isAway = false
        response.writeHead(502).end()
        return
      }
      calls.push({
        request: `${request.method} ${request.url}`,
        authorization: request.headers.authorization,
        body: JSON.parse(text) as Record<string, unknown>,
      })
      const isThere = request.url === '/grafana/api/datasources'
      response.writeHead(isThere ? 409 : 200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  const { port } = await listenTcp(server, { host: '127.0.0.1', port: 0 })
  t.after(() => server.close())
  await provisionGrafana({
    url: `http://admin:p%40ss@127.0.0.1:${port}/grafana/`,
    token: undefined,
    prometheus: 'http://127.0.0.1:9090',
    dashboards: fileURLToPath(new URL('../../../../pipelines/iot/dashboards', import.meta.url)),
    logger: silentLogger,
    signal: new AbortController().signal,
  })
  assert.deepEqual(
    calls.map(({ request }) => request),
    [
      'POST /grafana/api/datasources',
      'PUT /grafana/api/datasources/uid/prometheus',
      'POST /grafana/api/dashboards/db',
      'POST /grafana/api/dashboards/db',
    ],
  )
  const basic = `Basic ${Buffer.from('admin:p@ss').toString('base64')}`
  assert.ok(calls.every(({ authorization }) => authorization === basic))
  assert.deepEqual(calls[1]?.body, {
    uid: 'prometheus',
    name: 'Prometheus',
    type: 'prometheus',
    access: 'proxy',
    url: 'http://127.0.0.1:9090',
    isDefault: true,
  })
  const { dashboard, overwrite } = (calls[2] as Call).body as {
    dashboard: { id: unknown; uid: unknown }
    overwrite: unknown
  }
  assert.equal(dashboard.id, null)
  assert.equal(typeof dashboard.uid, 'string')
  assert.equal(overwrite, true)
})
