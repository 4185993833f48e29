import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import { LoadSensors } from '../../../../tools/load-sensors.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import {
  endProcess,
  freePort,
  startKafkaCluster,
  startMongo,
  startMosquitto,
} from '../../../../tools/real-engines.ts'
import { countDocuments, readRecords } from '../../../../tools/recount.ts'

// Several processes on one real Kafka of three brokers: they share the work, and neither the death of
// one of them nor that of a broker loses or doubles anything.

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const framesPerSecond = 50
const windowMs = 1_000
/** Longer than a take-over: Kafka's shortest session, the end of an open transaction, and a busy machine. */
const graceMs = 40_000

test('two processes share the work; one is killed, then a broker, then parts alone join', {
  timeout: 600_000,
}, async (t) => {
  const ends: (() => Promise<unknown>)[] = []
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  const folder = await temporaryFolder(t)
  const [cluster, mqttUrl, mongoUrl] = await Promise.all([
    startKafkaCluster(ends, path.join(folder, 'kafka')),
    startMosquitto(ends, path.join(folder, 'mosquitto')),
    startMongo(ends, path.join(folder, 'mongo')),
  ])

  const brokerUrl = mqttUrl.replace('tcp:', 'mqtt:')
  const membership = [
    `streams.settings.window.size.ms=${windowMs}`,
    `streams.settings.window.grace.ms=${graceMs}`,
    'streams.session.timeout.ms=6000',
    'streams.settings.fan.above.celsius=32',
    'connect.scheduled.rebalance.max.delay.ms=1000',
  ]
  const pipeline = await PipelineProcess.create({ folder })
  const member = async (name: string): Promise<PipelineProcess> => {
    const made = await PipelineProcess.at(pipeline.folder, {
      flags: [
        ...['--data', path.join(folder, name), '--kafka', cluster.servers],
        ...['--mqtt', brokerUrl, '--mongodb', mongoUrl],
      ],
      set: ['prometheus=false', 'grafana=false', ...membership],
    })
    ends.push(() => made.kill())
    return made
  }
  const [first, second] = [await member('first'), await member('second')]
  await Promise.all([first.start(120_000), second.start(120_000)])
  await bothWork(first.ports.connect, second.ports.connect)

  await using admin = new Admin({ 'bootstrap.servers': cluster.servers })
  for (const { name, partitions } of await admin.describeTopics())
    for (const { replicaIds } of partitions)
      assert.equal(replicaIds.length, 3, `replicas of ${name}`)

  const mongo = await MongoClient.connect(mongoUrl)
  ends.push(() => mongo.close())
  const iot = mongo.db('iot')
  // Who may do nothing for half a minute says that it is ready without its subscriptions.
  const publisher = await mqtt.connectAsync(brokerUrl)
  await eventually(async () => {
    await publisher.publishAsync('iot-frames', '{"id":"0","seq":-1}', { qos: 1 })
    assert.ok(await iot.collection('iot_frames').findOne({ id: '0' }))
  }, 60_000)
  await publisher.endAsync()
  const sensors = new LoadSensors({
    url: brokerUrl,
    seed: Date.now() % 1_000_000,
    framesPerSecond,
  })
  ends.push(() => sensors.disconnect())
  await sensors.connect()
  /** How long until a frame that is sent from now on is a document. */
  const nextDocument = async (): Promise<string> => {
    const sinceMs = performance.now()
    const seq = sensors.sent
    await eventually(
      async () => assert.ok(await iot.collection('iot_frames').findOne({ seq: { $gte: seq } })),
      90_000,
    )
    return `${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`
  }
  t.diagnostic(`a document ${await nextDocument()} after its frame`)

  // The one that reads MQTT, so that no frame comes through until another one does.
  const reader = await eventually(() => workerOf(first, 'mqtt-source', 0), 30_000)
  const [dead, alive] =
    reader === `127.0.0.1:${first.ports.connect}` ? [first, second] : [second, first]
  await dead.kill()
  t.diagnostic(`a process killed: the next document after ${await nextDocument()}`)

  await cluster.kill(2)
  t.diagnostic(`a broker killed: the next document after ${await nextDocument()}`)

  // The third is not the whole of it: a worker of connectors, and an instance of the applications, with
  // the settings that khlong.yml gives them.
  const sinceMs = performance.now()
  const [port, seriesPort] = [await freePort(), await freePort()]
  const part = async (name: 'connect' | 'streams', ...words: string[]): Promise<PartProcess> => {
    const started = startPart(
      [name, '--data', path.join(folder, `third-${name}`), ...words],
      [
        `bootstrap.servers=${cluster.servers}`,
        ...membership.flatMap((setting) =>
          setting.startsWith(`${name}.`) ? [setting.slice(name.length + 1)] : [],
        ),
      ],
      {
        KHLONG_MQTT_URL: brokerUrl,
        KHLONG_MONGODB_URI: mongoUrl,
        KHLONG_SERIES_URL: `http://127.0.0.1:${seriesPort}/iot-metrics-time-series`,
      },
    )
    ends.push(started.kill)
    return started
  }
  await part('connect', '--listen', String(port))
  const streams = await part('streams', '--set', `apps=${path.join(pipeline.folder, 'streams')}`)
  await bothWork(alive.ports.connect, port)
  await eventually(
    () => assert.match(streams.output(), /application=iot-processor .*tasks=\["/),
    60_000,
  )
  t.diagnostic(
    `a worker and an instance added: they work after ${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`,
  )
  t.diagnostic(`and the next document comes after ${await nextDocument()}`)
  await sensors.finish()

  const documents = await countDocuments(mongoUrl, sensors.acknowledged)
  const missing = [...sensors.acknowledged].filter((frame) => !documents.has(frame))
  const records = await readRecords(cluster.servers)
  for (const frame of records.keys()) if (frame.startsWith('0/')) records.delete(frame)
  const count = [...records.values()].reduce((sum, { records: each }) => sum + each, 0)
  t.diagnostic(
    `${sensors.acknowledged.size} frames, ${count} records, ${missing.length} frames without a document`,
  )
  for (const frame of missing)
    t.diagnostic(`${frame} has ${records.get(frame)?.records ?? 0} records`)
  assert.ok(sensors.acknowledged.size > 500)
  assert.deepEqual(missing, [])
  // What a sensor or the broker sent again is in Kafka again; from there on each record counts once.
  for (const [frame, { records: each }] of records)
    assert.equal(documents.get(frame), each, `documents of ${frame}`)
  await eventually(async () => {
    const windows = await iot
      .collection<{ count_measures: number }>('iot_aggregate_metrics_sensor')
      .find()
      .toArray()
    assert.equal(
      windows.reduce((sum, { count_measures: each }) => sum + each, 0),
      count,
      'frames in the windows of sensors',
    )
  }, 180_000)
})

interface Statuses {
  readonly [connector: string]: {
    readonly status: { readonly tasks: readonly { state: string; worker_id: string }[] }
  }
}

async function workerOf({ ports }: PipelineProcess, name: string, task: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${ports.connect}/connectors?expand=status`)
  const found = ((await response.json()) as Statuses)[name]?.status.tasks[task]
  assert.equal(found?.state, 'RUNNING', name)
  return found.worker_id
}

/** Resolved when both workers, by their ports, have tasks of connectors, and all run. */
async function bothWork(one: number, other: number): Promise<void> {
  await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${one}/connectors?expand=status`)
    const tasks = Object.values((await response.json()) as Statuses).flatMap(
      ({ status }) => status.tasks,
    )
    assert.equal(tasks.length, 7)
    assert.deepEqual(
      new Set(tasks.map(({ state, worker_id: id }) => `${state} ${id}`)),
      new Set([one, other].map((port) => `RUNNING 127.0.0.1:${port}`)),
    )
  }, 60_000)
}

interface PartProcess {
  output(): string
  kill(): Promise<void>
}

/** One part alone, in a process of its own. */
function startPart(
  words: readonly string[],
  settings: readonly string[],
  environment: Readonly<Record<string, string>>,
): PartProcess {
  const child = spawn(
    process.execPath,
    [main, ...words, ...settings.flatMap((setting) => ['--set', setting])],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  return { output: () => output, kill: () => endProcess(child, 'SIGKILL') }
}
