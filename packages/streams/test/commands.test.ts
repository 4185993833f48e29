import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import iotCommands from '../../../pipelines/iot/streams/iot-commands.ts'
import { serdes, TopologyTestDriver } from '../src/index.ts'

const startMs = 1_769_846_400_000
const windowMs = 10_000

type Json = Record<string, unknown>

function run(settings: Json = {}) {
  const topology = iotCommands.build({
    'window.size.ms': windowMs,
    'fan.above.celsius': 32,
    'command.keep.ms': 60_000,
    ...settings,
  })
  const driver = new TopologyTestDriver(topology, {
    settings: iotCommands.config,
    initialWallClockMs: startMs,
  })
  const input = (topic: string) =>
    driver.createInputTopic<string, unknown>(topic, serdes.string, serdes.json())
  const [aggregates, commands, acks] = [
    'iot-aggregate-metrics-place',
    'iot-commands',
    'iot-command-acks',
  ].map(input)
  return {
    driver,
    aggregate: (place: string, avg: number, startAgg = startMs) =>
      aggregates!.pipe(
        place,
        {
          ...{ place_id: place, avg_temperature: avg },
          ...{ start_agg: startAgg, end_agg: startAgg + windowMs },
        },
        startAgg,
      ),
    give: (id: string, device: string, atMs = startMs, more: Json = {}) =>
      commands!.pipe(device, command(id, device, atMs, more), atMs),
    ack: (id: string, device: string, atMs: number, more: Json = {}) =>
      acks!.pipe(`devices/${device}/commands/ack`, { id, ...more }, atMs),
    commands: () =>
      driver.createOutputTopic('iot-commands', serdes.string, serdes.json<Json>()).readAll(),
    state: (id: string): Json | undefined =>
      driver.getKeyValueStore<string, Json>('command-states').get(id),
  }
}

const command = (id: string, device: string, atMs: number, more: Json = {}): Json => ({
  ...{ id, device, action: 'fan', params: { seconds: 5 } },
  ...{ timestamp: atMs, expires: atMs + 5_000, by: 'ann', ...more },
})

describe('commands to devices', () => {
  it('a place above the limit has its fan switched on once for each window', () => {
    const { aggregate, commands, state } = run()
    aggregate('9', 32)
    aggregate('a/+', 50)
    assert.deepEqual(commands(), [])
    aggregate('9', 32.5)
    aggregate('9', 32.5)
    const [first, again] = commands()
    assert.equal(first?.key, 'fan-9')
    assert.deepEqual(first?.value, {
      ...{ id: `fan-9-${startMs}`, device: 'fan-9', action: 'fan', params: { seconds: 15 } },
      ...{ timestamp: startMs + windowMs, expires: startMs + 25_000, by: 'rule: hot place' },
    })
    assert.deepEqual(again?.value, first?.value)
    assert.equal(state(`fan-9-${startMs}`)?.state, 'sent')
  })

  it('without a limit there is no rule', () => {
    const { give, state, driver } = run({ 'fan.above.celsius': undefined })
    give('1', 'fan-9')
    assert.equal(state('1')?.state, 'sent')
    assert.ok(!driver.producedTopicNames().includes('iot-commands'))
  })

  it('is acknowledged by its own device, the first time', () => {
    const { give, ack, state } = run()
    give('1', 'fan-9')
    ack('1', 'fan-8', startMs + 1)
    assert.equal(state('1')?.state, 'sent')
    ack('1', 'fan-9', startMs + 2, { ok: false, error: 'x'.repeat(500) })
    ack('1', 'fan-9', startMs + 3)
    const { state: after, acknowledged, ok, error } = state('1') ?? {}
    assert.deepEqual([after, acknowledged, ok], ['acknowledged', startMs + 2, false])
    assert.equal(error, 'x'.repeat(200))
    give('1', 'fan-9', startMs + 4)
    assert.equal(state('1')?.state, 'acknowledged')
  })

  it('expires where nobody answers, and a late answer still counts', () => {
    const { give, ack, state, driver } = run()
    give('1', 'fan-9')
    give('2', 'fan-9')
    driver.advanceWallClock(4_000)
    assert.equal(state('1')?.state, 'sent')
    driver.advanceWallClock(2_000)
    assert.equal(state('1')?.state, 'expired')
    ack('1', 'fan-9', startMs + 6_000)
    assert.equal(state('1')?.state, 'acknowledged')
    // Kept for a minute after it was of use.
    driver.advanceWallClock(58_000)
    assert.equal(state('2')?.state, 'expired')
    driver.advanceWallClock(2_000)
    assert.equal(state('1'), undefined)
    assert.equal(state('2'), undefined)
  })

  it('an answer without a command is kept for a while, and only a thousand of them', () => {
    const { ack, state, driver } = run()
    for (let id = 0; id < 1_100; id++) ack(String(id), 'fan-9', startMs)
    const early = (id: number): unknown => state(`early/fan-9/${id}`)?.state
    assert.equal(early(999), 'early')
    assert.equal(early(1_000), undefined)
    driver.advanceWallClock(301_000)
    assert.equal(early(999), undefined)
    ack('1000', 'fan-9', startMs + 301_000)
    assert.equal(early(1_000), 'early')
  })

  it('the order in which a command and answers come, and how often, makes no difference', () => {
    const event = fc.constantFrom('given', 'own answer', 'answer of another')
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), (events) => {
        const { give, ack, state, driver } = run()
        for (const each of events)
          if (each === 'given') give('1', 'fan-9')
          else ack('1', each === 'own answer' ? 'fan-9' : 'fan-8', startMs + 1)
        const answered = events.includes('own answer') ? 'acknowledged' : 'sent'
        assert.equal(state('1')?.state, events.includes('given') ? answered : undefined)
        // It expires, and is forgotten later.
        for (let step = 0; step < 2; step++) driver.advanceWallClock(600_000)
        assert.equal(driver.getKeyValueStore('command-states').entryCount, 0)
      }),
    )
  })
})
