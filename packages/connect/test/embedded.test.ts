import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { MongodbServer } from '@khlong/mongodb'
import { MqttBroker } from '@khlong/mqtt'
import { ZooKeeperServer } from '@khlong/zookeeper'
import { MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import { ConnectWorker } from '../src/index.ts'
import { stopsOf } from './helpers/stops.ts'

const connectors = fileURLToPath(new URL('../../../pipelines/iot/connectors', import.meta.url))

describe('the connectors of the pipeline on the embedded parts', () => {
  test('frames become documents, and what Kafka keeps outlives the worker', async (t) => {
    const stops = stopsOf(t)
    const folder = await temporaryFolder(t)
    const broker = new MqttBroker({ listen: 0, data: `${folder}/mqtt` })
    const zookeeper = new ZooKeeperServer({ listen: 0, data: `${folder}/zookeeper` })
    const mongodb = new MongodbServer({ listen: 0, data: `${folder}/mongodb` })
    for (const part of [broker, zookeeper, mongodb]) {
      stops.push(() => part.stop())
      await part.start()
    }
    const kafka = new KafkaBroker({
      listen: 0,
      data: `${folder}/kafka`,
      'zookeeper.connect': Object.values(zookeeper.addresses)[0]!,
      'num.partitions': 6,
      'group.initial.rebalance.delay.ms': 0,
    })
    stops.push(() => kafka.stop())
    await kafka.start()

    const options = {
      listen: 0,
      data: `${folder}/connect`,
      'bootstrap.servers': Object.values(kafka.addresses)[0]!,
      connectors,
      env: {
        KHLONG_MQTT_URL: `tcp://${broker.addresses.mqtt}`,
        KHLONG_MONGODB_URI: `mongodb://${mongodb.addresses.mongodb}`,
        KHLONG_SERIES_URL: 'http://127.0.0.1:0/iot-metrics-time-series',
      },
    }
    const first = new ConnectWorker(options)
    stops.push(() => first.stop())
    await first.start()
    await first.settled()
    assert.equal(first.sourcesSubscribed(), true)

    const client = new MongoClient(options.env.KHLONG_MONGODB_URI)
    stops.push(() => client.close())
    const frames = client.db('iot').collection('iot_frames')
    const documents = (count: number): Promise<void> =>
      eventually(async () => {
        const isThere = (await frames.countDocuments()) >= count
        assert.ok(isThere, JSON.stringify(first.vitals().items))
      })
    const publisher = await mqtt.connectAsync(`mqtt://${broker.addresses.mqtt}`)
    stops.push(() => publisher.endAsync(true))
    const publish = (seq: number) =>
      publisher.publishAsync('iot-frames', JSON.stringify({ id: String(seq % 7), seq }), {
        qos: 1,
        retain: true,
      })
    await Promise.all(Array.from({ length: 200 }, (_item, seq) => publish(seq)))
    await documents(200)
    await first.stop()

    // The broker keeps what comes while nobody is there, for the session of the source.
    await Promise.all(Array.from({ length: 100 }, (_item, index) => publish(200 + index)))
    const second = new ConnectWorker(options)
    stops.push(() => second.stop())
    await second.start()
    await second.settled()
    await documents(300)
    const found = await frames.find().toArray()
    assert.equal(new Set(found.map(({ seq }) => seq as number)).size, 300)
    assert.equal(found.length, 300)
  })
})
