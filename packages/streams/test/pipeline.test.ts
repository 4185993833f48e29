import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import iotProcessor from '../../../pipelines/iot/streams/iot-processor.ts'
import { serdes, type TestRecord, TopologyTestDriver } from '../src/index.ts'

const windowMs = 10_000
const startMs = 1_769_846_400_000

interface Frame {
  readonly id: string | number
  readonly place_id: string | number
  readonly atMs: number
  readonly temperature: number
}

type Json = Record<string, unknown>

function run(settings: Json = {}): {
  pipe(value: unknown, atMs: number): void
  read(topic: string): TestRecord<string, Json>[]
  driver: TopologyTestDriver
} {
  const topology = iotProcessor.build({ 'window.size.ms': windowMs, ...settings })
  const driver = new TopologyTestDriver(topology, { settings: iotProcessor.config })
  const frames = driver.createInputTopic<string, unknown>('iot-frames', serdes.string, {
    serialize: (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    deserialize: (bytes) => bytes,
  })
  return {
    driver,
    pipe: (value, atMs) => frames.pipe('key', value, atMs),
    read: (topic) =>
      driver.createOutputTopic<string, Json>(topic, serdes.string, serdes.json<Json>()).readAll(),
  }
}

const json = ({ id, place_id, atMs, temperature }: Frame): Json => ({
  id,
  name: `sensor ${id}`,
  place_id,
  date: new Date(atMs).toISOString(),
  timestamp: atMs,
  payload: { temperature, humidity: 50, pressure: 1_013.25, luminosity: 640 },
  seq: 7,
})

describe('the pipeline of sensors', () => {
  it('gives one aggregate per sensor and per place when a window closes', () => {
    const { pipe, read, driver } = run()
    const at = (ms: number): number => startMs + ms
    pipe(json({ id: '1', place_id: '9', atMs: at(0), temperature: 20 }), at(0))
    pipe(json({ id: 2, place_id: 9, atMs: at(5), temperature: 21 }), at(5))
    pipe(json({ id: '1', place_id: '9', atMs: at(9_999), temperature: 25 }), at(9_999))
    assert.deepEqual(read('iot-aggregate-metrics-sensor'), [])
    pipe(json({ id: '1', place_id: '9', atMs: at(10_000), temperature: 0 }), at(10_000))
    const [one, two] = read('iot-aggregate-metrics-sensor')
    assert.equal(one?.key, '1')
    assert.deepEqual(one?.value, {
      sensor_id: '1',
      sensor_name: 'sensor 1',
      start_agg: startMs,
      start_agg_tm: '2026-01-31T08:00:00.000Z',
      end_agg: startMs + windowMs,
      end_agg_tm: '2026-01-31T08:00:10.000Z',
      count_measures: 2,
      sum_temperature: 45,
      sum_humidity: 100,
      sum_pressure: 2_026.5,
      sum_luminosity: 1_280,
      avg_temperature: 22.5,
      avg_humidity: 50,
      avg_pressure: 1_013.25,
      avg_luminosity: 640,
    })
    assert.equal(two?.key, '2')
    const [place] = read('iot-aggregate-metrics-place')
    assert.equal(place?.key, '9')
    assert.equal(place?.value.place_id, '9')
    assert.equal(place?.value.count_measures, 3)
    assert.equal(place?.value.avg_temperature, 22)
    assert.equal('sensor_id' in (place?.value ?? {}), false)
    assert.deepEqual(read('iot-metrics-time-series')[1]?.value, {
      name: 'sample_sensor_metric',
      type: 'sensor',
      timestamp: at(5),
      dimensions: { sensor_id: '2', sensor_name: 'sensor 2', place_id: '9' },
      values: { temperature: 21, humidity: 50, pressure: 1_013.25, luminosity: 640 },
    })
    driver.close()
  })

  it('sends what is no frame to the dead letters, with the reason, and goes on', () => {
    const { pipe, read, driver } = run()
    const good = json({ id: '1', place_id: '9', atMs: startMs, temperature: 20 })
    const hot = { ...good, payload: { ...(good.payload as Json), temperature: 'hot' } }
    const { payload, ...lacking } = good
    assert.ok(payload)
    for (const value of [good, hot, '{"id":', lacking, [], { ...good, id: null }, good])
      pipe(value, startMs)
    assert.equal(read('iot-metrics-time-series').length, 2)
    assert.equal(driver.counts.deadLetters, 5)
    const dead = driver
      .createOutputTopic<string, Buffer>('iot-processor-dead-letters', serdes.string, serdes.bytes)
      .readAll()
    assert.deepEqual(JSON.parse(String(dead[0]?.value)), hot)
    const headers = new Map(dead[0]?.headers.map(([key, value]) => [key, String(value)]))
    assert.equal(headers.get('__streams.errors.message'), 'temperature is not a number but "hot"')
    assert.equal(headers.get('__streams.errors.topic'), 'iot-frames')
    assert.equal(headers.get('__streams.errors.offset'), '1')
    driver.close()
  })

  it('closes the last window without another frame when the clock says so, once', () => {
    const { pipe, read, driver } = run()
    const frame = json({ id: '1', place_id: '9', atMs: startMs, temperature: 20 })
    pipe(frame, startMs)
    driver.closeIdleWindows(startMs + windowMs)
    assert.equal(read('iot-aggregate-metrics-sensor').length, 1)
    assert.equal(read('iot-aggregate-metrics-place').length, 1)
    pipe(frame, startMs + 1)
    pipe(frame, startMs + windowMs)
    pipe(frame, startMs + 2 * windowMs)
    const later = read('iot-aggregate-metrics-sensor').map(({ value }) => value.start_agg)
    assert.deepEqual(later, [startMs + windowMs])
    assert.ok(driver.counts.dropped.late > 0)
    driver.close()
  })

  it('takes a frame of a device without a clock, at the time of its record', () => {
    const { pipe, read, driver } = run({ 'frame.time.tolerance.ms': 5_000 })
    const { timestamp, ...frame } = json({ id: '1', place_id: '9', atMs: 0, temperature: 20 })
    assert.equal(timestamp, 0)
    pipe(frame, startMs + 1)
    pipe({ ...frame, timestamp: null }, startMs + 2)
    pipe({ ...frame, timestamp: 'noon' }, startMs + 3)
    pipe(frame, startMs + windowMs)
    const samples = read('iot-metrics-time-series')
    assert.deepEqual(
      samples.map(({ key, value }) => [key, value.timestamp]),
      [
        ['1', startMs + 1],
        ['1', startMs + 2],
        ['1', startMs + windowMs],
      ],
    )
    const [aggregate] = read('iot-aggregate-metrics-sensor')
    assert.equal(aggregate?.value.count_measures, 2)
    assert.equal(aggregate?.value.start_agg, startMs)
    assert.equal(driver.counts.deadLetters, 1)
    driver.close()
  })

  it('counts a frame at its own time only while its clock is near', () => {
    const { pipe, read, driver } = run({ 'frame.time.tolerance.ms': 5_000 })
    const frame = json({ id: '1', place_id: '9', atMs: startMs + 9_000, temperature: 20 })
    pipe(frame, startMs + 10_500)
    pipe({ ...frame, timestamp: startMs - 3_600_000 }, startMs + 11_000)
    pipe({ ...frame, timestamp: startMs + 30_000 }, startMs + 30_000)
    const starts = read('iot-aggregate-metrics-sensor').map(({ value }) => value.start_agg)
    assert.deepEqual(starts, [startMs, startMs + windowMs])
    driver.close()
  })

  it('gives what a recount of the frames gives', () => {
    const frame = fc.record({
      id: fc.constantFrom<string | number>('1', '2', 3, '4'),
      place_id: fc.constantFrom<string | number>('8', 9),
      stepMs: fc.integer({ min: 0, max: 7_000 }),
      // Tenths: an average of the smallest doubles would be -0, which JSON does not have.
      temperature: fc.integer({ min: -400, max: 600 }).map((tenths) => tenths / 10),
    })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 60 }), (steps) => {
        const { pipe, read, driver } = run()
        let atMs = startMs
        const expected = new Map<string, { count: number; sum: number }>()
        for (const { id, place_id, stepMs, temperature } of steps) {
          atMs += stepMs
          pipe(json({ id, place_id, atMs, temperature }), atMs)
          for (const key of [`sensor ${id}`, `place ${place_id}`]) {
            const name = `${key}@${atMs - (atMs % windowMs)}`
            const { count, sum } = expected.get(name) ?? { count: 0, sum: 0 }
            expected.set(name, { count: count + 1, sum: sum + temperature })
          }
        }
        driver.closeIdleWindows(atMs + windowMs)
        const found = new Map<string, { count: number; sum: number }>()
        for (const kind of ['sensor', 'place'])
          for (const { key, value } of read(`iot-aggregate-metrics-${kind}`)) {
            const name = `${kind} ${key}@${value.start_agg}`
            assert.equal(found.has(name), false, `${name} is given twice`)
            const count = Number(value.count_measures)
            const sum = Number(value.sum_temperature)
            assert.equal(value.avg_temperature, sum / count)
            found.set(name, { count, sum })
          }
        assert.deepEqual(new Map([...found].sort()), new Map([...expected].sort()))
        driver.close()
      }),
      { numRuns: 60 },
    )
  })
})
