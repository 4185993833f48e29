import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import type { WriteFailure } from '../src/runtime/kafka.ts'
import { ScriptedBroker } from './helpers/scripted-broker.ts'
import { startWorker, type TestWorker } from './helpers/worker.ts'

const frame = (id: string | number, n = 0): string => JSON.stringify({ id, n })

async function startSource(
  t: TestContext,
  config: Record<string, unknown> = {},
): Promise<TestWorker & { broker: ScriptedBroker }> {
  const broker = await ScriptedBroker.start(t)
  const started = await startWorker(t)
  await started.create('mqtt-source', {
    'connector.class': 'io.confluent.connect.mqtt.MqttSourceConnector',
    'mqtt.server.uri': broker.url,
    'mqtt.topics': 'iot-frames',
    'mqtt.qos': 1,
    'mqtt.clean.session.enabled': false,
    'mqtt.version': '3.1.1',
    'mqtt.reconnect.backoff.ms': 1,
    'kafka.topic': 'iot-frames',
    'mqtt.key.field': 'id',
    'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
    'errors.tolerance': 'all',
    'errors.deadletterqueue.topic.name': 'letters',
    'errors.deadletterqueue.context.headers.enable': true,
    ...config,
  })
  return { ...started, broker }
}

const textOf = (value: Uint8Array | null | undefined): string =>
  value ? Buffer.from(value).toString() : ''

const headersOf = (headers: readonly (readonly [string, Uint8Array | null])[]) =>
  Object.fromEntries(headers.map(([key, value]) => [key, textOf(value)]))

/** Something that a test opens and others wait for. */
function gate(): { promise: Promise<void>; open: () => void } {
  let open!: () => void
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

describe('the MQTT source', () => {
  test('keeps a session under a stable id and takes the key from the frame', async (t) => {
    const { broker, kafka, worker } = await startSource(t)
    assert.equal(worker.sourcesSubscribed(), false)
    const connection = await broker.accept()
    assert.equal(connection.connect.clientId, 'khlong-mqtt-source-0')
    assert.equal(connection.connect.clean, false)
    assert.equal(connection.connect.protocolVersion, 4)
    assert.deepEqual(await broker.acceptSubscription(connection), ['iot-frames'])
    await worker.settled()
    assert.equal(worker.sourcesSubscribed(), true)
    connection.publish(1, frame('777'))
    connection.publish(2, frame(43245253))
    assert.equal((await connection.next('puback')).messageId, 1)
    assert.equal((await connection.next('puback')).messageId, 2)
    const [first, second] = await kafka.waitFor('iot-frames', 2)
    assert.equal(textOf(first!.key), '777')
    assert.equal(textOf(first!.value), frame('777'))
    assert.equal(textOf(second!.key), '43245253')
    assert.deepEqual(headersOf(first!.headers), {
      'mqtt.message.id': '1',
      'mqtt.qos': '1',
      'mqtt.retained': 'false',
      'mqtt.duplicate': 'false',
      'mqtt.topic': 'iot-frames',
    })
  })

  test('acknowledges in order, and nothing before it is durable', async (t) => {
    const { broker, kafka } = await startSource(t)
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    const slow = gate()
    kafka.gate = slow.promise
    for (let id = 1; id <= 50; id++) connection.publish(id, frame('a', id))
    connection.send({ cmd: 'pingreq' })
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(connection.waiting, [])
    slow.open()
    for (let id = 1; id <= 50; id++) assert.equal((await connection.next('puback')).messageId, id)
    assert.deepEqual(
      kafka.records('iot-frames').map(({ value }) => JSON.parse(textOf(value)).n),
      Array.from({ length: 50 }, (_item, index) => index + 1),
    )
  })

  test('a connection that breaks while the subscription is written down is made again', async (t) => {
    const broker = await ScriptedBroker.start(t)
    const { create, kafka, worker } = await startWorker(t)
    const slow = gate()
    await create('m', {
      'connector.class': 'MqttSource',
      'mqtt.server.uri': broker.url,
      'mqtt.topics': 'a',
      'mqtt.version': '3.1.1',
      'mqtt.clean.session.enabled': false,
      'mqtt.reconnect.backoff.ms': 1,
    })
    const first = await broker.accept()
    kafka.tableGate = slow.promise
    await broker.acceptSubscription(first)
    first.cut()
    await first.closed()
    slow.open()
    const second = await broker.accept({ sessionPresent: true })
    await worker.settled()
    assert.equal(worker.sourcesSubscribed(), true)
    assert.deepEqual(second.waiting, [])
  })

  test('does not subscribe again where the session is present', async (t) => {
    const { broker, kafka, worker } = await startSource(t)
    const first = await broker.accept()
    await broker.acceptSubscription(first)
    await worker.settled()
    first.cut()
    const second = await broker.accept({ sessionPresent: true })
    second.publish(9, frame('b'))
    assert.equal((await second.next('puback')).messageId, 9)
    assert.equal(kafka.records('iot-frames').length, 1)
    await worker.stop()

    const again = await startWorker(t, {}, { kafka })
    const third = await broker.accept({ sessionPresent: true })
    third.publish(3, frame('c'))
    assert.equal((await third.next('puback')).messageId, 3)
    await again.worker.settled()
  })

  test('subscribes anew, and drops what is not asked for any more, when its topics change', async (t) => {
    const { broker, call, worker } = await startSource(t)
    const first = await broker.accept()
    await broker.acceptSubscription(first)
    await worker.settled()
    await call('PATCH', '/connectors/mqtt-source/config', { 'mqtt.topics': 'other/#' })
    const second = await broker.accept({ sessionPresent: true })
    const { unsubscriptions, messageId = 0 } = await second.next('unsubscribe')
    assert.deepEqual(unsubscriptions, ['iot-frames'])
    second.send({ cmd: 'unsuback', messageId, granted: [] })
    assert.deepEqual(await broker.acceptSubscription(second), ['other/#'])
  })

  test('acknowledges retained copies of a new subscription in their turn and skips them', async (t) => {
    const { broker, kafka } = await startSource(t)
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    connection.publish(1, frame('old'), { retain: true })
    connection.publish(2, frame('new'))
    connection.publish(3, frame('old'), { retain: true })
    for (const id of [1, 2, 3]) assert.equal((await connection.next('puback')).messageId, id)
    assert.deepEqual(
      kafka.records('iot-frames').map(({ key }) => textOf(key)),
      ['new'],
    )
  })

  test('what is no JSON or lacks the field becomes a dead letter before it is acknowledged', async (t) => {
    const { broker, kafka } = await startSource(t)
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    connection.publish(1, 'hello')
    connection.publish(2, '{"temperature":21}')
    connection.publish(3, frame('good'))
    for (const id of [1, 2, 3]) assert.equal((await connection.next('puback')).messageId, id)
    const [first, second] = kafka.records('letters')
    assert.equal(textOf(first!.value), 'hello')
    assert.equal(headersOf(first!.headers)['mqtt.topic'], 'iot-frames')
    assert.equal(headersOf(first!.headers)['__connect.errors.stage'], 'TASK_POLL')
    assert.match(
      headersOf(second!.headers)['__connect.errors.exception.message'] ?? '',
      /no text or number in its field id/,
    )
    assert.equal(kafka.records('iot-frames').length, 1)
  })

  test('a frame too large for Kafka leaves its head as a dead letter', async (t) => {
    const { broker, kafka, worker } = await startSource(t)
    kafka.refuse = ({ value }): WriteFailure | undefined =>
      (value?.byteLength ?? 0) > 1_000_000
        ? { isTooLarge: true, isRetriable: false, error: new Error('larger than Kafka takes') }
        : undefined
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    const large = JSON.stringify({ id: 'a', text: 'x'.repeat(1_200_000) })
    connection.publish(1, large)
    connection.publish(2, frame('b'))
    for (const id of [1, 2]) assert.equal((await connection.next('puback')).messageId, id)
    const [letter] = kafka.records('letters')
    assert.equal(textOf(letter!.value), large.slice(0, 64 * 1024))
    const headers = headersOf(letter!.headers)
    assert.equal(headers['__connect.errors.value.bytes'], String(large.length))
    assert.equal(headers['__connect.errors.truncated'], 'true')
    assert.equal(headers['__connect.errors.stage'], 'KAFKA_PRODUCE')
    assert.equal(worker.vitals().items[0]?.deadLetters, 1)
  })

  test('without tolerance a bad frame fails the task and is not acknowledged', async (t) => {
    const { broker, reach } = await startSource(t, { 'errors.tolerance': 'none' })
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    connection.publish(1, 'hello')
    const { trace } = await reach('mqtt-source', 'FAILED')
    assert.match(trace ?? '', /Tolerance exceeded in error handler/)
    await connection.next('disconnect')
    assert.deepEqual(connection.waiting, [])
  })

  test('several tasks share a subscription, each under an id of its own', async (t) => {
    const { broker, kafka, worker, call } = await startSource(t, {
      'mqtt.shared.group': 'readers',
      'tasks.max': 2,
    })
    const connections = [await broker.accept(), await broker.accept()]
    for (const connection of connections)
      assert.deepEqual(await broker.acceptSubscription(connection), ['$share/readers/iot-frames'])
    assert.deepEqual(connections.map(({ connect }) => connect.clientId).sort(), [
      'khlong-mqtt-source-0',
      'khlong-mqtt-source-1',
    ])
    await worker.settled()
    for (const [index, connection] of connections.entries()) {
      connection.publish(1, frame(index))
      assert.equal((await connection.next('puback')).messageId, 1)
    }
    const records = await kafka.waitFor('iot-frames', 2)
    assert.deepEqual(records.map(({ key }) => textOf(key)).sort(), ['0', '1'])
    const tasks = (await call('GET', '/connectors/mqtt-source/tasks')).body as unknown[]
    assert.equal(tasks.length, 2)
  })

  test('records that Kafka does not take now are written again until it does', async (t) => {
    const { broker, kafka, worker } = await startSource(t)
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    let refusals = 0
    kafka.refuse = (record): WriteFailure | undefined =>
      record.topic === 'iot-frames' && refusals++ < 2
        ? { isTooLarge: false, isRetriable: true, error: new Error('away') }
        : undefined
    connection.publish(1, frame('a', 1))
    connection.publish(2, frame('a', 2))
    for (const id of [1, 2]) assert.equal((await connection.next('puback')).messageId, id)
    assert.equal(kafka.records('iot-frames').length, 2)
    assert.equal(worker.vitals().items[0]?.note, undefined)
  })

  test('a message that is on its way when the connection breaks is not written twice', async (t) => {
    const { broker, kafka, worker } = await startSource(t)
    const first = await broker.accept()
    await broker.acceptSubscription(first)
    const slow = gate()
    kafka.gate = slow.promise
    const taken = async (count: number): Promise<void> => {
      while (worker.vitals().items[0]?.recordsIn !== count)
        await new Promise((resolve) => setImmediate(resolve))
    }
    first.publish(1, frame('a', 1))
    first.publish(2, frame('a', 2))
    await taken(2)
    first.cut()
    const second = await broker.accept({ sessionPresent: true })
    second.publish(1, frame('a', 1), { dup: true })
    second.publish(2, frame('a', 2), { dup: true })
    second.publish(3, frame('a', 3))
    await taken(3)
    slow.open()
    for (const id of [1, 2, 3]) assert.equal((await second.next('puback')).messageId, id)
    assert.equal(kafka.records('iot-frames').length, 3)
  })

  test('QoS 2 is received when it is durable, and a repetition is not written again', async (t) => {
    const { broker, kafka } = await startSource(t, { 'mqtt.qos': 2 })
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    connection.publish(5, frame('a'), { qos: 2 })
    assert.equal((await connection.next('pubrec')).messageId, 5)
    connection.publish(5, frame('a'), { qos: 2, dup: true })
    assert.equal((await connection.next('pubrec')).messageId, 5)
    connection.send({ cmd: 'pubrel', messageId: 5 })
    assert.equal((await connection.next('pubcomp')).messageId, 5)
    connection.publish(5, frame('b'), { qos: 2 })
    await connection.next('pubrec')
    assert.equal(kafka.records('iot-frames').length, 2)
  })

  test('stops reading the broker while too much is under way, and goes on', async (t) => {
    const { broker, kafka } = await startSource(t, { 'mqtt.inflight.bytes': 100_000 })
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    const slow = gate()
    kafka.gate = slow.promise
    const payload = JSON.stringify({ id: 'a', text: 'x'.repeat(10_000) })
    for (let id = 1; id <= 200; id++) connection.publish(id, payload)
    slow.open()
    for (let id = 1; id <= 200; id++) assert.equal((await connection.next('puback')).messageId, id)
  })

  test('speaks MQTT 5 first, and 3.1.1 where the broker refuses that', async (t) => {
    const { broker, worker } = await startSource(t, { 'mqtt.version': 'auto' })
    const five = await broker.connection()
    assert.equal(five.connect.protocolVersion, 5)
    assert.equal(five.connect.properties?.sessionExpiryInterval, 0xffff_ffff)
    assert.equal(five.connect.properties?.receiveMaximum, 2_000)
    five.send({ cmd: 'connack', reasonCode: 0x84, returnCode: 0, sessionPresent: false })
    const four = await broker.accept()
    assert.equal(four.connect.protocolVersion, 4)
    await broker.acceptSubscription(four)
    await worker.settled()
  })

  test('a login that is refused fails the task with the broker’s reason', async (t) => {
    const { broker, reach } = await startSource(t)
    const connection = await broker.connection()
    connection.send({ cmd: 'connack', returnCode: 5, reasonCode: 5, sessionPresent: false })
    const { trace } = await reach('mqtt-source', 'FAILED')
    assert.match(trace ?? '', /refuses the connection: not authorized/)
  })

  test('a broker that is away is tried again, and the connector says so', async (t) => {
    const { worker, call } = await startSource(t, { 'mqtt.server.uri': 'tcp://127.0.0.1:9' })
    await eventually(() => assert.match(worker.vitals().items[0]?.note ?? '', /ECONNREFUSED/))
    assert.equal(worker.vitals().items[0]?.state, 'starting')
    assert.equal((await call('DELETE', '/connectors/mqtt-source')).status, 204)
  })

  test('the classic file gives the classic key, and its options are known', async (t) => {
    const { broker, kafka, create } = await (async () => {
      const scripted = await ScriptedBroker.start(t)
      return { broker: scripted, ...(await startWorker(t)) }
    })()
    const prefix = 'org.apache.kafka.connect'
    await create('mqtt-source', {
      'connector.class': 'io.confluent.connect.mqtt.MqttSourceConnector',
      'tasks.max': 1,
      'mqtt.server.uri': broker.url,
      'mqtt.topics': 'iot-frames',
      'mqtt.qos': 1,
      'mqtt.version': '3.1.1',
      'kafka.topic': 'iot-frames',
      'value.converter': `${prefix}.converters.ByteArrayConverter`,
      'value.converter.schemas.enable': false,
      'key.converter': `${prefix}.json.JsonConverter`,
      'key.converter.schemas.enable': false,
      'converter.encoding': 'UTF-8',
      'confluent.topic.bootstrap.servers': 'kafka:9092',
      'confluent.topic.replication.factor': 1,
      transforms: 'createMap,createKey,extractString',
      'transforms.createMap.type': `${prefix}.transforms.HoistField$Value`,
      'transforms.createMap.field': 'id',
      'transforms.createKey.type': `${prefix}.transforms.ValueToKey`,
      'transforms.createKey.fields': 'id',
      'transforms.extractString.type': `${prefix}.transforms.ExtractField$Value`,
      'transforms.extractString.field': 'id',
    })
    const connection = await broker.accept()
    await broker.acceptSubscription(connection)
    connection.publish(1, '{"id":"1"}')
    const [record] = await kafka.waitFor('iot-frames', 1)
    assert.equal(textOf(record!.value), '{"id":"1"}')
    assert.equal(textOf(record!.key), `{"id":"${Buffer.from('{"id":"1"}').toString('base64')}"}`)
  })
})
