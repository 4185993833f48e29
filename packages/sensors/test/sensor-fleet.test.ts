import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { publishLoad, SensorFleet, type SensorOptions } from '../src/index.ts'
import { FakeBroker } from './fake-broker.ts'

async function startFleet(
  t: TestContext,
  broker: FakeBroker,
  options: Partial<SensorOptions> = {},
): Promise<SensorFleet> {
  const fleet = new SensorFleet({ url: broker.url, ...options })
  t.after(() => fleet.stop({ deadlineMs: 100 }))
  await fleet.start()
  return fleet
}

test('the demo fleet publishes classic frames at QoS 1, retained, and counts what is acknowledged', async (t) => {
  const broker = await FakeBroker.start(t)
  const fleet = await startFleet(t, broker, { fleet: { rate: 50 } })
  const messages = await broker.messages(30)
  assert.ok(
    messages.every(({ topic, qos, retain }) => topic === 'iot-frames' && qos === 1 && retain),
  )
  await fleet.stop()
  const counts = fleet.counts()
  assert.equal(counts.acknowledged, counts.sent)
  assert.equal(counts.sent, broker.got.length)
  for (const sensor of counts.sensors) {
    const seqs = broker
      .frames()
      .filter(({ boot }) => boot === sensor.boot)
      .map(({ seq }) => seq)
    assert.deepEqual(
      seqs,
      seqs.map((_, index) => index + 1),
    )
    assert.equal(seqs.length, sensor.acknowledged)
  }
})

test('what was not acknowledged is sent again after a reconnect, with DUP, and counts once', async (t) => {
  const broker = await FakeBroker.start(t)
  broker.isHolding = true
  const fleet = await startFleet(t, broker, { fleet: { rate: 20 }, max_inflight_messages: 5 })
  await broker.messages(5)
  assert.equal(fleet.counts().acknowledged, 0)
  broker.cut()
  await broker.messages(10)
  assert.ok(broker.got.slice(5, 10).every(({ dup }) => dup))
  broker.release()
  await broker.messages(30)
  await fleet.stop()
  const seen = new Set(broker.frames().map(({ id, seq }) => `${id} ${seq}`))
  assert.equal(seen.size, fleet.counts().acknowledged)
  assert.equal(fleet.counts().dropped, 0)
})

test('a broker that takes nothing costs bounded memory, and the loss is counted', async (t) => {
  const broker = await FakeBroker.start(t)
  broker.isHolding = true
  const fleet = await startFleet(t, broker, {
    fleet: { rate: 1_000 },
    max_inflight_messages: 5,
    max_queued_messages: 20,
  })
  await broker.messages(5)
  while (fleet.counts().dropped === 0) await new Promise((resolve) => setImmediate(resolve))
  const { waiting, produced, dropped } = fleet.counts()
  assert.ok(waiting <= 25, `${waiting} wait`)
  assert.equal(produced, waiting + dropped)
})

test('a stop waits for acknowledgements', async (t) => {
  const broker = await FakeBroker.start(t)
  broker.isHolding = true
  const fleet = await startFleet(t, broker, { fleet: { rate: 100 } })
  await broker.messages(5)
  const stopped = fleet.stop({ deadlineMs: 5_000 })
  broker.release()
  await stopped
  const { sent, acknowledged } = fleet.counts()
  assert.equal(acknowledged, sent)
})

test('a fleet starts before its broker is there', async (t) => {
  const broker = await FakeBroker.start(t)
  const fleet = new SensorFleet({ url: 'mqtt://127.0.0.1:1' })
  t.after(() => fleet.stop({ deadlineMs: 0 }))
  await fleet.start()
  assert.equal(fleet.status, 'ready')
  assert.equal(fleet.vitals().facts.connected, '0/1')
  assert.equal(broker.clientIds.length, 0)
})

test('connections are shared as the fleet says, and QoS 0 and 2 work too', async (t) => {
  const broker = await FakeBroker.start(t)
  const sensors = [
    { count: 4, qos: 2 },
    { count: 4, qos: 0 },
  ]
  const fleet = await startFleet(t, broker, { fleet: { sensors, connections: 3, rate: 20 } })
  await broker.messages(40)
  assert.equal(new Set(broker.clientIds).size, 3)
  await fleet.stop()
  assert.equal(fleet.counts().acknowledged, fleet.counts().sent)
  assert.deepEqual(new Set(broker.got.map(({ qos }) => qos)), new Set([0, 2]))
})

test('connections that break come back, and nothing is lost', async (t) => {
  const broker = await FakeBroker.start(t)
  const faults = { reconnect_every: 0.15 }
  const fleet = await startFleet(t, broker, { fleet: { rate: 50, faults } })
  while (broker.clientIds.length < 3) await broker.messages(broker.got.length + 1)
  while (fleet.counts().waiting > 0) await new Promise((resolve) => setImmediate(resolve))
  const counts = fleet.counts()
  const seen = new Set(broker.frames().map(({ id, seq }) => `${id} ${seq}`))
  assert.ok(seen.size >= counts.acknowledged)
  assert.equal(counts.dropped, 0)
})

test('vitals and metrics show the fleet', async (t) => {
  const broker = await FakeBroker.start(t)
  const fleet = await startFleet(t, broker, { fleet: { rate: 50 } })
  await broker.messages(3)
  const { facts, items } = fleet.vitals()
  assert.deepEqual([facts.sensors, facts.perSecond], [3, 150])
  assert.deepEqual(
    items.map(({ name, kind }) => `${kind} ${name}`),
    ['sensor iot_sensor_1', 'sensor iot_sensor_2', 'sensor iot_sensor_3'],
  )
  assert.deepEqual(items[0]?.to, ['iot-frames'])
  assert.match(fleet.metrics(), /^khlong_sensors 3$/m)
})

test('a load keeps its rate and measures its acknowledgements', async (t) => {
  const broker = await FakeBroker.start(t)
  const seen: string[] = []
  const result = await publishLoad({
    url: broker.url,
    framesPerSecond: 500,
    durationMs: 400,
    connections: 2,
    onAcknowledged: (payload) => seen.push(payload),
  })
  assert.ok(result.sent >= 150 && result.sent <= 200, `${result.sent} sent`)
  assert.equal(result.acknowledged, result.sent)
  assert.equal(new Set(seen).size, result.sent)
  assert.ok(result.latency.p50 > 0 && result.latency.p50 <= result.latency.p99)
  assert.ok(result.latency.p99 <= result.latency.max)
})

test('a load without a rate goes as fast as it is acknowledged', async (t) => {
  const broker = await FakeBroker.start(t)
  const options = { url: broker.url, framesPerSecond: 0, durationMs: 200, inFlight: 50 }
  const result = await publishLoad(options)
  assert.equal(result.acknowledged, result.sent)
  assert.ok(result.sent > 200)
})
