import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin, Producer } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'
import { LoadSensors } from '../../../../tools/load-sensors.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import {
  type Ends,
  freePort,
  startKafka,
  startMongo,
  startPrometheus,
} from '../../../../tools/real-engines.ts'
import { countDocuments, explainDuplicates, readRecords } from '../../../../tools/recount.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

async function workplace(t: TestContext): Promise<{ ends: Ends; folder: string }> {
  const ends: (() => Promise<unknown>)[] = []
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { ends: { push: (end) => ends.push(end) }, folder: await temporaryFolder(t) }
}

interface MirrorRun {
  readonly child: ChildProcess
  /** Its exit code, and all that it said. */
  readonly ended: Promise<{ code: number | null; output: string }>
}

function runMirror(folder: string, words: readonly string[]): MirrorRun {
  const child = spawn(process.execPath, [main, 'mirror', folder, '--from', 'embedded', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  return {
    child,
    ended: once(child, 'exit').then(([code]) => ({ code: code as number | null, output })),
  }
}

/** A Prometheus that scrapes nothing and takes what is written to it. */
async function emptyPrometheus(ends: Ends, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const config = path.join(folder, 'prometheus.yml')
  await writeFile(config, '{}')
  return startPrometheus(ends, path.join(folder, 'data'), {
    config,
    port: await freePort(),
    flags: ['--web.enable-remote-write-receiver'],
  })
}

/** Fills a topic of the embedded Kafka, so that a copy takes its time. */
async function fillBulk(bootstrapServers: string, count: number): Promise<void> {
  await using producer = new Producer({
    'bootstrap.servers': bootstrapServers,
    'compression.type': 'lz4',
    'batch.size': 100_000,
  })
  await using admin = new Admin({ 'bootstrap.servers': bootstrapServers })
  await admin.createTopics([
    { name: 'bulk', partitions: 3, configs: { 'retention.ms': '86400000' } },
  ])
  const value = Buffer.alloc(500, 'x')
  for (let index = 0; index < count; index++) {
    const record = {
      topic: 'bulk',
      key: `key-${index % 1_000}`,
      value,
      headers: [['number', String(index)]] as const,
      timestamp: 1_700_000_000_000 + index,
    }
    if (!producer.enqueue(record)) await producer.ready()
  }
  await producer.flush()
}

test('a pipeline moves to a real Kafka and another MongoDB while its sensors send, and nothing is lost or doubled', async (t) => {
  const { ends, folder } = await workplace(t)
  const set = ['streams.settings.window.size.ms=1000']
  const pipeline = await PipelineProcess.create({ folder, set })
  ends.push(() => pipeline.kill())
  const [kafka, mongodb, prometheus] = await Promise.all([
    startKafka(ends, path.join(folder, 'kafka')),
    startMongo(ends, path.join(folder, 'mongo')),
    emptyPrometheus(ends, path.join(folder, 'prometheus')),
    pipeline.start(),
  ])
  const to = ['--to', `kafka=${kafka}`, `mongodb=${mongodb}`, `prometheus=${prometheus}`]
  const sensors = new LoadSensors({
    url: `mqtt://127.0.0.1:${pipeline.ports.mqtt}`,
    seed: 8,
    framesPerSecond: 50,
  })
  ends.push(() => sensors.disconnect())
  await sensors.connect()
  await fillBulk(`127.0.0.1:${pipeline.ports.kafka}`, 200_000)
  await using target = new Admin({ 'bootstrap.servers': kafka })

  const killed = runMirror(pipeline.folder, to)
  const hasBegun = eventually(async () => {
    assert.ok((await target.listTopics()).includes('bulk'))
    const places = [0, 1, 2].map((partition) => ({ topic: 'bulk', partition }))
    const ends = await target.listOffsets(places.map((one) => ({ ...one, spec: 'latest' })))
    assert.ok(ends.some(({ offset }) => offset > 0))
  }, 120_000)
  await Promise.race([hasBegun, killed.ended])
  killed.child.kill('SIGKILL')
  const first = await killed.ended
  assert.equal(first.code, null, `it was not killed in the middle:\n${first.output}`)

  const resumed = await runMirror(pipeline.folder, to).ended
  t.diagnostic(resumed.output)
  assert.equal(resumed.code, 0, resumed.output)
  assert.match(resumed.output, /the pipeline runs/)

  // Sensors have sent all the while; what nobody acknowledges now they send again later.
  await sensors.disconnect()
  assert.equal(await pipeline.stop(), 0, pipeline.output)
  const last = await runMirror(pipeline.folder, to).ended
  t.diagnostic(last.output)
  assert.equal(last.code, 0, last.output)
  assert.match(last.output, /moved\. Go on there/)

  const verified = await runMirror(pipeline.folder, [...to, '--verify']).ended
  t.diagnostic(verified.output)
  assert.equal(verified.code, 0, verified.output)
  const mongo = await MongoClient.connect(mongodb)
  ends.push(() => mongo.close())
  const frames = mongo.db('iot').collection('iot_frames')
  const taken = await frames.findOneAndDelete({})
  const differs = await runMirror(pipeline.folder, ['--to', `mongodb=${mongodb}`, '--verify']).ended
  assert.equal(differs.code, 1, differs.output)
  assert.match(differs.output, /iot\.iot_frames: 1 documents are missing/)
  await frames.insertOne(taken!)

  const onEngines = await PipelineProcess.at(pipeline.folder, {
    flags: ['--kafka', kafka, '--mongodb', mongodb],
    set: [...set, `mqtt.listen=${pipeline.ports.mqtt}`],
  })
  ends.push(() => onEngines.stop())
  await onEngines.start(120_000)
  const before = sensors.acknowledged.size
  await sensors.connect()
  await eventually(() => assert.ok(sensors.acknowledged.size > before + 100), 60_000)
  await sensors.finish()

  const documents = await countDocuments(mongodb, sensors.acknowledged)
  const records = await readRecords(kafka)
  const result = explainDuplicates(documents, records, sensors.sends)
  t.diagnostic(JSON.stringify({ acknowledged: sensors.acknowledged.size, before, ...result }))
  assert.deepEqual(
    [...sensors.acknowledged].filter((frame) => !documents.has(frame)),
    [],
  )
  assert.deepEqual(
    [...sensors.acknowledged].filter((frame) => !records.has(frame)),
    [],
  )
  assert.equal(result.unexplainedDuplicates, 0)
  assert.equal(result.writtenTwice, 0)
  // A window is closed once, on one side or on the other.
  const windows = await mongo
    .db('iot')
    .collection('iot_aggregate_metrics_sensor')
    .aggregate([
      { $group: { _id: { sensor: '$sensor_id', start: '$start_agg' }, count: { $sum: 1 } } },
      { $match: { count: { $gt: 1 } } },
    ])
    .toArray()
  assert.deepEqual(windows, [])
})
