import assert from 'node:assert/strict'
import test from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { start } from 'khlong/test'
import { MongoClient } from 'mongodb'

test('a test has a Kafka and a MongoDB of its own, without containers', async () => {
  await using systems = await start({ kafka: true, mongodb: true })
  const kafka = new Kafka({ brokers: [systems.kafka.bootstrapServers], logLevel: logLevel.NOTHING })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: 'orders', messages: [{ value: 'one' }] })
  await producer.disconnect()
  const client = await MongoClient.connect(systems.mongodb.url)
  await client.db('test').collection('orders').insertOne({ value: 'one' })
  assert.equal(await client.db('test').collection('orders').countDocuments(), 1)
  await client.close()
})

test('two tests at once do not see each other', async () => {
  await using one = await start({ mongodb: true })
  await using other = await start({ mongodb: true })
  assert.notEqual(one.mongodb.url, other.mongodb.url)
})

test('a system that was not asked for is said', async () => {
  await using systems = await start({ mqtt: true })
  assert.match(systems.mqtt.url, /^mqtt:\/\/127\.0\.0\.1:\d+$/)
  assert.throws(
    () => systems.kafka.bootstrapServers,
    /kafka was not started; ask for it: start\(\{ kafka: true \}\)/,
  )
})
