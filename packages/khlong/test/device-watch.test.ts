import assert from 'node:assert/strict'
import test from 'node:test'
import type { Device } from '../src/devices/device.ts'
import { countStates, DeviceWatch } from '../src/devices/device-watch.ts'

function device(name: string, more: Partial<Device> = {}): Device {
  const password = '$7$1$aaaa$bbbb'
  return { name, id: name, place: '1', password, createdMs: 0, passwordChangedMs: 0, ...more }
}

function client(username: string, messagesIn: number, connectedAt = 1) {
  return { clientId: username, username, connectedAt, messagesIn }
}

function refusal(username: string, at: number, reason = 0x87) {
  return { username, at, reason, listener: 'mqtt', address: '192.0.2.1:1', clientId: username }
}

test('a device waits, is live while it sends, and is silent when what is expected does not come', () => {
  const watch = new DeviceWatch()
  const devices = [device('a'), device('slow', { rate: 0.1 })]
  const state = (sent: number, nowMs: number): string[] =>
    watch
      .observe(
        devices,
        { clients: [client('a', sent), client('slow', sent), client('other', 9)], refusals: [] },
        nowMs,
      )
      .map((status) => status.state)
  assert.deepEqual(state(0, 1_000), ['waiting', 'waiting'])
  assert.deepEqual(state(1, 2_000), ['live', 'live'])
  assert.deepEqual(state(1, 12_000), ['live', 'live'])
  assert.deepEqual(state(1, 12_001), ['silent', 'live'])
  assert.deepEqual(state(1, 52_001), ['silent', 'silent'])
  assert.deepEqual(state(2, 60_000), ['live', 'live'])
})

test('messages of a new connection count from zero, and those of a connection that is gone stay seen', () => {
  const watch = new DeviceWatch()
  const look = (clients: ReturnType<typeof client>[], nowMs: number) =>
    watch.observe([device('a')], { clients, refusals: [] }, nowMs)[0]!
  assert.equal(look([client('a', 50, 1)], 1_000).lastSeenMs, 1_000)
  assert.deepEqual(look([], 2_000), {
    ...{ name: 'a', id: 'a', place: '1' },
    ...{ state: 'live', isConnected: false, lastSeenMs: 1_000 },
  })
  assert.equal(look([client('a', 0, 2)], 3_000).lastSeenMs, 1_000)
  assert.equal(look([client('a', 1, 2)], 4_000).lastSeenMs, 4_000)
})

test('a device that was turned away says why, until it is in', () => {
  const watch = new DeviceWatch()
  const devices = [device('a'), device('b', { revokedMs: 5 })]
  const look = (clients: ReturnType<typeof client>[], nowMs: number) =>
    watch.observe(devices, { clients, refusals: [refusal('a', 10), refusal('b', 10)] }, nowMs)
  const first = look([], 20)
  assert.deepEqual(
    first.map(({ state, reason }) => [state, reason]),
    [
      ['rejected', 'wrong secret'],
      ['revoked', undefined],
    ],
  )
  assert.deepEqual(countStates(first), { waiting: 0, live: 0, silent: 0, rejected: 1, revoked: 1 })
  assert.equal(look([client('a', 0)], 30)[0]?.state, 'waiting')
  assert.equal(look([client('a', 1)], 40)[0]?.state, 'live')
  assert.equal(look([], 50)[0]?.state, 'live')
})
