import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
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
    while (worker.vitals().items[0]?.recordsOut !== 2)
      await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(kafka.records('letters').length, 1)
  })
})
