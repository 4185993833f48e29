import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { Admin, Producer } from '@khlong/kafka-client'
import {
  KafkaStreams,
  type QueryableStores,
  SessionWindows,
  StreamsBuilder,
  serdes,
  TimeWindows,
  type Topology,
  TopologyTestDriver,
} from '../src/index.ts'

// What is asked of a store: from outside, over tasks and threads, and of the test driver.

const text = { keySerde: serdes.string, valueSerde: serdes.string }

/** The newest value, the windows and the sessions of each key; on disk, but for those of sessions. */
function topology(): Topology {
  const builder = new StreamsBuilder()
  const stream = builder.stream('in', text)
  const join = (one: string, other: string): string => one + other
  stream.toTable({ storeName: 'newest', caching: false })
  const groups = stream.groupByKey()
  groups
    .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
    .reduce(join, { storeName: 'windows', retentionMs: 1_000 })
  groups
    .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(5))
    .reduce(join, { storeName: 'sessions', retentionMs: 1_000 })
  return builder.build()
}

const input = [
  ['aa', 'A', 1],
  ['ab', 'B', 2],
  ['b', 'C', 11],
  ['aa', 'D', 12],
  ['c', 'E', 23],
  ['aa', 'F', 24],
] as const

type Pairs = AsyncIterable<readonly [unknown, unknown]> | Iterable<readonly [unknown, unknown]>

const told = async (pairs: unknown): Promise<string> => {
  const found: string[] = []
  for await (const [key, value] of pairs as Pairs) found.push(`${key}=${value}`)
  return found.join(' ')
}

/** The same of both: one gives promises, the other does not. */
async function ask(kv: unknown, windows: unknown, sessions: unknown): Promise<void> {
  const newest = kv as QueryableStores<string, string>['key-value']
  assert.equal(await newest.get('aa'), 'F')
  assert.deepEqual({ ...(await newest.find('ab')) }.timestampMs, 2)
  assert.equal(await newest.find('x'), undefined)
  assert.equal(await told(newest.all()), 'aa=F ab=B b=C c=E')
  assert.equal(await told(newest.reverseAll()), 'c=E b=C ab=B aa=F')
  assert.equal(await told(newest.range('ab', 'b')), 'ab=B b=C')
  assert.equal(await told(newest.range(null, 'ab')), 'aa=F ab=B')
  assert.equal(await told(newest.reverseRange('ab', null)), 'c=E b=C ab=B')
  assert.equal(await told(newest.prefixScan('a', serdes.string)), 'aa=F ab=B')
  assert.equal(await told(newest.prefixScan('x', serdes.string)), '')

  const windowed = windows as QueryableStores<string, string>['window']
  assert.equal(await told(windowed.fetchRange('aa', 0, 20)), '0=A 10=D 20=F')
  assert.equal(await told(windowed.backwardFetchRange('aa', 0, 10)), '10=D 0=A')
  const all = '[aa@0/10]=A [ab@0/10]=B [aa@10/20]=D [b@10/20]=C [aa@20/30]=F [c@20/30]=E'
  assert.equal(await told(windowed.all()), all)
  assert.equal(await told(windowed.backwardAll()), all.split(' ').reverse().join(' '))
  assert.equal(await told(windowed.fetchAll(5, 10)), '[aa@10/20]=D [b@10/20]=C')
  assert.equal(await told(windowed.backwardFetchAll(5, 10)), '[b@10/20]=C [aa@10/20]=D')
  assert.equal(await told(windowed.fetchKeyRange('ab', 'b', 0, 100)), '[ab@0/10]=B [b@10/20]=C')
  assert.equal(
    await told(windowed.backwardFetchKeyRange(null, 'ab', 0, 10)),
    '[aa@10/20]=D [ab@0/10]=B [aa@0/10]=A',
  )

  const session = sessions as QueryableStores<string, string>['session']
  assert.equal(await told(session.fetch('aa')), '[aa@1/1]=A [aa@12/12]=D [aa@24/24]=F')
  assert.equal(await told(session.backwardFetch('aa')), '[aa@24/24]=F [aa@12/12]=D [aa@1/1]=A')
  assert.equal(await told(session.findSessions('aa', 12, 20)), '[aa@12/12]=D')
  assert.equal(await told(session.backwardFindSessions('aa', 2, 24)), '[aa@24/24]=F [aa@12/12]=D')
  assert.equal(await told(session.fetchKeyRange('ab', 'b')), '[ab@2/2]=B [b@11/11]=C')
  assert.equal(
    await told(session.backwardFetchKeyRange('ab', null)),
    '[c@23/23]=E [b@11/11]=C [ab@2/2]=B',
  )
}

describe('stores are asked by key, by range, forward and backward', () => {
  it('in the test driver', async () => {
    const driver = new TopologyTestDriver(topology())
    const topic = driver.createInputTopic('in', serdes.string, serdes.string)
    for (const [key, value, timeMs] of input) topic.pipe(key, value, timeMs)
    await ask(
      driver.getKeyValueStore('newest'),
      driver.getWindowStore('windows'),
      driver.getSessionStore('sessions'),
    )
  })

  it('in a running application, with what is on disk', async (t) => {
    let broker: KafkaBroker | undefined
    t.after(() => broker?.stop())
    const folder = await temporaryFolder(t)
    broker = new KafkaBroker({ listen: 0, data: folder, 'group.initial.rebalance.delay.ms': 0 })
    await broker.start()
    const servers = Object.values(broker.addresses)[0]!
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([{ name: 'in', partitions: 1 }])
    await using producer = new Producer({ 'bootstrap.servers': servers })
    for (const [key, value, timestamp] of input)
      await producer.send({ topic: 'in', key, value, timestamp })
    await using streams = new KafkaStreams(
      topology(),
      { 'application.id': 'asked', 'bootstrap.servers': servers, 'commit.interval.ms': 50 },
      { data: await temporaryFolder(t) },
    )
    await streams.start()
    const newest = streams.store<string, string>('newest', 'key-value')
    await eventually(async () => {
      assert.equal(streams.state, 'running')
      assert.equal(await newest.get('aa'), 'F')
      const [thread] = await streams.metadataForLocalThreads()
      assert.equal(thread?.activeTasks[0]?.committedOffsets['in-0'], input.length)
    }, 15_000)
    await ask(newest, streams.store('windows', 'window'), streams.store('sessions', 'session'))
  })
})
