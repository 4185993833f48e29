import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '@khlong/core/testing'
import { neverExpires, type Session } from '../../src/state/session.ts'
import { FakeFolder } from './fake-folder.ts'
import { Journaled } from './journaled.ts'

/** Everything that must be the same after a restart. */
function remembered(bench: Journaled): unknown {
  const { state } = bench
  const sessions = [...state.sessions.values()].filter(({ isDurable }) => isDurable)
  return {
    sessions: sessions.map(rememberedSession).sort((a, b) => (a.clientId < b.clientId ? -1 : 1)),
    retained: [...state.retained].map(({ topic, payload }) => `${topic} ${payload}`).sort(),
  }
}

function rememberedSession(session: Session) {
  const entries = [...session.inFlight.values(), ...session.queue].map((entry) => ({
    id: entry.message.id,
    qos: entry.qos,
    retain: entry.retain,
    text: entry.message.payload.toString(),
    isReceived: entry.state === 'received',
    packetId: entry.qos === 2 ? entry.packetId : 0,
    // Whether a QoS 2 message left once its identifier was durable, nobody knows after a restart,
    // nor what had left to a client that was connected.
    mayBeDuplicate:
      session.client !== undefined || entry.isDuplicate || (entry.qos === 2 && entry.packetId > 0),
  }))
  return {
    clientId: session.clientId,
    expirySeconds: session.expirySeconds,
    filters: [...session.subscriptions.values()]
      .map(({ written, qos }) => `${written} ${qos}`)
      .sort(),
    receivedIds: [...session.receivedIds].sort(),
    entries: entries.sort((a, b) => a.id - b.id),
  }
}

const filters = ['a', 'b', 'a/+', '#', '$share/g/a', '$share/g/b']
const topics = ['a', 'b', 'a/x', 'c']

/** Does one thing that a client may do. */
function step(bench: Journaled, random: SeededRandom): void {
  const pick = <Value>(values: readonly Value[]): Value =>
    values[Math.floor(random.next() * values.length)]!
  const { state } = bench
  const clientId = pick(['one', 'two', 'three', 'four'])
  const session = state.sessions.get(clientId)
  if (!session?.client) {
    const isClean = random.next() < 0.1
    const expirySeconds = pick([neverExpires, neverExpires, 3_600, 0])
    bench.connect(clientId, { isClean, expirySeconds, sendQuota: pick([1, 5, 50]) })
    return
  }
  const { delivery } = state
  const inFlight = pick([...session.inFlight.values(), undefined])
  const chance = random.next()
  if (chance < 0.05) state.detach(session, undefined, bench.nowMs)
  else if (chance < 0.1) bench.subscribe(session, pick(filters), pick([0, 1, 2]))
  else if (chance < 0.13) state.unsubscribe(session, pick(filters))
  else if (chance < 0.6 && inFlight?.qos === 1)
    delivery.acknowledged(session, inFlight.packetId, bench.nowMs)
  else if (chance < 0.6 && inFlight?.state === 'received')
    delivery.completed(session, inFlight.packetId, bench.nowMs)
  else if (chance < 0.6 && inFlight)
    delivery.received(session, inFlight.packetId, false, bench.nowMs)
  else if (chance < 0.65 && session.receivedIds.size > 0) {
    const [packetId] = session.receivedIds
    session.receivedIds.delete(packetId!)
    if (session.isDurable) bench.journal.released(session, packetId!)
  } else publishSomething(bench, session, random, pick)
}

function publishSomething(
  bench: Journaled,
  session: Session,
  random: SeededRandom,
  pick: <Value>(values: readonly Value[]) => Value,
): void {
  const qos = pick([0, 1, 2] as const)
  const packetId = 1 + Math.floor(random.next() * 60_000)
  if (session.receivedIds.has(packetId)) return
  // Clearing what is retained may happen twice; its identifier need not be remembered.
  const text =
    qos < 2 && random.next() < 0.05 ? '' : `${packetId} `.padEnd(20 + random.next() * 300, '.')
  const retain = random.next() < 0.2
  const before = bench.log.appended
  bench.publish(session, pick(topics), text, { qos, packetId, retain })
  // An identifier is remembered where its message is.
  if (qos === 2 && session.isDurable && bench.log.appended > before)
    session.receivedIds.add(packetId)
}

const seedCount = Number(process.env.KHLONG_TEST_SEEDS ?? 6)

test('whatever clients do, a restart or a power loss finds what was there before', async () => {
  for (let seed = 1; seed <= seedCount; seed++) {
    const random = new SeededRandom(seed)
    let folder = new FakeFolder()
    let bench = await Journaled.open(folder, 4_096)
    for (let restart = 0; restart < 5; restart++) {
      for (let count = 0; count < 250; count++) {
        step(bench, random)
        if (count % 10 === 0) assert.ok(await bench.durable(bench.log.appended))
      }
      assert.equal(bench.failure, undefined)
      const isPowerLoss = random.next() < 0.5
      if (!isPowerLoss)
        for (const session of bench.state.sessions.values())
          bench.state.detach(session, undefined, bench.nowMs)
      bench.journal.writeProgress()
      assert.ok(await bench.durable(bench.log.appended))
      const before = remembered(bench)
      if (isPowerLoss) folder = folder.afterPowerLoss(0)
      else await bench.log.close()
      bench = await Journaled.open(folder, 4_096)
      assert.deepEqual(remembered(bench), before, `seed ${seed}, restart ${restart}`)
    }
    await bench.log.close()
  }
})
