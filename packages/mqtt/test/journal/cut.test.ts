import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restoredCut, temporaryFolder } from '@khlong/core/testing'
import { connect, connectAsync } from 'mqtt'
import { portOf, startBroker } from '../helpers.ts'

test('a cut under load holds every message that was acknowledged before it, for whom it waits', async (t) => {
  const broker = await startBroker(t, { journal_segment_bytes: 65_536 })
  const url = `mqtt://127.0.0.1:${portOf(broker)}`
  const away = await connectAsync(url, { clientId: 'away', clean: false, reconnectPeriod: 0 })
  await away.subscribeAsync('frames', { qos: 1 })
  await away.endAsync()
  const publisher = await connectAsync(url, { reconnectPeriod: 0 })
  t.after(() => publisher.endAsync(true))
  await publisher.publishAsync('place', 'kept', { qos: 1, retain: true })
  const acknowledged: string[] = []
  let isSending = true
  const load = (async () => {
    for (let index = 0; isSending; index++) {
      const text = `${index}`.padEnd(2_000, '.')
      await publisher.publishAsync('frames', text, { qos: 1 })
      acknowledged.push(text)
    }
  })()
  while (acknowledged.length < 80) await new Promise(setImmediate)
  const before = [...acknowledged]
  const folder = await restoredCut(broker, await temporaryFolder(t))
  isSending = false
  await load

  const restored = await startBroker(t, { data: folder })
  const back = connect(`mqtt://127.0.0.1:${portOf(restored)}`, {
    clientId: 'away',
    clean: false,
    reconnectPeriod: 0,
  })
  t.after(() => back.endAsync(true))
  const got = new Set<string>()
  await new Promise<void>((resolve) => {
    back.on('message', (_topic, payload) => {
      got.add(String(payload))
      if (before.every((text) => got.has(text))) resolve()
    })
  })
  const retained = await new Promise<string>((resolve) => {
    back.on('message', (topic, payload) => {
      if (topic === 'place') resolve(String(payload))
    })
    back.subscribe('place')
  })
  assert.equal(retained, 'kept')
})
