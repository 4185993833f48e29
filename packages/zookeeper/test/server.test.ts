import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import test from 'node:test'
import { FakeClock, temporaryFolder } from '@khlong/core/testing'
import fc from 'fast-check'
import { ZooKeeperServer } from '../src/index.ts'
import { ErrorCode, EventType, OpCode } from '../src/protocol/codes.ts'
import { readString, readStrings, writeString } from '../src/protocol/jute.ts'
import { digestId } from '../src/state/acl.ts'
import { startServer } from './helpers/server.ts'
import {
  multiCheck,
  multiCreate,
  multiDelete,
  multiSetData,
  open,
  readMultiResults,
  WireClient,
} from './helpers/wire-client.ts'

async function fourLetterWord(address: string, word: string): Promise<string> {
  const colon = address.lastIndexOf(':')
  const socket = net.connect(Number(address.slice(colon + 1)), address.slice(0, colon))
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk
  })
  // As `echo ruok | nc` does: the client's side ends with the word.
  socket.end(word)
  await once(socket, 'close')
  return answer
}

test('a failed multi answers 0 before the cause, the cause, and -2 after it, and changes nothing', async (t) => {
  const { address } = await startServer(t)
  const client = await WireClient.connect(address)
  const reply = await client.multi([
    multiCreate('/a', 'x'),
    multiSetData('/a', 'y', 0),
    multiCheck('/a', 7),
    multiDelete('/a'),
  ])
  assert.equal(reply.code, 0, 'the header says ok')
  assert.deepEqual(
    readMultiResults(reply.body).map(({ code }) => code),
    [0, 0, ErrorCode.badVersion, ErrorCode.runtimeInconsistency],
  )
  assert.equal(await client.stat('/a'), undefined)
  assert.equal((await client.stat('/'))?.cversion, -1)
  await client.close()
})

test('operations of a multi see each other and share one zxid', async (t) => {
  const { address } = await startServer(t)
  const client = await WireClient.connect(address)
  const reply = await client.multi([
    multiCreate('/id', null, 1),
    multiSetData('/id', 'me', 0),
    multiCreate('/other', ''),
  ])
  const [, changed] = readMultiResults(reply.body)
  assert.equal(changed?.stat?.version, 1)
  assert.equal(changed?.stat?.czxid, reply.zxid)
  assert.equal(changed?.stat?.mzxid, reply.zxid)
  assert.equal(changed?.stat?.ephemeralOwner, client.sessionId)
  assert.equal((await client.stat('/other'))?.czxid, reply.zxid)
  await client.close()
})

test('sequence numbers come from a counter that is never reused, across a restart too', async (t) => {
  const folder = await temporaryFolder(t)
  const options = { listen: 0, data: folder, snapCount: 3 }
  const before = new ZooKeeperServer(options)
  await before.start()
  let client = await WireClient.connect(before.addresses.zookeeper!)
  await client.create('/q')
  assert.equal(readString((await client.create('/q/n-', '', 2)).body), '/q/n-0000000000')
  assert.equal(readString((await client.create('/q/n-', '', 2)).body), '/q/n-0000000001')
  await client.delete('/q/n-0000000001')
  await client.close()
  await before.stop()
  const { address } = await startServer(t, { data: folder })
  client = await WireClient.connect(address)
  assert.equal(readString((await client.create('/q/n-', '', 2)).body), '/q/n-0000000002')
  assert.equal((await client.stat('/q'))?.cversion, 4, 'three creations and one deletion')
  await client.close()
})

test('a watch event leaves before any reply that shows the change, and only once', async (t) => {
  const { address } = await startServer(t)
  const [watcher, writer] = await Promise.all([
    WireClient.connect(address),
    WireClient.connect(address),
  ])
  await watcher.stat('/w', true)
  await watcher.children('/', true)
  await writer.create('/w', '1')
  assert.equal(await watcher.data('/w'), '1')
  assert.deepEqual(watcher.takeEvents(), [
    { type: EventType.nodeCreated, path: '/w' },
    { type: EventType.nodeChildrenChanged, path: '/' },
  ])
  await writer.setData('/w', '2')
  await watcher.ping()
  assert.deepEqual(watcher.takeEvents(), [])
  await watcher.stat('/w', true)
  await watcher.setData('/w', '3')
  assert.deepEqual(watcher.takeEvents(), [{ type: EventType.nodeDataChanged, path: '/w' }])
  await Promise.all([watcher.close(), writer.close()])
})

test('persistent watches stay, recursive ones reach below, and both can be removed', async (t) => {
  const { address } = await startServer(t)
  const client = await WireClient.connect(address)
  await client.create('/p')
  assert.equal((await client.pathAndInt(OpCode.addWatch, '/p', 0)).code, 0)
  await client.create('/p/a')
  await client.setData('/p', 'x')
  assert.deepEqual(client.takeEvents(), [
    { type: EventType.nodeChildrenChanged, path: '/p' },
    { type: EventType.nodeDataChanged, path: '/p' },
  ])
  assert.equal((await client.pathAndInt(OpCode.checkWatches, '/p', 3)).code, 0)
  assert.equal((await client.pathAndInt(OpCode.removeWatches, '/p', 3)).code, 0)
  assert.equal((await client.pathAndInt(OpCode.removeWatches, '/p', 3)).code, ErrorCode.noWatcher)
  await client.pathAndInt(OpCode.addWatch, '/', 1)
  await client.setData('/p/a', 'deep')
  await client.delete('/p/a')
  assert.deepEqual(client.takeEvents(), [
    { type: EventType.nodeDataChanged, path: '/p/a' },
    { type: EventType.nodeDeleted, path: '/p/a' },
  ])
  await client.close()
})

test('setWatches tells at once what changed while the client was away', async (t) => {
  const { address } = await startServer(t)
  const client = await WireClient.connect(address)
  const { zxid } = await client.create('/x')
  await client.create('/y')
  await client.setData('/x', 'later')
  await client.setWatches(zxid, [['/x', '/y', '/gone'], ['/y', '/none'], ['/'], ['/x'], []])
  assert.deepEqual(client.takeEvents(), [
    { type: EventType.nodeDataChanged, path: '/x' },
    { type: EventType.nodeDataChanged, path: '/y' },
    { type: EventType.nodeDeleted, path: '/gone' },
    { type: EventType.nodeCreated, path: '/y' },
    { type: EventType.nodeChildrenChanged, path: '/' },
  ])
  await client.create('/none')
  await client.setData('/x', 'again')
  assert.deepEqual(client.takeEvents(), [
    { type: EventType.nodeCreated, path: '/none' },
    { type: EventType.nodeDataChanged, path: '/x' },
  ])
  await client.close()
})

test('a silent session ends, its ephemerals go, and a late return is told so', async (t) => {
  const folder = await temporaryFolder(t)
  const clock = new FakeClock()
  const server = new ZooKeeperServer({ listen: 0, data: folder }, { clock })
  t.after(() => server.stop())
  await server.start()
  const address = server.addresses.zookeeper!
  const silent = await WireClient.connect(address, { timeoutMs: 1 })
  assert.equal(silent.timeoutMs, 4_000, 'at least twice the tick')
  const other = await WireClient.connect(address, { timeoutMs: 1_000_000 })
  assert.equal(other.timeoutMs, 40_000, 'at most twenty times the tick')
  await silent.create('/e', '', 1)
  await other.stat('/e', true)
  clock.advance(2_000)
  assert.notEqual(await other.stat('/e'), undefined)
  clock.advance(4_000)
  await silent.ended
  assert.equal(await other.stat('/e'), undefined)
  assert.deepEqual(other.takeEvents(), [{ type: EventType.nodeDeleted, path: '/e' }])
  const late = await WireClient.connect(address, { identity: silent.identity })
  assert.deepEqual([late.sessionId, late.timeoutMs], [0n, 0])
  await late.ended
  await other.close()
})

test('a session goes on over another connection with its password only, and the old one is cut', async (t) => {
  const { address } = await startServer(t)
  const first = await WireClient.connect(address)
  await first.create('/e', '', 1)
  const stranger = await WireClient.connect(address, {
    identity: { sessionId: first.sessionId, password: Buffer.alloc(16, 1) },
  })
  assert.equal(stranger.sessionId, 0n)
  const second = await WireClient.connect(address, { identity: first.identity })
  assert.equal(second.sessionId, first.sessionId)
  await first.ended
  assert.equal((await second.stat('/e'))?.ephemeralOwner, first.sessionId)
  await second.close()
  const third = await WireClient.connect(address)
  assert.equal(await third.stat('/e'), undefined)
  await third.close()
})

test('containers and znodes with a time to live go when their time has come', async (t) => {
  const clock = new FakeClock()
  const server = new ZooKeeperServer(
    { listen: 0, data: await temporaryFolder(t), maxSessionTimeout: 1_000_000 },
    { clock },
  )
  t.after(() => server.stop())
  await server.start()
  const client = await WireClient.connect(server.addresses.zookeeper!, { timeoutMs: 1_000_000 })
  assert.equal((await client.createTtl('/ttl', 90_000)).code, 0)
  assert.equal((await client.createTtl('/ttl2', 0)).code, ErrorCode.badArguments)
  await client.request(OpCode.createContainer, (writer) => {
    writeString(writer, '/box')
    writer.int32(-1).int32(1).int32(31)
    writeString(writer, 'world')
    writeString(writer, 'anyone')
    writer.int32(4)
  })
  clock.advance(60_000)
  assert.notEqual(await client.stat('/box'), undefined, 'a container that was never used stays')
  await client.create('/box/a')
  await client.delete('/box/a')
  assert.notEqual(await client.stat('/ttl'), undefined)
  clock.advance(60_000)
  assert.equal(await client.stat('/box'), undefined)
  assert.equal(await client.stat('/ttl'), undefined)
  await client.close()
})

test('an ACL holds off whoever has not proven to be somebody in it, and the super user passes', async (t) => {
  const { address } = await startServer(t, {
    'DigestAuthenticationProvider.superDigest': digestId('super:right'),
  })
  const owner = await WireClient.connect(address)
  assert.equal((await owner.auth('digest', 'user:secret')).code, 0)
  await owner.create('/mine', 'x', 0, [{ perms: 31, scheme: 'auth', id: '' }])
  const other = await WireClient.connect(address)
  assert.equal(await other.data('/mine'), undefined)
  assert.equal((await other.setData('/mine', 'y')).code, ErrorCode.noAuth)
  assert.equal((await other.create('/mine/a')).code, ErrorCode.noAuth)
  assert.equal(await other.acl('/mine'), ErrorCode.noAuth)
  assert.equal((await other.create('/bad', '', 0, [])).code, ErrorCode.invalidAcl)
  await other.auth('digest', 'super:wrong')
  assert.equal(await other.data('/mine'), undefined)
  await other.auth('digest', 'super:right')
  assert.equal(await other.data('/mine'), 'x')
  await other.setAcl('/mine', [...open, { perms: 1, scheme: 'ip', id: '127.0.0.1' }])
  const who = await owner.request(OpCode.whoAmI, () => {})
  assert.equal(who.body.int32(), 2)
  assert.deepEqual(
    [readString(who.body), readString(who.body), readString(who.body), readString(who.body)],
    ['ip', '127.0.0.1', 'digest', 'user'],
  )
  const unknown = await owner.auth('nonsense', 'x')
  assert.equal(unknown.code, ErrorCode.authFailed)
  await owner.ended
  await other.close()
})

test('requests sent without waiting are answered in order and share flushes', async (t) => {
  const { address, server } = await startServer(t, { '4lw.commands.whitelist': '*' })
  const client = await WireClient.connect(address)
  const replies = await Promise.all(
    Array.from({ length: 1_000 }, (_, index) => client.create(`/n${index}`, String(index))),
  )
  assert.ok(
    replies.every(
      ({ code }, index) => code === 0 && replies[0]!.zxid + index === replies[index]!.zxid,
    ),
  )
  const flushes = Number(/fsynctime_count (\d+)/.exec(server.metrics())?.[1])
  assert.ok(flushes < 100, `${flushes} flushes for 1,000 changes`)
  assert.equal((await client.children('/'))?.length, 1_001)
  const ephemerals = await client.request(OpCode.getEphemerals, (writer) =>
    writeString(writer, '/'),
  )
  assert.deepEqual(readStrings(ephemerals.body), [])
  assert.match(await fourLetterWord(address, 'mntr'), /zk_znode_count\t1005\n/)
  await client.close()
})

test('four-letter words answer as far as the whitelist goes', async (t) => {
  const { address } = await startServer(t, {
    '4lw.commands.whitelist': 'ruok, srvr,isro,stat,conf,cons,envi,dump,wchs',
  })
  const client = await WireClient.connect(address)
  await client.create('/e', '', 1)
  await client.stat('/e', true)
  assert.equal(await fourLetterWord(address, 'ruok'), 'imok')
  assert.equal(await fourLetterWord(address, 'isro'), 'rw')
  assert.match(
    await fourLetterWord(address, 'srvr'),
    /Zxid: 0x2\nMode: standalone\nNode count: 6\n/,
  )
  assert.match(
    await fourLetterWord(address, 'stat'),
    /Clients:\n \/127\.0\.0\.1:\d+\[1\]\(queued=0/,
  )
  assert.match(await fourLetterWord(address, 'conf'), /tickTime=2000/)
  assert.match(await fourLetterWord(address, 'cons'), /lop=EXIS/)
  assert.match(await fourLetterWord(address, 'envi'), /zookeeper\.version=3\.9/)
  assert.match(
    await fourLetterWord(address, 'dump'),
    /Sessions with Ephemerals \(1\):\n0x[0-9a-f]+:\n\t\/e\n/,
  )
  assert.match(
    await fourLetterWord(address, 'wchs'),
    /1 connections watching 1 paths\nTotal watches:1/,
  )
  assert.equal(
    await fourLetterWord(address, 'mntr'),
    'mntr is not executed because it is not in the whitelist.\n',
  )
  await client.close()
})

test('limits hold: connections per address, bytes per packet, zxids from elsewhere, unknown requests', async (t) => {
  const { address } = await startServer(t, { maxClientCnxns: 2, 'jute.maxbuffer': 1_000 })
  const client = await WireClient.connect(address)
  const second = await WireClient.dial(address)
  const third = await WireClient.dial(address)
  await third.ended
  second.sendRaw(Buffer.from([0, 0, 0x10, 0]))
  await second.ended
  await assert.rejects(WireClient.connect(address, { lastZxid: 99n }), /ended the connection/)
  assert.equal((await client.request(OpCode.reconfig, () => {})).code, ErrorCode.reconfigDisabled)
  assert.equal((await client.request(OpCode.getData, () => {})).code, ErrorCode.marshallingError)
  assert.equal((await client.request(OpCode.sasl, () => {})).code, ErrorCode.authFailed)
  assert.equal((await client.request(999, () => {})).code, ErrorCode.unimplemented)
  await client.ended
})

test('a client that takes no replies is not served further than a bound, and then to the end', async (t) => {
  const { address, server } = await startServer(t)
  const [lazy, other] = await Promise.all([
    WireClient.connect(address),
    WireClient.connect(address),
  ])
  const size = 500_000
  await lazy.create('/large', 'x'.repeat(size))
  lazy.pause()
  const before = server.vitals().recordsIn
  const replies = Array.from({ length: 300 }, () => lazy.read(OpCode.getData, '/large'))
  for (let times = 0; times < 20; times++) await other.ping()
  const served = server.vitals().recordsIn - before - 20
  assert.ok(served < 100, `${served} of 300 requests were served to a client that takes nothing`)
  lazy.resume()
  for (const { code, body } of await Promise.all(replies)) {
    assert.equal(code, 0)
    assert.equal(body.int32(), size)
  }
  await Promise.all([lazy.close(), other.close()])
})

test('arbitrary bytes end a connection or get an answer, and harm nobody else', async (t) => {
  const { address } = await startServer(t, { maxClientCnxns: 0 })
  const witness = await WireClient.connect(address)
  await witness.create('/here', 'x')
  const bytes = fc.uint8Array({ maxLength: 80 })
  await fc.assert(
    fc.asyncProperty(
      bytes,
      fc.boolean(),
      fc.integer({ min: 1, max: 110 }),
      async (junk, raw, type) => {
        if (raw) {
          const stranger = await WireClient.dial(address)
          stranger.sendRaw(junk)
          await stranger.drop()
        } else {
          const client = await WireClient.connect(address)
          await client.request(type, (writer) => writer.raw(junk)).catch(() => {})
          await client.drop()
        }
        assert.equal(await witness.data('/here'), 'x')
      },
    ),
    { numRuns: 150 },
  )
  await witness.close()
})

test('the part shows vitals and metrics, and stops and starts again with its data', async (t) => {
  const { server, address } = await startServer(t)
  const client = await WireClient.connect(address)
  await client.create('/a')
  assert.deepEqual(server.vitals().facts, { znodes: 5, sessions: 1, watches: 0 })
  assert.match(server.metrics(), /\nnum_alive_connections 1\n/)
  await server.stop()
  await client.ended
  await server.start()
  const again = await WireClient.connect(server.addresses.zookeeper!, { identity: client.identity })
  assert.equal(await again.data('/a'), '')
  await again.close()
})
