import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin, Producer } from '@khlong/kafka-client'
import {
  EmitStrategy,
  KafkaStreams,
  SessionWindows,
  StreamsBuilder,
  Suppressed,
  serdes,
  TimeWindows,
} from '../src/index.ts'
import { startBroker } from './helpers/broker.ts'

// Names and tags are compared with the Java library in peers/handover.test.ts; here is what they say.

const text = { keySerde: serdes.string, valueSerde: serdes.string }

interface Measured {
  readonly streams: KafkaStreams
  measured(name: string, of?: string): unknown
  send(key: string, timestamp: number): Promise<void>
}

/** An application that has counted five records, and what it measures. */
async function measuredApp(t: TestContext, level: 'INFO' | 'DEBUG'): Promise<Measured> {
  let streams: KafkaStreams | undefined
  // Before the broker: what comes first is cleaned up first.
  t.after(() => streams?.stop())
  const servers = await startBroker(t)
  await using admin = new Admin({ 'bootstrap.servers': servers })
  await admin.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1 })))
  const builder = new StreamsBuilder()
  const groups = builder.stream('in', text).groupByKey()
  const windows = groups.windowedBy(TimeWindows.ofSizeWithNoGrace(10))
  groups
    .count({ storeName: 'counts', caching: false })
    .toStream()
    .to('out', { keySerde: serdes.string, valueSerde: serdes.long })
  windows
    .count({ storeName: 'suppressed' })
    .suppress(Suppressed.untilWindowCloses())
    .toStream()
    .foreach(() => {})
  windows.emitStrategy(EmitStrategy.onWindowClose()).count({ storeName: 'final' })
  groups
    .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(10))
    .count({ storeName: 'sessions' })
    .toStream()
    .foreach(() => {})
  const app = new KafkaStreams(
    builder.build(),
    {
      'application.id': 'app',
      'bootstrap.servers': servers,
      'metrics.recording.level': level,
      'commit.interval.ms': 100,
    },
    { data: await temporaryFolder(t) },
  )
  streams = app
  await app.start()
  await using producer = new Producer({ 'bootstrap.servers': servers })
  for (let index = 0; index < 5; index++)
    producer.enqueue({
      topic: 'in',
      key: `k${index % 2}`,
      value: 'v',
      headers: index === 4 ? [['h', 'xyz']] : [],
      timestamp: 100 + index * 20,
    })
  await producer.flush()
  const measured = (name: string, of = ''): unknown =>
    streams.metrics().find((one) => one.name === name && JSON.stringify(one.tags).includes(of))
      ?.value
  await eventually(() => assert.equal(measured('records-produced-total'), 5), 30_000)
  const send = async (key: string, timestamp: number): Promise<void> => {
    await using later = new Producer({ 'bootstrap.servers': servers })
    await later.send({ topic: 'in', key, value: 'v', timestamp })
  }
  return { streams: app, measured, send }
}

describe('the metrics of an application', () => {
  it('tell of topics, nodes, iterators and itself', async (t) => {
    const { streams, measured } = await measuredApp(t, 'INFO')
    // As Java counts: with the topic, partition, offset and time of each; a header with key and value.
    assert.equal(measured('records-consumed-total', 'KSTREAM-SOURCE-0000000000'), 5)
    assert.equal(measured('bytes-consumed-total', '"topic":"in"'), 129)
    assert.equal(measured('bytes-produced-total', '"topic":"out"'), 169)
    const age = Date.now() - 180
    for (const node of ['KSTREAM-SOURCE-0000000000', 'KSTREAM-SINK-0000000003']) {
      const youngest = Number(measured('record-e2e-latency-min', node))
      assert.ok(youngest <= age && youngest > age - 600_000, `${node}: ${youngest}`)
      assert.equal(Number(measured('record-e2e-latency-max', node)) - youngest >= 80, true)
    }
    assert.match(String(measured('version')), /^\d+\.\d+\.\d+/)
    assert.equal(measured('commit-id'), 'unknown')
    assert.ok(Number(measured('blocked-time-ns-total')) > 0)
    // What Java records at DEBUG only.
    for (const name of ['process-total', 'suppression-emit-total', 'iterator-duration-avg'])
      assert.equal(measured(name, 'task-id'), undefined)

    const isOpen = (): unknown => measured('num-open-iterators', '"rocksdb-state-id":"counts"')
    const since = (): unknown => measured('oldest-iterator-open-since-ms', '"counts"')
    assert.deepEqual([isOpen(), since()], [0, 0])
    const store = streams.store<string, number>('counts', 'key-value')
    for await (const [key] of store.all()) {
      assert.equal(key, 'k0')
      break
    }
    await eventually(() => assert.deepEqual([isOpen(), since()], [0, 0]), 30_000)
  })

  it('tell at DEBUG what waits, and how long iterators take', async (t) => {
    const { streams, measured, send } = await measuredApp(t, 'DEBUG')
    assert.equal(measured('process-total', 'KSTREAM-SOURCE-0000000000'), 5)
    assert.ok(Number(measured('process-rate', 'KSTREAM-SOURCE-0000000000')) > 0)
    await eventually(() => assert.equal(measured('suppression-emit-total'), 4), 30_000)
    // Looked for once a second, when a record comes.
    await eventually(async () => {
      await send('later', 1_000)
      assert.ok(Number(measured('window-aggregate-final-emit-total')) > 0)
    }, 30_000)
    assert.ok(Number(measured('window-aggregate-final-emit-latency-max')) >= 0)
    assert.equal(measured('hit-ratio-avg', '"record-cache-id":"sessions"'), 1)
    const store = streams.store<string, number>('counts', 'key-value')
    const found: unknown[] = []
    for await (const entry of store.all()) found.push(entry)
    assert.deepEqual(found.slice(0, 2), [
      ['k0', 3],
      ['k1', 2],
    ])
    assert.ok(Number(measured('iterator-duration-max', '"counts"')) > 0)
  })
})
