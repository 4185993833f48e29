import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '@khlong/core/testing'
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import type { MqttBroker } from '../../src/index.ts'
import { portOf, RawClient, rawClient, startBroker } from '../helpers.ts'

async function mqttClient(
  t: TestContext,
  broker: MqttBroker,
  options: IClientOptions = {},
  url = `mqtt://127.0.0.1:${portOf(broker)}`,
): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  t.after(() => client.endAsync(true))
  return client
}

for (const protocolVersion of [4, 5] as const)
  for (const transport of ['mqtt', 'websocket'] as const)
    test(`MQTT.js ${protocolVersion} over ${transport}: each QoS arrives, retained messages too`, async (t) => {
      const broker = await startBroker(t)
      const scheme = transport === 'mqtt' ? 'mqtt' : 'ws'
      const url = `${scheme}://127.0.0.1:${portOf(broker, transport)}`
      const subscriber = await mqttClient(t, broker, { protocolVersion }, url)
      const publisher = await mqttClient(t, broker, { protocolVersion }, url)
      await publisher.publishAsync('rooms/1', 'kept', { qos: 1, retain: true })
      const got: string[] = []
      const all = new Promise<void>((resolve) =>
        subscriber.on('message', (topic, payload, packet) => {
          got.push(`${topic} ${payload} ${packet.qos} ${packet.retain}`)
          if (got.length === 4) resolve()
        }),
      )
      await subscriber.subscribeAsync('rooms/#', { qos: 2 })
      for (const qos of [0, 1, 2] as const)
        await publisher.publishAsync('rooms/2', `with ${qos}`, { qos })
      await all
      assert.deepEqual(got.sort(), [
        'rooms/1 kept 1 true',
        'rooms/2 with 0 0 false',
        'rooms/2 with 1 1 false',
        'rooms/2 with 2 2 false',
      ])
    })

test('requests and answers of MQTT 5 pass through with all their properties', async (t) => {
  const broker = await startBroker(t)
  const service = await mqttClient(t, broker, { protocolVersion: 5 })
  const asker = await mqttClient(t, broker, { protocolVersion: 5 })
  await service.subscribeAsync('ask', { qos: 1, properties: { subscriptionIdentifier: 300 } })
  const asked = new Promise<IPublishPacket>((resolve) =>
    service.once('message', (_topic, _payload, packet) => resolve(packet)),
  )
  const correlationData = Buffer.from([0, 1, 255])
  await asker.publishAsync('ask', '?', {
    qos: 1,
    properties: {
      responseTopic: 'answer',
      correlationData,
      contentType: 'text/plain',
      messageExpiryInterval: 100,
      userProperties: { a: ['1', '2'], b: '3' },
    },
  })
  const properties = (await asked).properties!
  assert.equal(properties.responseTopic, 'answer')
  assert.deepEqual(properties.correlationData, correlationData)
  assert.equal(properties.contentType, 'text/plain')
  assert.deepEqual({ ...properties.userProperties }, { a: ['1', '2'], b: '3' })
  assert.equal(properties.subscriptionIdentifier, 300)
  const expiry = properties.messageExpiryInterval ?? 0
  assert.ok(expiry > 95 && expiry <= 100)
})

test('user properties keep their order across names [MQTT-3.3.2-18]', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', { version: 5 })
  await client.subscribe('t', 0)
  const pair = (name: string, value: string): number[] => [
    38,
    0,
    1,
    name.charCodeAt(0),
    0,
    1,
    value.charCodeAt(0),
  ]
  const properties = [...pair('b', '1'), ...pair('a', '2'), ...pair('b', '3')]
  const body = Buffer.from([0, 1, 0x74, properties.length, ...properties, 0x21])
  const packet = Buffer.concat([Buffer.from([0x30, body.length]), body])
  const echoed = once(client.socket, 'data')
  client.socket.write(packet)
  assert.deepEqual((await echoed)[0], packet)
})

test('a will is sent when a connection breaks, and not after DISCONNECT [MQTT-3.14.4-3]', async (t) => {
  const broker = await startBroker(t)
  const watcher = await rawClient(t, broker, 'watcher')
  await watcher.subscribe('wills/#')
  const will = (topic: string): Record<string, unknown> => ({
    will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false },
  })
  const polite = await rawClient(t, broker, 'polite', { connect: will('wills/polite') })
  polite.send({ cmd: 'disconnect' })
  await once(polite.socket, 'close')
  const broken = await rawClient(t, broker, 'broken', { connect: will('wills/broken') })
  broken.socket.resetAndDestroy()
  const message = await watcher.next()
  assert.equal(message?.topic, 'wills/broken')
})

test('a client with the same id takes the session over, and the first one is told', async (t) => {
  const broker = await startBroker(t)
  const first = await rawClient(t, broker, 'same', { version: 5 })
  const second = new RawClient(portOf(broker), 5)
  t.after(() => second.end())
  const [told, connack] = await Promise.all([first.next(), second.connect('same')])
  assert.equal(told?.cmd, 'disconnect')
  assert.equal(told?.reasonCode, 0x8e)
  assert.equal(connack.reasonCode, 0)
})

test('a persistent session of 3.1.1 keeps what comes while its client is away', async (t) => {
  const broker = await startBroker(t)
  const first = await rawClient(t, broker, 'c', { connect: { clean: false } })
  await first.subscribe('t', 1)
  await first.end()
  const publisher = await rawClient(t, broker, 'p')
  for (const messageId of [1, 2, 3]) publisher.publish('t', `m${messageId}`, { qos: 1, messageId })
  for (const messageId of [1, 2, 3]) assert.equal((await publisher.next())?.messageId, messageId)
  const again = new RawClient(portOf(broker))
  t.after(() => again.end())
  const connack = await again.connect('c', { clean: false })
  assert.equal(connack.sessionPresent, true)
  for (const text of ['m1', 'm2', 'm3']) assert.equal(String((await again.next())?.payload), text)
})

test('CONNACK of MQTT 5 names the limits and the id that was given', async (t) => {
  const broker = await startBroker(t, { max_inflight_messages: 7, max_keepalive: 60 })
  const client = new RawClient(portOf(broker), 5)
  t.after(() => client.end())
  const { properties } = (await client.connect('', { keepalive: 100 })) as {
    properties: Record<string, unknown>
  }
  assert.equal(properties.receiveMaximum, 7)
  assert.equal(properties.serverKeepAlive, 60)
  assert.equal(properties.maximumPacketSize, 2_000_000)
  assert.equal(properties.topicAliasMaximum, 10)
  assert.match(String(properties.assignedClientIdentifier), /^auto-[0-9a-f]{32}$/)
})

test('topic aliases stand for their topic', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', { version: 5 })
  await client.subscribe('long/topic', 0)
  client.publish('long/topic', '1', { properties: { topicAlias: 4 } })
  client.publish('', '2', { properties: { topicAlias: 4 } })
  assert.equal((await client.next())?.topic, 'long/topic')
  const second = await client.next()
  assert.equal(second?.topic, 'long/topic')
  assert.equal(String(second?.payload), '2')
  client.publish('x', '3', { properties: { topicAlias: 11 } })
  assert.equal((await client.next())?.reasonCode, 0x94)
})

test('no more is in flight than the client takes, and nothing larger', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', {
    version: 5,
    connect: { properties: { receiveMaximum: 1, maximumPacketSize: 60 } },
  })
  await client.subscribe('t', 1)
  const publisher = await rawClient(t, broker, 'p')
  for (const [index, text] of ['one', 'x'.repeat(100), 'two'].entries()) {
    publisher.publish('t', text, { qos: 1, messageId: index + 1 })
    await publisher.next()
  }
  const one = await client.next()
  assert.equal(String(one?.payload), 'one')
  await client.settled()
  client.send({ cmd: 'puback', messageId: one!.messageId })
  assert.equal(String((await client.next())?.payload), 'two')
})

test('subscription options: no local, retain as published, retain handling', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', { version: 5 })
  const other = await rawClient(t, broker, 'other', { version: 5 })
  other.publish('r', 'kept', { retain: true })
  await other.settled()
  await client.subscribe('r', 0, { rh: 2, nl: true, rap: true })
  client.publish('r', 'own')
  await client.settled()
  other.publish('r', 'flagged', { retain: true })
  const flagged = await client.next()
  assert.equal(String(flagged?.payload), 'flagged')
  assert.equal(flagged?.retain, true)
  await client.subscribe('r', 0, { rh: 1 })
  await client.settled()
  await client.subscribe('r', 0, { rh: 0 })
  assert.equal(String((await client.next())?.payload), 'flagged')
})

test('a QoS 2 message that is sent again before PUBREC is delivered once', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c')
  const subscriber = await rawClient(t, broker, 's')
  await subscriber.subscribe('t', 1)
  for (const dup of [false, true]) {
    client.publish('t', 'once', { qos: 2, messageId: 3, dup })
    assert.equal((await client.next())?.cmd, 'pubrec')
  }
  client.send({ cmd: 'pubrel', messageId: 3 })
  assert.equal((await client.next())?.cmd, 'pubcomp')
  assert.equal(String((await subscriber.next())?.payload), 'once')
  await subscriber.settled()
})

test('a full queue of a persistent session delays PUBACK and loses nothing', async (t) => {
  const broker = await startBroker(t, { max_queued_messages: 5 })
  const first = await rawClient(t, broker, 'slow', { connect: { clean: false } })
  await first.subscribe('t', 1)
  await first.end()
  const publisher = await rawClient(t, broker, 'p')
  for (let messageId = 1; messageId <= 20; messageId++)
    publisher.publish('t', `m${messageId}`, { qos: 1, messageId })
  for (let messageId = 1; messageId <= 5; messageId++)
    assert.equal((await publisher.next())?.messageId, messageId)
  assert.equal(
    broker.describe().sessions.find((one) => one.clientId === 'slow')?.waitingPublishers,
    1,
  )
  assert.match(broker.vitals().items[0]?.note ?? '', /full queue of slow/)
  const again = await rawClient(t, broker, 'slow', { connect: { clean: false } })
  for (let count = 1; count <= 20; count++) {
    const message = await again.next()
    assert.equal(String(message?.payload), `m${count}`)
    again.send({ cmd: 'puback', messageId: message!.messageId })
  }
  for (let messageId = 6; messageId <= 20; messageId++)
    assert.equal((await publisher.next())?.messageId, messageId)
})

test('a client that fills its own queue gets out by its own acknowledgements', async (t) => {
  const broker = await startBroker(t, { max_queued_messages: 3 })
  const client = await rawClient(t, broker, 'both', { connect: { clean: false } })
  await client.subscribe('t', 1)
  for (let messageId = 1; messageId <= 50; messageId++)
    client.publish('t', `m${messageId}`, { qos: 1, messageId })
  const got: string[] = []
  let ackCount = 0
  while (got.length < 50 || ackCount < 50) {
    const packet = await client.next()
    if (packet?.cmd === 'puback') ackCount++
    else {
      got.push(String(packet?.payload))
      client.send({ cmd: 'puback', messageId: packet!.messageId })
    }
  }
  assert.deepEqual(
    got,
    Array.from({ length: 50 }, (_, index) => `m${index + 1}`),
  )
})

test('a publisher that waits still gets an answer to its ping', async (t) => {
  const broker = await startBroker(t, { max_queued_messages: 1 })
  const away = await rawClient(t, broker, 'away', { connect: { clean: false } })
  await away.subscribe('t', 1)
  await away.end()
  const publisher = await rawClient(t, broker, 'p')
  for (const messageId of [1, 2]) publisher.publish('t', 'x', { qos: 1, messageId })
  assert.equal((await publisher.next())?.messageId, 1)
  await publisher.settled()
  assert.equal(broker.describe().clients[0]?.isBlocked, true)
})

test('UNSUBSCRIBE ends a subscription, and says whether there was one', async (t) => {
  const broker = await startBroker(t)
  for (const [version, codes] of [
    [4, undefined],
    [5, [0, 0x11]],
  ] as const) {
    const client = await rawClient(t, broker, 'c', { version })
    await client.subscribe('t', 1)
    client.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['t', 'u'] })
    const answer = await client.next()
    assert.equal(answer?.cmd, 'unsuback')
    if (codes) assert.deepEqual(answer.granted, codes)
    client.publish('t', 'x')
    await client.settled()
    await client.end()
  }
})

test('clients of MQTT 5 are told when the broker stops', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', { version: 5 })
  await broker.stop()
  assert.equal((await client.next())?.reasonCode, 0x8b)
  assert.equal(await client.next(), undefined)
})

test('held listeners open when they are told to; the internal one is open from the start', async (t) => {
  const broker = await startBroker(t, { hold: true, 'internal.listen': 0 })
  assert.deepEqual(Object.keys(broker.addresses), ['internal'])
  const client = new RawClient(portOf(broker, 'internal'))
  t.after(() => client.end())
  assert.equal((await client.connect('pipeline')).returnCode, 0)
  await Promise.all([broker.openPublicListeners(), broker.openPublicListeners()])
  assert.deepEqual(Object.keys(broker.addresses), ['internal', 'mqtt', 'websocket'])
  await rawClient(t, broker, 'device')
  assert.deepEqual(
    broker
      .describe()
      .clients.map(({ clientId }) => clientId)
      .sort(),
    ['device', 'pipeline'],
  )
})

test('allow_anonymous: false refuses all but the internal listener', async (t) => {
  const broker = await startBroker(t, { allow_anonymous: false, 'internal.listen': 0 })
  for (const [version, field, code] of [
    [4, 'returnCode', 5],
    [5, 'reasonCode', 0x87],
  ] as const) {
    const client = new RawClient(portOf(broker), version)
    assert.equal((await client.connect('c'))[field], code)
    await client.end()
  }
  const internal = new RawClient(portOf(broker, 'internal'))
  t.after(() => internal.end())
  assert.equal((await internal.connect('c')).returnCode, 0)
})

test('who subscribes to $SYS/khlong/clients sees who is connected', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'console')
  await client.subscribe('$SYS/khlong/clients', 0)
  const said = JSON.parse(String((await client.next())?.payload))
  assert.equal(said.clients[0].clientId, 'console')
  assert.equal(said.clients[0].protocol, '3.1.1')
  assert.deepEqual(said.subscriptions, [
    { clientId: 'console', filter: '$SYS/khlong/clients', qos: 0 },
  ])
  assert.equal(said.sessions[0].queued, 0)
})

test('the $SYS tree is retained and closed to clients', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', { version: 5 })
  await client.subscribe('$SYS/broker/uptime', 0)
  const uptime = await client.next()
  assert.match(String(uptime?.payload), /^\d+ seconds$/)
  assert.equal(uptime?.retain, true)
  client.publish('$SYS/broker/uptime', 'never', { qos: 1, messageId: 5 })
  assert.equal((await client.next())?.reasonCode, 0x87)
})

test('vitals and metrics count what went through', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c')
  await client.subscribe('t', 1)
  client.publish('t', 'x', { qos: 1, messageId: 1, retain: true })
  const answers = [await client.next(), await client.next()].map((packet) => packet?.cmd)
  assert.deepEqual(answers.sort(), ['puback', 'publish'])
  const { recordsIn, recordsOut, lag, facts, items } = broker.vitals()
  assert.deepEqual([recordsIn, recordsOut, lag], [1, 1, 1])
  assert.equal(facts.clients, 1)
  const counted = { recordsIn: 1, recordsOut: 1, to: ['c'] }
  assert.partialDeepStrictEqual(items, [{ kind: 'topic', name: 't', ...counted }])
  assert.match(broker.metrics(), /^broker_publish_messages_received 1$/m)
  assert.match(broker.metrics(), /^broker_clients_connected 1$/m)
})

test('other WebSockets and plain requests are turned away', async (t) => {
  const broker = await startBroker(t)
  const address = broker.addresses.websocket
  const plain = await fetch(`http://${address}/`)
  assert.equal(plain.status, 426)
  const socket = new WebSocket(`ws://${address}/mqtt`)
  const [closed] = (await once(socket, 'close')) as [CloseEvent]
  assert.equal(closed.code, 1002)
})

test('a client that is silent for one and a half keep alives is disconnected, and its will sent', async (t) => {
  const clock = new FakeClock()
  const broker = await startBroker(t, {}, { clock })
  const will = { topic: 'wills', payload: Buffer.from('silent'), qos: 0, retain: false }
  const watcher = await rawClient(t, broker, 'watcher')
  await watcher.subscribe('wills', 0)
  const connect = { keepalive: 10, will }
  const client = await rawClient(t, broker, 'c', { version: 5, connect })
  clock.advance(15_000)
  await client.settled()
  clock.advance(16_000)
  assert.equal((await client.next())?.reasonCode, 0x8d)
  assert.equal(String((await watcher.next())?.payload), 'silent')
})

test('a persistent session of MQTT 5 ends at its expiry', async (t) => {
  const clock = new FakeClock()
  const broker = await startBroker(t, { persistent_client_expiration: '1h' }, { clock })
  const properties = { sessionExpiryInterval: 100_000 }
  const client = new RawClient(portOf(broker), 5)
  const connack = await client.connect('c', { clean: false, properties })
  assert.equal((connack.properties as Record<string, unknown>).sessionExpiryInterval, 3_600)
  await client.end()
  while (broker.describe().clients.length > 0) await new Promise((resolve) => setImmediate(resolve))
  clock.advance(3_599_000)
  assert.equal(broker.describe().sessions.length, 1)
  clock.advance(2_000)
  assert.equal(broker.describe().sessions.length, 0)
})

test('max_connections refuses the connection beyond it', async (t) => {
  const broker = await startBroker(t, { max_connections: 1 })
  await rawClient(t, broker, 'one')
  const two = new RawClient(portOf(broker))
  assert.equal(await two.next(), undefined)
})
