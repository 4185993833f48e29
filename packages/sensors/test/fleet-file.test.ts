import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { planFleet } from '../src/fleet-file.ts'
import { resolveSensorOptions } from '../src/index.ts'
import { readFleet } from '../src/options.ts'

const url = 'mqtt://127.0.0.1:1883'

test('without a file the fleet is the classic three', () => {
  const { sensors } = planFleet({})
  assert.deepEqual(
    sensors.map(({ id, name, placeId }) => [id, name, placeId]),
    [
      ['12434345', 'iot_sensor_1', '32347983'],
      ['21321434', 'iot_sensor_2', '32347983'],
      ['43245253', 'iot_sensor_3', '42343243'],
    ],
  )
  for (const { topic, qos, retain, periodMs } of sensors)
    assert.deepEqual([topic, qos, retain, periodMs], ['iot-frames', 1, true, 1_000])
})

test('a count makes many sensors, with their numbers in id, name, place and topic', () => {
  const sensors = [
    { count: 2, id: 'a{n}', name: 'sensor {n}', place: 'room-{n}', topic: 'rooms/{place}/{id}' },
    { count: 2, id: 'b' },
    {},
  ]
  const plan = planFleet({ sensors, rate: 4 })
  assert.deepEqual(
    plan.sensors.map(({ id }) => id),
    ['a1', 'a2', 'b-1', 'b-2', '10000005'],
  )
  assert.equal(plan.sensors[1]?.topic, 'rooms/room-2/a2')
  assert.equal(plan.sensors[1]?.periodMs, 250)
})

test('a mistake in a fleet file is named with file, line and key', async (t) => {
  const fleet = path.join(await temporaryFolder(t), 'sensors.yml')
  const refused = async (text: string, message: RegExp): Promise<void> => {
    await writeFile(fleet, text)
    await assert.rejects(readFleet(resolveSensorOptions({ url, fleet })), message)
  }
  await refused('rate: 1\nqos: 7\n', /sensors\.yml:2: qos/)
  await refused(
    'rate: 1\nsensors:\n  - nam: x\n',
    /sensors\.yml:3: sensors\.0\.nam: unknown setting/,
  )
  await refused('sensors:\n  - id: 5\n    kind: wet\n', /sensors\.yml:3: .*no kind wet/)
  await refused('rate: [1\n', /sensors\.yml:\d+: /)
  await assert.rejects(
    readFleet(resolveSensorOptions({ url, fleet: '/nowhere/x.yml' })),
    /cannot read the fleet file/,
  )
})

test('an unknown option and a url that is none are refused', () => {
  assert.throws(() => resolveSensorOptions({ url, flet: {} }), /did you mean fleet/)
  assert.throws(() => resolveSensorOptions({ url: 'http://x' }), /mqtt:\/\/HOST:PORT/)
})
