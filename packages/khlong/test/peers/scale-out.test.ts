import assert from 'node:assert/strict'
import path from 'node:path'
import test from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import { LoadSensors } from '../../../../tools/load-sensors.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import { startKafkaCluster, startMongo, startMosquitto } from '../../../../tools/real-engines.ts'
import { countDocuments, readRecords } from '../../../../tools/recount.ts'

// Several processes on one real Kafka of three brokers: they share the work, and neither the death of
// one of them nor that of a broker loses or doubles anything.

const framesPerSecond = 50
const windowMs = 1_000
/** Longer than a take-over: Kafka's shortest session, the end of an open transaction, and a busy machine. */
const graceMs = 40_000

test('two processes share the work; one is killed, then a broker, then another process comes', {
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

  const member = async (name: string): Promise<PipelineProcess> => {
    const made = await PipelineProcess.at(pipeline.folder, {
      flags: ['--data', path.join(folder, name), ...flags],
      set: [
        'prometheus=false',
        'grafana=false',
        `streams.settings.window.size.ms=${windowMs}`,
        `streams.settings.window.grace.ms=${graceMs}`,
        'streams.session.timeout.ms=6000',
        'connect.scheduled.rebalance.max.delay.ms=1000',
      ],
    })
    ends.push(() => made.kill())
    return made
  }
  const flags = [
    ...['--kafka', cluster.servers],
    ...['--mqtt', mqttUrl.replace('tcp:', 'mqtt:')],
    ...['--mongodb', mongoUrl],
  ]
  const pipeline = await PipelineProcess.create({ folder })
  const [first, second, third] = await Promise.all(['first', 'second', 'third'].map(member))
  assert.ok(first && second && third)
  await Promise.all([first.start(120_000), second.start(120_000)])
  await bothWork(first, second)

  const mongo = await MongoClient.connect(mongoUrl)
  ends.push(() => mongo.close())
  const iot = mongo.db('iot')
  // Who may do nothing for half a minute says that it is ready without its subscriptions.
  const publisher = await mqtt.connectAsync(mqttUrl.replace('tcp:', 'mqtt:'))
  await eventually(async () => {
    await publisher.publishAsync('iot-frames', '{"id":"0","seq":-1}', { qos: 1 })
    assert.ok(await iot.collection('iot_frames').findOne({ id: '0' }))
  }, 60_000)
  await publisher.endAsync()
  const sensors = new LoadSensors({
    url: mqttUrl.replace('tcp:', 'mqtt:'),
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
  const reader = await workerOf(first, 'mqtt-source', 0)
  const [dead, alive] =
    reader === `127.0.0.1:${first.ports.connect}` ? [first, second] : [second, first]
  await dead.kill()
  t.diagnostic(`a process killed: the next document after ${await nextDocument()}`)

  await cluster.kill(2)
  t.diagnostic(`a broker killed: the next document after ${await nextDocument()}`)

  const sinceMs = performance.now()
  await third.start(120_000)
  await bothWork(alive, third)
  t.diagnostic(
    `a process added: it has work after ${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`,
  )
  t.diagnostic(`and the next document comes after ${await nextDocument()}`)
  await sensors.finish()

  const documents = await countDocuments(mongoUrl, sensors.acknowledged)
  const missing = [...sensors.acknowledged].filter((frame) => !documents.has(frame))
  const records = await readRecords(cluster.servers)
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

/** Resolved when both have tasks of connectors and of streams, and all run. */
async function bothWork(one: PipelineProcess, other: PipelineProcess): Promise<void> {
  await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${one.ports.connect}/connectors?expand=status`)
    const tasks = Object.values((await response.json()) as Statuses).flatMap(
      ({ status }) => status.tasks,
    )
    assert.equal(tasks.length, 7)
    assert.deepEqual(
      new Set(tasks.map(({ state, worker_id: id }) => `${state} ${id}`)),
      new Set([one, other].map(({ ports }) => `RUNNING 127.0.0.1:${ports.connect}`)),
    )
  }, 60_000)
}
