import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import fc from 'fast-check'
import { generate } from 'mqtt-packet'
import { planFleet } from '../src/fleet-file.ts'
import { SensorFleet } from '../src/index.ts'
import { DevicePacketReader } from '../src/protocol/device-codec.ts'
import { Climate } from '../src/state/climate.ts'
import { CommandDesk } from '../src/state/command-desk.ts'
import { FakeBroker } from './fake-broker.ts'

const nowMs = Date.UTC(2026, 0, 31, 8)
const sensor = { id: '1', placeId: '9' }
const fleet = {
  ...{ seed: 1, rate: 50, commands: true, fans: [{ id: 'fan-9', place: '9' }] },
  sensors: [{ id: '1', place: '9' }],
}

const command = (id: string, action: string, params: object, more: object = {}): string =>
  JSON.stringify({ id, device: 'x', action, params, expires: Date.now() + 60_000, ...more })

test('a hot sensor stays hot until the fan of its place has run, and is not hot again after it', () => {
  const climate = new Climate()
  const at = (seconds: number): number =>
    Math.round(climate.temperature(sensor, 20, nowMs + seconds * 1_000))
  assert.equal(at(0), 20)
  climate.heat('1', 80, nowMs)
  assert.deepEqual([at(0), at(5), at(600)], [80, 80, 80])
  climate.runFan('9', nowMs + 630_000, nowMs + 600_000)
  const falling = [601, 604, 608].map(at)
  assert.deepEqual(
    falling,
    falling.toSorted((a, b) => b - a),
  )
  assert.ok(at(612) < 25)
  assert.ok(climate.isFanRunning('9', nowMs + 629_000))
  assert.ok(at(629) < 16)
  assert.ok(!climate.isFanRunning('9', nowMs + 631_000))
  assert.equal(at(1_200), 20)
})

test('a fan that stops too early leaves the heat, and memory goes on where it was', () => {
  const [first, second] = [new Climate(), new Climate()]
  first.heat('1', 80, nowMs)
  first.runFan('9', nowMs + 3_000, nowMs)
  const before = first.temperature(sensor, 20, nowMs + 2_000)
  second.restore(JSON.parse(JSON.stringify(first.memory())))
  assert.equal(second.temperature(sensor, 20, nowMs + 2_000), before)
  for (const climate of [first, second])
    assert.ok(climate.temperature(sensor, 20, nowMs + 60_000) > 75)
  assert.equal(
    first.temperature(sensor, 20, nowMs + 60_000),
    second.temperature(sensor, 20, nowMs + 60_000),
  )
})

test('a device does a command once, and says what it cannot do', () => {
  const desk = new CommandDesk(planFleet(fleet), new Climate())
  const take = (device: string, payload: string) => desk.receive(device, payload, nowMs)
  const at = { expires: nowMs + 1_000 }
  const heat = command('a', 'heat', { celsius: 80 }, at)
  assert.deepEqual(take('1', heat), { isChanged: true, answer: '{"id":"a","ok":true}' })
  assert.deepEqual(take('1', heat), { isChanged: false, answer: '{"id":"a","ok":true}' })
  assert.match(take('1', command('b', 'heat', { celsius: 1e9 }, at)).answer!, /"ok":false.*celsius/)
  assert.match(take('1', command('c', 'fan', {}, at)).answer!, /knows heat and cool, not fan/)
  assert.match(take('fan-9', command('d', 'fan', { seconds: -1 }, at)).answer!, /seconds: expected/)
  const late = take('fan-9', command('e', 'fan', { seconds: 1 }, { expires: nowMs }))
  assert.deepEqual(late, { isChanged: false, refused: 'it has expired' })
  for (const none of ['', '{}', 'null', '{"id":1,"action":"fan"}', 'fan on'])
    assert.equal(take('fan-9', none).answer, undefined)
})

test('what a fleet file says of commands is checked', () => {
  const refusals: [object, RegExp][] = [
    [{ fans: [{ id: 'a/b', place: '1' }] }, /fans\.0\.id: expected an id without/],
    [{ commands: true, sensors: [{ id: '+' }] }, /\+ cannot be a level of a topic/],
    [{ commands: true, sensors: [{ count: 1_001 }] }, /at most 1000 sensors take commands/],
    [
      { commands: true, sensors: [{ id: '1' }], fans: [{ id: '1', place: '1' }] },
      /two devices have the same id/,
    ],
  ]
  for (const [written, reason] of refusals) assert.throws(() => planFleet(written), reason)
})

async function startFleet(t: TestContext, broker: FakeBroker, data: string): Promise<SensorFleet> {
  const started = new SensorFleet({ url: broker.url, fleet, data })
  t.after(() => started.stop({ deadlineMs: 100 }))
  await started.start()
  await eventually(() => assert.ok(broker.subscriptions.has('devices/fan-9/commands')))
  return started
}

test('a command is followed, remembered, answered, and then acknowledged, through a restart', async (t) => {
  const broker = await FakeBroker.start(t)
  const data = path.join(await temporaryFolder(t), 'sensors')
  const answers = (): string[] =>
    broker.got.filter(({ topic }) => topic.endsWith('/ack')).map(({ payload }) => String(payload))
  const temperature = (): number => {
    const frame = broker.got.findLast(({ topic }) => topic === 'iot-frames')
    return JSON.parse(String(frame?.payload)).payload.temperature
  }
  const first = await startFleet(t, broker, data)
  const session = broker.connects.find(({ clientId }) => clientId.startsWith('devices-'))
  assert.equal(session?.clean, false)
  const heat = command('a', 'heat', { celsius: 150 })
  broker.publish('devices/1/commands', heat, 7)
  await eventually(() => assert.deepEqual(broker.acknowledged, [7]))
  assert.deepEqual(answers(), ['{"id":"a","ok":true}'])
  assert.match(await readFile(path.join(data, 'commands.json'), 'utf8'), /"1\/a":/)
  await eventually(() => assert.equal(temperature(), 150))
  assert.match(first.metrics(), /khlong_sensors_commands_total\{outcome="done"\} 1/)

  // The broker takes the answer and is gone before its acknowledgement: the command comes again.
  broker.isHolding = true
  broker.publish('devices/fan-9/commands', command('b', 'fan', { seconds: 60 }), 8)
  await eventually(() => assert.equal(answers().length, 2))
  assert.deepEqual(broker.acknowledged, [7])
  broker.cut()
  await first.stop({ deadlineMs: 0 })
  broker.release()
  const second = await startFleet(t, broker, data)
  assert.ok(broker.clientIds.filter((id) => id === session?.clientId).length > 1)
  broker.publish('devices/fan-9/commands', command('b', 'fan', { seconds: 60 }), 8, true)
  await eventually(() => assert.deepEqual(broker.acknowledged, [7, 8]))
  assert.equal(second.metrics().match(/outcome="done"\} 0/)?.length, 1)
  assert.match(second.metrics(), /khlong_sensors_fans_running 1/)
  await eventually(() => assert.ok(temperature() < 100), 20_000)
})

test('a memory that is damaged or newer is refused by name', async (t) => {
  const broker = await FakeBroker.start(t)
  const data = await temporaryFolder(t)
  const start = (): Promise<void> => new SensorFleet({ url: broker.url, fleet, data }).start()
  await writeFile(path.join(data, 'commands.json'), '{')
  await assert.rejects(start(), { code: 'SENSORS_MEMORY_DAMAGED' })
  await writeFile(path.join(data, 'commands.json'), '{"format":"khlong-sensors","version":2}')
  await assert.rejects(start(), { code: 'SENSORS_MEMORY_NEWER' })
})

test('packets cut anywhere are read the same, and any bytes end in packets or a refusal', () => {
  const publish = {
    cmd: 'publish',
    dup: false,
    retain: false,
    topic: 'devices/é/commands',
  } as const
  const bytes = Buffer.concat([
    generate({ cmd: 'connack', returnCode: 0, sessionPresent: true }),
    generate({ cmd: 'suback', messageId: 1, granted: [1, 128] }),
    generate({ ...publish, qos: 1, messageId: 300, payload: 'x'.repeat(200) }),
    generate({ ...publish, qos: 0, payload: '' }),
    generate({ cmd: 'puback', messageId: 9 }),
    generate({ cmd: 'pingresp' }),
  ])
  const whole = new DevicePacketReader().read(bytes)
  assert.deepEqual(
    whole?.map(({ kind }) => kind),
    ['connack', 'suback', 'publish', 'publish', 'puback', 'pingresp'],
  )
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new DevicePacketReader()
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)].map((part) => reader.read(part))
    assert.deepEqual(parts.flat(), whole)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (some) => {
      new DevicePacketReader().read(Buffer.from(some))
    }),
  )
})
