import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '@khlong/core/testing'
import { neverExpires } from '../../src/state/session.ts'
import { FakeFolder } from './fake-folder.ts'
import { Journaled } from './journaled.ts'

test('sessions, subscriptions, queues and retained messages are there after a restart', async () => {
  const folder = new FakeFolder()
  const before = await Journaled.open(folder)
  const { session, client } = before.connect('c', { expirySeconds: neverExpires })
  before.subscribe(session, 'a/+', 2)
  const publisher = before.connect('p').session
  before.publish(publisher, 'a/1', 'done')
  before.publish(publisher, 'a/1', 'in flight', { properties: Buffer.from([1, 1]) })
  before.publish(publisher, 'a/2', 'exactly once', { qos: 2 })
  before.publish(publisher, 'r', 'kept', { retain: true })
  before.publish(publisher, 'r', 'kept last', { retain: true })
  before.state.delivery.acknowledged(session, client.got[0]!.packetId, before.nowMs)
  before.state.detach(session, undefined, before.nowMs)
  before.publish(publisher, 'a/3', 'offline')
  await before.log.close()
  const after = await Journaled.open(folder)
  const again = after.connect('c', { expirySeconds: neverExpires })
  assert.equal(again.isPresent, true)
  assert.deepEqual([...again.session.subscriptions.keys()], ['a/+'])
  assert.deepEqual(again.client.texts.sort(), ['exactly once', 'in flight', 'offline'])
  const duplicates = again.client.got.filter(({ isDuplicate }) => isDuplicate)
  assert.deepEqual(duplicates.map(({ message }) => message.payload.toString()).sort(), [
    'exactly once',
    'in flight',
  ])
  assert.deepEqual(
    [...after.state.retained].map(({ payload }) => payload.toString()),
    ['kept last'],
  )
  await after.log.close()
})

test('what a killed broker may have sent comes again as a duplicate, and nothing else does', async () => {
  const folder = new FakeFolder()
  const before = await Journaled.open(folder)
  const { session, client } = before.connect('connected', {
    expirySeconds: neverExpires,
    sendQuota: 1,
  })
  const away = before.connect('away', { expirySeconds: neverExpires }).session
  before.subscribe(session, 'a')
  before.subscribe(away, 'a')
  before.state.detach(away, undefined, before.nowMs)
  const publisher = before.connect('p').session
  before.publish(publisher, 'a', 'first')
  assert.ok(await before.durable(before.publish(publisher, 'a', 'sent just now')))
  // With the first one's acknowledgement the second leaves; the journal is told of it later.
  before.state.delivery.acknowledged(session, client.got[0]!.packetId, before.nowMs)
  assert.deepEqual(client.texts, ['first', 'sent just now'])
  const after = await Journaled.open(folder.afterPowerLoss(0))
  const seen = (clientId: string): boolean[] =>
    after
      .connect(clientId, { expirySeconds: neverExpires })
      .client.got.map(({ isDuplicate }) => isDuplicate)
  assert.deepEqual(seen('connected'), [true, true])
  assert.deepEqual(seen('away'), [false, false])
  await after.log.close()
})

test('a QoS 2 identifier that was not released is still known after a restart', async () => {
  const folder = new FakeFolder()
  const before = await Journaled.open(folder)
  const { session } = before.connect('c', { expirySeconds: neverExpires })
  before.subscribe(session, 't')
  for (const packetId of [7, 8]) {
    before.publish(session, 't', 'x', { qos: 2, packetId })
    session.receivedIds.add(packetId)
  }
  session.receivedIds.delete(8)
  before.journal.released(session, 8)
  await before.log.close()
  const after = await Journaled.open(folder)
  assert.deepEqual([...after.state.sessions.get('c')!.receivedIds], [7])
})

test('one topic with a new retained message each second does not let the journal grow', async () => {
  const folder = new FakeFolder()
  const bench = await Journaled.open(folder)
  const { session, client } = bench.connect('connector', { expirySeconds: neverExpires })
  bench.subscribe(session, 'iot-frames')
  const publisher = bench.connect('sensor').session
  const frame = 'x'.repeat(200)
  let largest = 0
  for (let count = 0; count < 1_000; count++) {
    const position = bench.publish(publisher, 'iot-frames', frame, { retain: true })
    assert.ok(await bench.durable(position))
    bench.state.delivery.acknowledged(session, client.got.at(-1)!.packetId, bench.nowMs)
    largest = Math.max(largest, bench.log.diskBytes)
  }
  assert.ok(folder.writtenBytes > 200_000)
  assert.ok(largest < 5 * 4_096, `the journal grew to ${largest} bytes`)
  assert.equal(bench.state.retained.count, 1)
  await bench.log.close()
  const after = await Journaled.open(folder)
  assert.equal(after.state.retained.count, 1)
  assert.equal(after.state.delivery.queuedCount, 0)
})

test('a session that is away for long does not keep what others are done with', async () => {
  const folder = new FakeFolder()
  const bench = await Journaled.open(folder)
  const away = bench.connect('away', { expirySeconds: neverExpires }).session
  bench.subscribe(away, 'rare')
  const { session, client } = bench.connect('busy', { expirySeconds: neverExpires })
  bench.subscribe(session, 'often')
  bench.state.detach(away, undefined, bench.nowMs)
  const publisher = bench.connect('p').session
  bench.publish(publisher, 'rare', 'wait for me', { retain: true })
  for (let count = 0; count < 500; count++) {
    const position = bench.publish(publisher, 'often', 'x'.repeat(300))
    assert.ok(await bench.durable(position))
    bench.state.delivery.acknowledged(session, client.got.at(-1)!.packetId, bench.nowMs)
  }
  assert.ok(bench.log.diskBytes < 6 * 4_096, `${bench.log.diskBytes} bytes`)
  await bench.log.close()
  const after = await Journaled.open(folder)
  assert.deepEqual(after.connect('away', { expirySeconds: neverExpires }).client.texts, [
    'wait for me',
  ])
})

test('after a power loss at any operation, everything that was acknowledged is there', async () => {
  const random = new SeededRandom(20_261_123)
  const run = async (folder: FakeFolder): Promise<{ acked: string[]; completed: Set<string> }> => {
    const acked: string[] = []
    const completed = new Set<string>()
    try {
      const bench = await Journaled.open(folder)
      const { session, client } = bench.connect('c', { expirySeconds: neverExpires })
      bench.subscribe(session, 't', 2)
      if (!(await bench.durable(bench.log.appended))) return { acked, completed }
      const publisher = bench.connect('p').session
      for (let count = 0; count < 60; count++) {
        const text = `${count} `.padEnd(200, '.')
        const qos = count % 3 === 0 ? 2 : 1
        const position = bench.publish(publisher, 't', text, { qos, retain: count % 5 === 0 })
        if (!(await bench.durable(position))) break
        acked.push(text)
        for (const { packetId, message } of client.got.splice(0, count % 2)) {
          const entry = session.inFlight.get(packetId)!
          if (entry.qos === 1) bench.state.delivery.acknowledged(session, packetId, bench.nowMs)
          else {
            bench.state.delivery.received(session, packetId, false, bench.nowMs)
            bench.state.delivery.completed(session, packetId, bench.nowMs)
          }
          completed.add(message.payload.toString())
        }
      }
      await bench.log.close()
    } catch (error) {
      assert.match(String(error), /power is lost/)
    }
    return { acked, completed }
  }
  const whole = new FakeFolder()
  await run(whole)
  assert.ok(whole.operations > 100)
  for (let stop = 1; stop < whole.operations; stop += 1 + Math.floor(random.next() * 4)) {
    const folder = new FakeFolder()
    folder.operationsLeft = stop
    const { acked, completed } = await run(folder)
    const torn = random.next() < 0.5 ? 0 : Math.floor(random.next() * 300)
    const after = await Journaled.open(folder.afterPowerLoss(torn))
    const session = after.state.sessions.get('c')
    const left = new Set(
      [...(session?.inFlight.values() ?? []), ...(session?.queue ?? [])].map(({ message }) =>
        message.payload.toString(),
      ),
    )
    for (const text of acked)
      assert.ok(left.has(text) || completed.has(text), `stop ${stop}: ${text} is lost`)
    // Another start must find the same.
    await after.log.close()
    const third = await Journaled.open(after.folder)
    assert.equal(third.state.delivery.queuedCount, after.state.delivery.queuedCount)
  }
})

test('a full disk delays what is durable, and goes on when there is room', async () => {
  const folder = new FakeFolder()
  const bench = await Journaled.open(folder)
  const { session } = bench.connect('c', { expirySeconds: neverExpires })
  bench.subscribe(session, 't')
  assert.ok(await bench.durable(bench.log.appended))
  folder.isFull = true
  const position = bench.publish(session, 't', 'waits for room')
  const durable = bench.durable(position)
  while (!bench.log.isDiskFull) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(bench.log.durable < position)
  assert.equal(bench.failure, undefined)
  folder.isFull = false
  bench.clock.advance(1_000)
  assert.ok(await durable)
  await bench.log.close()
  const after = await Journaled.open(folder)
  assert.equal(after.state.delivery.queuedCount, 1)
})

async function filled(): Promise<FakeFolder> {
  const folder = new FakeFolder()
  const bench = await Journaled.open(folder, 1_000_000)
  const { session } = bench.connect('c', { expirySeconds: neverExpires })
  bench.subscribe(session, 't')
  for (let count = 0; count < 10; count++)
    await bench.durable(bench.publish(session, 't', 'x'.repeat(100)))
  await bench.log.close()
  return folder
}

test('a record that is damaged though later ones were flushed is an error with its place', async () => {
  const folder = await filled()
  const content = folder.files.get('00000001.journal')!
  content.bytes[400]! ^= 1
  await assert.rejects(Journaled.open(folder), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'MQTT_JOURNAL_DAMAGED')
    assert.match(error.message, /00000001\.journal: a record is damaged at byte \d+/)
    return true
  })
})

test('a torn tail is cut', async () => {
  const folder = await filled()
  const content = folder.files.get('00000001.journal')!
  content.bytes = Buffer.concat([content.bytes, Buffer.from('half a record')])
  const after = await Journaled.open(folder)
  assert.equal(after.state.delivery.queuedCount, 10)
})

test('a journal of a newer version is refused by name', async () => {
  const folder = await filled()
  folder.files.get('00000001.journal')!.bytes.writeUInt16BE(3, 8)
  await assert.rejects(Journaled.open(folder), { code: 'MQTT_JOURNAL_VERSION' })
})

test('any bytes in a journal are records, a torn tail or an error', async () => {
  const random = new SeededRandom(7)
  for (let round = 0; round < 300; round++) {
    const folder = await filled()
    const content = folder.files.get('00000001.journal')!
    for (let flips = 1 + Math.floor(random.next() * 3); flips > 0; flips--)
      content.bytes[Math.floor(random.next() * content.bytes.length)] = random.next() * 256
    try {
      await (await Journaled.open(folder)).log.close()
    } catch (error) {
      assert.match((error as { code: string }).code, /^MQTT_JOURNAL_/)
    }
  }
})
