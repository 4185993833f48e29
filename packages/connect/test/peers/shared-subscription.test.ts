import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import mqtt from 'mqtt'
import { startMosquitto } from '../../../../tools/real-engines.ts'
import { MemoryKafka } from '../helpers/memory-kafka.ts'
import { stopsOf } from '../helpers/stops.ts'
import { startWorker } from '../helpers/worker.ts'

test('real Mosquitto: tasks of two workers share what one subscription brings', async (t) => {
  const stops = stopsOf(t)
  const folder = await temporaryFolder(t)
  const broker = await startMosquitto(stops, `${folder}/mosquitto`)
  const kafka = new MemoryKafka()
  const [first, second] = [await startWorker(t, {}, { kafka }), await startWorker(t, {}, { kafka })]
  await first.create('m', {
    'connector.class': 'MqttSource',
    'tasks.max': 2,
    'mqtt.server.uri': broker,
    'mqtt.topics': 'iot/+',
    'mqtt.qos': 1,
    'mqtt.clean.session.enabled': false,
    'mqtt.shared.group': 'readers',
    'kafka.topic': 'frames',
    'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
  })
  await Promise.all([first.worker.settled(), second.worker.settled()])
  const publisher = await mqtt.connectAsync(broker.replace('tcp:', 'mqtt:'))
  stops.push(() => publisher.endAsync(true))
  const count = 200
  await Promise.all(
    Array.from({ length: count }, (_item, seq) =>
      publisher.publishAsync(`iot/${seq % 5}`, String(seq), { qos: 1 }),
    ),
  )
  const records = await kafka.waitFor('frames', count)
  assert.deepEqual(
    records.map(({ value }) => Number(value)).sort((a, b) => a - b),
    Array.from({ length: count }, (_item, seq) => seq),
  )
  const shares = [first, second].map(({ worker }) => worker.vitals().recordsIn)
  assert.equal(shares[0]! + shares[1]!, count)
  assert.ok(Math.min(...shares) > 0, `one has all: ${shares}`)
  t.diagnostic(`${shares.join(' and ')} messages`)
})
