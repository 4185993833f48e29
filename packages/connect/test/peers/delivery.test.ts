import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import { startKafka, startMongo, startMosquitto } from '../../../../tools/real-engines.ts'
import { stopsOf } from '../helpers/stops.ts'
import { spawnWorker } from './engines.ts'

const connectors = fileURLToPath(new URL('../../../../pipelines/iot/connectors', import.meta.url))
const frameCount = 3_000
const killCount = 4

test('real Mosquitto, Kafka and another MongoDB: nothing acknowledged is lost while the worker is killed', {
  timeout: 240_000,
}, async (t) => {
  const stops = stopsOf(t)
  const folder = await temporaryFolder(t)
  const [kafka, mongo, broker] = await Promise.all([
    startKafka(stops, `${folder}/kafka`),
    startMongo(stops, `${folder}/mongo`),
    startMosquitto(stops, `${folder}/mosquitto`),
  ])
  const options = {
    'bootstrap.servers': kafka,
    data: `${folder}/connect`,
    connectors,
    env: {
      KHLONG_MQTT_URL: broker,
      KHLONG_MONGODB_URI: mongo,
      KHLONG_SERIES_URL: 'http://127.0.0.1:0/iot-metrics-time-series',
    },
  }
  let worker = await spawnWorker(stops, options)

  const publisher = await mqtt.connectAsync(broker.replace('tcp:', 'mqtt:'))
  stops.push(() => publisher.endAsync(true))
  const publishing = (async () => {
    for (let seq = 0; seq < frameCount; seq += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_item, index) =>
          publisher.publishAsync(
            'iot-frames',
            JSON.stringify({ id: String((seq + index) % 7), seq: seq + index }),
            { qos: 1, retain: true },
          ),
        ),
      )
  })()
  const bad = publisher.publishAsync('iot-frames', 'this is no frame', { qos: 1 })

  const client = new MongoClient(mongo)
  stops.push(() => client.close())
  const frames = client.db('iot').collection('iot_frames')
  for (let kill = 0; kill < killCount; kill++) {
    const before = await frames.countDocuments()
    await eventually(async () => assert.ok((await frames.countDocuments()) > before))
    await worker.kill()
    worker = await spawnWorker(stops, options)
  }
  await Promise.all([publishing, bad])

  const missing = async (): Promise<number> => {
    const seen = new Set((await frames.distinct('seq')) as unknown as number[])
    return frameCount - seen.size
  }
  await eventually(async () => assert.equal(await missing(), 0), 60_000)

  // Ids of topic, partition and offset: what came twice from Kafka has overwritten itself.
  const documents = await frames.find({}, { projection: { seq: 1 } }).toArray()
  assert.equal(new Set(documents.map(({ _id }) => String(_id))).size, documents.length)
  const repeated = documents.length - frameCount
  t.diagnostic(
    `${killCount} kills, ${frameCount} frames, ${repeated} repeated by QoS 1 before Kafka`,
  )
  // Each kill may repeat what was under way, never more than the broker had sent unacknowledged.
  assert.ok(repeated <= killCount * 2_000, `${repeated} repeated`)
})
