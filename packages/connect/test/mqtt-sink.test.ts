import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { ScriptedBroker } from './helpers/scripted-broker.ts'
import { startWorker } from './helpers/worker.ts'

const config = (url: string) => ({
  'connector.class': 'io.confluent.connect.mqtt.MqttSinkConnector',
  topics: 'commands',
  'mqtt.server.uri': url,
  'mqtt.version': '3.1.1',
  'mqtt.topic': `devices/\${key}/\${topic}`,
  'mqtt.reconnect.backoff.ms': 1,
  'errors.retry.delay.max.ms': 1,
  'errors.tolerance': 'all',
  'errors.deadletterqueue.topic.name': 'letters',
  'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
})

describe('the MQTT sink', () => {
  test('publishes commands, and again when the connection broke before they were acknowledged', async (t) => {
    const broker = await ScriptedBroker.start(t)
    const { create, kafka, worker } = await startWorker(t)
    const put = (key: string, value: string): void =>
      kafka.append({
        topic: 'commands',
        key: Buffer.from(key),
        value: Buffer.from(value),
        headers: [],
      })
    put('777', 'on')
    put('+', 'no topic')
    await create('s', config(broker.url))
    const first = await broker.accept()
    const lost = await first.next('publish')
    assert.equal(lost.topic, 'devices/777/commands')
    assert.equal(lost.qos, 1)
    first.cut()
    const second = await broker.accept()
    const { messageId = 0, payload } = await second.next('publish')
    assert.equal(String(payload), 'on')
    second.send({ cmd: 'puback', messageId })
    const [letter] = await kafka.waitFor('letters', 1)
    assert.equal(String(letter!.key), '+')
    await eventually(() => assert.equal(worker.vitals().items[0]?.recordsOut, 2))
    assert.equal(kafka.records('letters').length, 1)
  })

  test('tells the broker how long a message is of use, and leaves out what is no longer', async (t) => {
    const broker = await ScriptedBroker.start(t)
    const { create, kafka, worker } = await startWorker(t)
    const put = (value: unknown, key: string | null = '777'): void =>
      kafka.append({
        topic: 'commands',
        key: key === null ? null : Buffer.from(key),
        value: Buffer.from(JSON.stringify(value)),
        headers: [],
      })
    put({ id: 'late', expires: Date.now() - 1 })
    put({ id: 'timely', expires: Date.now() + 3_600_000 })
    put({ id: 'when', expires: 'tomorrow' })
    put({ id: 'whose', expires: Date.now() + 3_600_000 }, null)
    put({ id: 'for ever' })
    await create('s', {
      ...config(broker.url),
      'mqtt.version': '5',
      'mqtt.message.expiry.field': 'expires',
    })
    const connection = await broker.accept()
    const take = async (): Promise<[string, number | undefined]> => {
      const { messageId = 0, payload, properties } = await connection.next('publish')
      connection.send({ cmd: 'puback', messageId })
      return [JSON.parse(String(payload)).id, properties?.messageExpiryInterval]
    }
    const [id, seconds = 0] = await take()
    assert.equal(id, 'timely')
    assert.ok(seconds > 3_000 && seconds <= 3_600, String(seconds))
    assert.deepEqual(await take(), ['for ever', undefined])
    const letters = await kafka.waitFor('letters', 2)
    assert.deepEqual(
      letters.map(({ value }) => JSON.parse(String(value)).id),
      ['when', 'whose'],
    )
    await eventually(() => assert.equal(worker.vitals().items[0]?.recordsOut, 5))
  })
})
