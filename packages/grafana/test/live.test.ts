import assert from 'node:assert/strict'
import test from 'node:test'
import { readEvents } from '../src/place/event-stream.ts'
import { PlatformEvents } from '../src/state/platform-events.ts'
import { SensorRegister } from '../src/state/sensor-register.ts'
import { startFakePlatform } from './fake-platform.ts'
import { startConsole } from './helpers.ts'

test('the live stream carries each snapshot of the platform', async (t) => {
  const platform = await startFakePlatform({ tickMs: 0 })
  t.after(() => platform[Symbol.asyncDispose]())
  const console = await startConsole(t, { platform: platform.url })
  const abort = new AbortController()
  t.after(() => abort.abort())
  const response = await fetch(`${console.url}/-/live`, { signal: abort.signal })
  const events = readEvents(response.body!)
  const uptimeMs = async (): Promise<number> => {
    for (;;) {
      const { value, done } = await events.next()
      assert.ok(!done, 'the stream ended')
      const data = JSON.parse(value) as { uptimeMs?: number }
      if (data.uptimeMs !== undefined) return data.uptimeMs
    }
  }
  assert.equal(await uptimeMs(), 60_000)
  platform.advance(1_000)
  assert.equal(await uptimeMs(), 61_000)
  assert.equal(console.vitals().facts.viewers, 1)
})

test('events are told from the differences of snapshots', async (t) => {
  const platform = await startFakePlatform({ tickMs: 0, framesPerSecond: 1_200, windowMs: 30_000 })
  t.after(() => platform[Symbol.asyncDispose]())
  const events = new PlatformEvents()
  const kinds = (nowMs: number): string[] =>
    events.apply(platform.snapshot(), nowMs).map(({ kind, subject }) => `${kind} ${subject}`)
  assert.deepEqual(kinds(1_000), [])
  platform.pipeline.deadLetters = 2
  platform.advance(1_000)
  assert.deepEqual(kinds(2_000), ['deadLetters mqtt-source'])
  platform.pipeline.storedPerSecond = 0
  platform.advance(2_000)
  assert.deepEqual(kinds(4_000), ['lagging iot-frames-mongodb-sink'])
  platform.pipeline.storedPerSecond = 100_000
  platform.advance(1_000)
  assert.deepEqual(kinds(5_000), ['caughtUp iot-frames-mongodb-sink'])
  platform.pipeline.failedPart = 'mongodb'
  assert.deepEqual(kinds(6_000), ['partState mongodb'])
  assert.deepEqual(kinds(30_500), ['windowClosed 30000'])
})

test('a sensor is counted by its sequence numbers, and retained copies tell no freshness', () => {
  const register = new SensorRegister()
  const frame = (seq: number, boot = 'a'): string =>
    JSON.stringify({
      id: 7,
      name: 'x',
      place_id: '1',
      timestamp: 5,
      seq,
      boot,
      payload: { temperature: seq },
    })
  register.apply(frame(1), true, 10_000)
  assert.deepEqual(
    register.all(10_000).map(({ id, lastSeenMs, frames }) => [id, lastSeenMs, frames]),
    [['7', 5, 0]],
  )
  for (const seq of [1, 2, 2, 5]) register.apply(frame(seq), false, 10_000 + seq * 1_000)
  register.apply(frame(1, 'b'), false, 16_000)
  register.apply('not json', false, 16_000)
  register.apply('{"name":"no id"}', false, 16_000)
  const [sensor] = register.all(16_500)
  assert.deepEqual([sensor?.lost, sensor?.duplicates, sensor?.frames], [2, 1, 5])
  assert.equal(sensor?.values.temperature, 1)
  assert.equal(register.unreadable, 2)
  assert.equal(register.takeChanged(16_500, 10).length, 1)
  assert.equal(register.takeChanged(16_600, 10).length, 0)
})
