import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neverExpires } from '../../src/state/session.ts'
import { Bench } from '../helpers.ts'

test('a message goes once to a session, by the greatest QoS and with all identifiers', () => {
  const bench = new Bench()
  const { client, session } = bench.connect('c')
  const options = { noLocal: false, retainAsPublished: false }
  for (const [filter, qos, subscriptionId] of [
    ['a/+', 0, 7],
    ['a/#', 2, 8],
    ['a/b', 1, 0],
  ] as const)
    bench.state.subscribe(
      session,
      filter,
      { filter, share: undefined },
      { ...options, qos, subscriptionId },
    )
  bench.publish(session, 'a/b', 'x', { qos: 2 })
  assert.equal(client.got.length, 1)
  assert.equal(client.got[0]!.qos, 2)
  assert.deepEqual([...client.got[0]!.subscriptionIds].sort(), [7, 8])
})

test('messages beyond the quota wait, in order, until acknowledgements come', () => {
  const bench = new Bench()
  const { client, session } = bench.connect('c', { sendQuota: 2 })
  bench.subscribe(session, 't')
  for (const text of ['1', '2', '3', '4']) bench.publish(session, 't', text)
  assert.deepEqual(client.texts, ['1', '2'])
  bench.state.delivery.acknowledged(session, client.got[0]!.packetId, bench.nowMs)
  assert.deepEqual(client.texts, ['1', '2', '3'])
})

test('what was not acknowledged is sent again, with DUP, when the client is back', () => {
  const bench = new Bench()
  const first = bench.connect('c', { expirySeconds: neverExpires })
  bench.subscribe(first.session, 't')
  const publisher = bench.connect('p').session
  bench.publish(publisher, 't', 'sent')
  bench.state.detach(first.session, undefined, bench.nowMs)
  bench.publish(publisher, 't', 'offline')
  const second = bench.connect('c', { expirySeconds: neverExpires })
  assert.equal(second.isPresent, true)
  assert.deepEqual(second.client.texts, ['sent', 'offline'])
  assert.deepEqual(
    second.client.got.map(({ isDuplicate }) => isDuplicate),
    [true, false],
  )
})

test('QoS 2 goes on with PUBREL where PUBREC had come', () => {
  const bench = new Bench()
  const first = bench.connect('c', { expirySeconds: neverExpires })
  bench.subscribe(first.session, 't', 2)
  bench.publish(bench.connect('p').session, 't', 'x', { qos: 2 })
  const { packetId } = first.client.got[0]!
  bench.state.delivery.received(first.session, packetId, false, bench.nowMs)
  bench.state.detach(first.session, undefined, bench.nowMs)
  const second = bench.connect('c', { expirySeconds: neverExpires })
  assert.deepEqual(second.client.got, [])
  assert.deepEqual(second.client.releases, [packetId])
  bench.state.delivery.completed(second.session, packetId, bench.nowMs)
  assert.equal(second.session.inFlight.size, 0)
})

test('a session without expiry ends with its connection, one with expiry at its time', () => {
  const bench = new Bench()
  const short = bench.connect('short').session
  const long = bench.connect('long', { expirySeconds: 10 }).session
  bench.state.detach(short, undefined, bench.nowMs)
  bench.state.detach(long, undefined, bench.nowMs)
  assert.deepEqual([...bench.state.sessions.keys()], ['long'])
  bench.clock.advance(9_999)
  bench.state.tick(bench.nowMs)
  assert.equal(bench.state.sessions.size, 1)
  bench.clock.advance(1)
  bench.state.tick(bench.nowMs)
  assert.equal(bench.state.sessions.size, 0)
  assert.equal(bench.state.counters.clientsExpired, 1)
})

test('a full queue of a persistent session holds the publisher, and calls it when there is room', () => {
  const bench = new Bench({ max_queued_messages: 2 })
  const { session, client } = bench.connect('slow', { expirySeconds: neverExpires })
  bench.subscribe(session, 't')
  const publisher = bench.connect('p').session
  assert.equal(bench.publish(publisher, 't', '1'), 0)
  assert.equal(bench.publish(publisher, 't', '2'), 0)
  assert.equal(bench.publish(publisher, 't', '3'), -1)
  assert.equal(bench.state.blockedOn, session)
  assert.equal(session.queuedCount, 2)
  let calls = 0
  session.waiters.add(() => calls++)
  bench.state.delivery.acknowledged(session, client.got[0]!.packetId, bench.nowMs)
  assert.equal(calls, 1)
  assert.equal(bench.publish(publisher, 't', '3'), 0)
})

test('a full queue of a session that ends with its connection drops and counts', () => {
  const bench = new Bench({ max_queued_messages: 2 })
  const { session, client } = bench.connect('browser')
  bench.subscribe(session, 't')
  const publisher = bench.connect('p').session
  for (const text of ['1', '2', '3']) assert.equal(bench.publish(publisher, 't', text), 0)
  assert.deepEqual(client.texts, ['1', '2'])
  assert.equal(bench.state.counters.publishDropped, 1)
})

test('when_queue_full: drop drops for persistent sessions too', () => {
  const bench = new Bench({ max_queued_messages: 1, when_queue_full: 'drop' })
  const { session } = bench.connect('slow', { expirySeconds: neverExpires })
  bench.subscribe(session, 't')
  const publisher = bench.connect('p').session
  assert.equal(bench.publish(publisher, 't', '1'), 0)
  assert.equal(bench.publish(publisher, 't', '2'), 0)
  assert.equal(session.queuedCount, 1)
  assert.equal(bench.state.counters.publishDropped, 1)
})

test('QoS 0 to a client that does not keep up is dropped and counted', () => {
  const bench = new Bench()
  const { session, client } = bench.connect('c')
  bench.subscribe(session, 't', 0)
  client.isCongested = true
  bench.publish(session, 't', 'x', { qos: 0 })
  assert.deepEqual(client.got, [])
  assert.equal(bench.state.counters.publishDropped, 1)
})

test('shared subscriptions take turns, and skip members that are away', () => {
  const bench = new Bench()
  const one = bench.connect('one', { expirySeconds: neverExpires })
  const two = bench.connect('two', { expirySeconds: neverExpires })
  for (const { session } of [one, two]) bench.subscribe(session, '$share/g/t')
  const publisher = bench.connect('p').session
  for (const text of ['1', '2', '3', '4']) bench.publish(publisher, 't', text)
  assert.deepEqual(one.client.texts, ['1', '3'])
  assert.deepEqual(two.client.texts, ['2', '4'])
  bench.state.detach(one.session, undefined, bench.nowMs)
  for (const text of ['5', '6']) bench.publish(publisher, 't', text)
  assert.deepEqual(two.client.texts, ['2', '4', '5', '6'])
  bench.state.detach(two.session, undefined, bench.nowMs)
  bench.publish(publisher, 't', '7')
  assert.equal(one.session.queue.length + two.session.queue.length, 1)
})

test('what a member of a share has not acknowledged goes to another when its session ends', () => {
  const bench = new Bench()
  const one = bench.connect('one', { sendQuota: 1 })
  bench.subscribe(one.session, '$share/g/t')
  const publisher = bench.connect('p').session
  for (const text of ['1', '2']) bench.publish(publisher, 't', text)
  const two = bench.connect('two')
  bench.subscribe(two.session, '$share/g/t')
  assert.deepEqual(one.client.texts, ['1'])
  bench.state.detach(one.session, undefined, bench.nowMs)
  assert.deepEqual(two.client.texts, ['1', '2'])
  assert.equal(bench.state.delivery.queuedCount, 2)
})

test('a session gets a message by its own and by a shared subscription, each once', () => {
  const bench = new Bench()
  const { client, session } = bench.connect('c', { expirySeconds: neverExpires })
  bench.subscribe(session, 't')
  bench.subscribe(session, '$share/g/t')
  bench.publish(session, 't', 'x')
  assert.deepEqual(client.texts, ['x', 'x'])
})

test('the last retained message of a topic is sent to a new subscription; an empty one clears it', () => {
  const bench = new Bench()
  const publisher = bench.connect('p').session
  for (const text of ['old', 'new']) bench.publish(publisher, 'a/b', text, { retain: true })
  const { client, session } = bench.connect('c')
  bench.subscribe(session, 'a/#')
  bench.state.sendRetained(session.subscriptions.get('a/#')!, bench.nowMs)
  assert.deepEqual(client.texts, ['new'])
  assert.equal(client.got[0]!.retain, true)
  bench.publish(publisher, 'a/b', '', { retain: true })
  assert.equal(bench.state.retained.count, 0)
  assert.equal(client.got[1]!.retain, false)
})

test('a message whose time is over is not delivered', () => {
  const bench = new Bench()
  const { session } = bench.connect('c', { expirySeconds: neverExpires })
  bench.subscribe(session, 't')
  bench.state.detach(session, undefined, bench.nowMs)
  const publisher = bench.connect('p').session
  bench.publish(publisher, 't', 'short', { messageExpiry: 5 })
  bench.publish(publisher, 't', 'long', { messageExpiry: 50 })
  bench.clock.advance(5_000)
  const { client } = bench.connect('c', { expirySeconds: neverExpires })
  assert.deepEqual(client.texts, ['long'])
})

test('a will with delay waits for the client, and goes when the session ends first', () => {
  const bench = new Bench()
  const watcher = bench.connect('watcher')
  bench.subscribe(watcher.session, 'wills')
  const none = Buffer.alloc(0)
  const will = {
    topic: 'wills',
    payload: Buffer.from('gone'),
    properties: none,
    qos: 1,
    retain: false,
    messageExpiry: -1,
    delaySeconds: 10,
  } as const
  const { session } = bench.connect('c', { expirySeconds: 60 })
  bench.state.detach(session, will, bench.nowMs)
  bench.clock.advance(5_000)
  bench.connect('c', { expirySeconds: 60 })
  bench.clock.advance(20_000)
  bench.state.tick(bench.nowMs)
  assert.deepEqual(watcher.client.texts, [])
  bench.state.detach(session, will, bench.nowMs)
  bench.clock.advance(10_000)
  bench.state.tick(bench.nowMs)
  assert.deepEqual(watcher.client.texts, ['gone'])
  bench.connect('c', { expirySeconds: 60 })
  bench.state.detach(session, will, bench.nowMs)
  bench.connect('c', { isClean: true })
  assert.deepEqual(watcher.client.texts, ['gone', 'gone'])
})

test('wildcards at the first level do not see topics that begin with $ [MQTT-4.7.2-1]', () => {
  const bench = new Bench()
  const { client, session } = bench.connect('c')
  bench.subscribe(session, '#')
  bench.subscribe(session, '+/x')
  bench.publish(session, '$internal/x', 'hidden')
  assert.deepEqual(client.texts, [])
})
