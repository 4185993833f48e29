import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '@khlong/core/testing'
import fc from 'fast-check'
import { planFleet } from '../src/fleet-file.ts'
import { Curve } from '../src/state/curve.ts'
import { RepeatableRandom } from '../src/state/repeatable-random.ts'
import { type Frame, Sensor } from '../src/state/sensor.ts'
import { TimerWheel } from '../src/state/timer-wheel.ts'

const nowMs = Date.UTC(2026, 0, 31, 8)

function sensorOf(fleet: Record<string, unknown>, seed = 1): Sensor {
  return new Sensor(planFleet(fleet).sensors[0]!, new SeededRandom(seed), 0, nowMs)
}

/** Runs a sensor for `count` periods and gives what it sends, by period. */
function run(sensor: Sensor, count: number): Frame[][] {
  return Array.from({ length: count }, (_, index) => {
    const frames: Frame[] = []
    sensor.measure(index * 1_000, nowMs + index * 1_000, (frame) => frames.push(frame))
    return frames
  })
}

test('a frame is the classic one, in its order, with seq and boot behind', () => {
  const sensor = sensorOf({})
  const { payload } = sensor.frameAt(nowMs)
  const frame = JSON.parse(payload)
  assert.deepEqual(Object.keys(frame), [
    'id',
    'name',
    'place_id',
    'date',
    'timestamp',
    'payload',
    'seq',
    'boot',
  ])
  assert.deepEqual(Object.keys(frame.payload), [
    'temperature',
    'humidity',
    'pressure',
    'luminosity',
  ])
  assert.equal(frame.id, '12434345')
  assert.equal(frame.date, '2026-01-31T08:00:00.000+0000')
  assert.equal(frame.timestamp, nowMs)
  assert.equal(frame.seq, 1)
  assert.match(frame.boot, /^[0-9a-f]{12}$/)
  assert.equal(JSON.stringify(frame), payload)
})

test('sequence: false gives the bare frame', () => {
  const frame = JSON.parse(sensorOf({ sequence: false }).frameAt(nowMs).payload)
  assert.deepEqual(Object.keys(frame), ['id', 'name', 'place_id', 'date', 'timestamp', 'payload'])
})

test('values are integers within their ranges, move, and do not jump', () => {
  const ranges = {
    temperature: [-5, 34],
    humidity: [0, 99],
    pressure: [1_000, 1_029],
    luminosity: [0, 64_999],
  } as const
  for (let seed = 0; seed < 20; seed++) {
    const sensor = sensorOf({}, seed)
    const frames = Array.from({ length: 600 }, (_, index) =>
      JSON.parse(sensor.frameAt(nowMs + index * 1_000).payload),
    )
    for (const [measure, [min, max]] of Object.entries(ranges)) {
      const values: number[] = frames.map(({ payload }) => payload[measure])
      for (const [index, value] of values.entries()) {
        assert.ok(Number.isInteger(value) && value >= min && value <= max, `${measure} ${value}`)
        const step = Math.abs(value - (values[index - 1] ?? value))
        assert.ok(step <= (max - min) * 0.12 + 1, `${measure} jumps by ${step}`)
      }
      assert.ok(new Set(values).size > 4, `${measure} does not move`)
    }
  }
})

test('the same seed gives the same values at the same times', () => {
  const values = (): unknown => {
    const sensor = new Sensor(planFleet({}).sensors[0]!, new RepeatableRandom(42), 0, nowMs)
    return [1, 2, 3].map(
      (second) => JSON.parse(sensor.frameAt(nowMs + second * 1_000).payload).payload,
    )
  }
  assert.deepEqual(values(), values())
})

test('a stuck measure stays, a spike stands out, a drift goes on', () => {
  const shape = {
    ...{ min: -100, max: 100, decimals: 0, daily: 0, peakHour: 12, wander: 0, noise: 0 },
    ...{ driftPerDay: 0, spikeProbability: 0, spikeSize: 1, stuckProbability: 0, stuckSeconds: 60 },
  }
  const random = new SeededRandom(3)
  const drifting = new Curve({ ...shape, driftPerDay: 10 }, 0, random, nowMs)
  assert.deepEqual([drifting.at(nowMs), drifting.at(nowMs + 86_400_000)], [0, 10])
  const spiky = new Curve({ ...shape, spikeProbability: 1 }, 0, random, nowMs)
  assert.equal(Math.abs(spiky.at(nowMs)), 100)
  const stuck = new Curve({ ...shape, driftPerDay: 86_400, stuckProbability: 1 }, 0, random, nowMs)
  assert.equal(stuck.at(nowMs), stuck.at(nowMs + 59_000))
  assert.notEqual(stuck.at(nowMs + 59_000), stuck.at(nowMs + 61_000))
})

test('a sensor that was cut off sends what it kept in one burst, in order', () => {
  const faults = { offline_every: 20, offline_for: 10, offline_buffer: 100 }
  const periods = run(sensorOf({ faults }), 300)
  assert.ok(periods.some((frames) => frames.length === 0))
  assert.ok(periods.some((frames) => frames.length > 3))
  const seqs = periods.flat().map(({ seq }) => seq)
  assert.deepEqual(
    seqs,
    seqs.map((_, index) => index + 1),
  )
})

test('what a sensor cannot keep is lost and counted', () => {
  const faults = { offline_every: 20, offline_for: 10, offline_buffer: 2 }
  const sensor = sensorOf({ faults })
  const sent = run(sensor, 300).flat().length
  assert.ok(sensor.dropped > 0)
  assert.equal(sent + sensor.dropped + sensor.stored.length, 300)
})

test('duplicates and a clock that is off', () => {
  const sensor = sensorOf({ faults: { duplicates: 1, clock_skew: 100 } })
  const [first, copy] = run(sensor, 1)[0]!
  assert.equal(first?.payload, copy?.payload)
  assert.deepEqual([first?.isCopy, copy?.isCopy], [false, true])
  const { timestamp, date } = JSON.parse(first!.payload)
  assert.notEqual(timestamp, nowMs)
  assert.ok(Math.abs(timestamp - nowMs) <= 100_000)
  assert.equal(Date.parse(date.replace('+0000', 'Z')), timestamp)
})

test('the wheel gives each item once, when it is due', () => {
  const dues = fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1 })
  const steps = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(dues, steps, (times, moves) => {
      const wheel = new TimerWheel<{ dueMs: number }>(0)
      for (const dueMs of times) wheel.add({ dueMs })
      let now = 0
      const seen: number[] = []
      for (const move of moves) {
        now += move
        wheel.advance(now, ({ dueMs }) => seen.push(dueMs))
        // A slot is ten milliseconds wide; what is due within the current one comes with the next step.
        const due = times.filter((dueMs) => dueMs <= now)
        assert.ok(
          due.length - seen.length <=
            times.filter((dueMs) => dueMs > now - 10 && dueMs <= now).length,
        )
        for (const dueMs of seen) assert.ok(dueMs <= now)
        assert.equal(wheel.count, times.length - seen.length)
      }
    }),
  )
})
