import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { eventually, SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { Admin, Fetcher, Producer } from '@khlong/kafka-client'
import { KafkaStreams, StreamsBuilder, serdes } from '../src/index.ts'
import { StateFolder } from '../src/state/state-folder.ts'
import { startBroker } from './helpers/broker.ts'

async function startChild(servers: string, data: string): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('child/window-counter.ts', import.meta.url))
  const child = fork(file, [servers, data], { stdio: 'inherit' })
  const [state] = (await once(child, 'message')) as [string]
  assert.equal(state, 'running')
  return child
}

/** What a reader of committed records finds, in the order of each partition. */
async function readCommitted(servers: string, topic: string): Promise<[string, string][]> {
  await using admin = new Admin({ 'bootstrap.servers': servers })
  const [described] = await admin.describeTopics([topic])
  const places = described!.partitions.map(({ partition }) => ({ topic, partition }))
  const ends = await admin.listOffsets(
    places.map((one) => ({ ...one, spec: 'latest' })),
    { isCommitted: true },
  )
  await using fetcher = new Fetcher({
    'bootstrap.servers': servers,
    'isolation.level': 'read_committed',
  })
  fetcher.assign(places.map((one) => ({ ...one, offset: 0 })))
  const found: [string, string][] = []
  while (ends.some((end) => (fetcher.position(end) ?? 0) < end.offset))
    for (const { records } of await fetcher.poll(100))
      for (const { key, value } of records) found.push([String(key), String(value)])
  return found
}

describe('exactly_once_v2', () => {
  it('counts each record once though the process is killed again and again', {
    timeout: 120_000,
  }, async (t) => {
    const seed = 20_261_124
    const random = new SeededRandom(seed)
    const servers = await startBroker(t)
    const data = await temporaryFolder(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'numbers', partitions: 3 },
      { name: 'sums', partitions: 2 },
    ])
    await using producer = new Producer({ 'bootstrap.servers': servers })
    const expected = new Map<string, [count: number, sum: number]>()
    const startMs = 1_770_000_000_000
    let sent = 0
    const load = async (untilMs: number): Promise<void> => {
      while (performance.now() < untilMs) {
        for (let left = 100; left > 0; left--) {
          const value = Math.floor(random.next() * 1_000)
          const timestamp = startMs + sent * 10
          producer.enqueue({
            topic: 'numbers',
            partition: sent % 3,
            value: serdes.integer.serialize(value),
            timestamp,
          })
          const key = `k${value % 7}@${timestamp - (timestamp % 1_000)}`
          const sums = expected.get(key) ?? [0, 0]
          expected.set(key, [sums[0] + 1, sums[1] + value])
          sent++
        }
        await pause(10)
      }
    }
    let child: ChildProcess | undefined
    t.after(() => child?.kill('SIGKILL'))
    for (let round = 0; round < 4; round++) {
      child = await startChild(servers, data)
      await load(performance.now() + 200 + random.next() * 500)
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    child = await startChild(servers, data)
    // What comes long after closes every window.
    for (let value = 0; value < 7; value++)
      for (let partition = 0; partition < 3; partition++)
        producer.enqueue({
          topic: 'numbers',
          partition,
          value: serdes.integer.serialize(value),
          timestamp: startMs + 100_000_000,
        })
    await producer.flush()
    const expectedLines = [...expected].map(([key, sums]) => `${key} ${sums.join(' ')}`).sort()
    await eventually(async () => {
      const found = await readCommitted(servers, 'sums')
      assert.ok(found.length >= expectedLines.length, `${found.length} windows are closed`)
    }, 30_000)
    child.kill('SIGTERM')
    const [exitCode] = (await once(child, 'exit')) as [number]
    assert.equal(exitCode, 0)
    const found = await readCommitted(servers, 'sums')
    assert.deepEqual(found.map((line) => line.join(' ')).sort(), expectedLines, `seed ${seed}`)
    t.diagnostic(`${sent} records, 4 kills, ${expected.size} windows`)
  })

  it('begins anew at the last commit where another producer took its id over', async (t) => {
    const servers = await startBroker(t)
    const data = await temporaryFolder(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'words', partitions: 2 },
      { name: 'counted', partitions: 1 },
    ])
    const text = { keySerde: serdes.string, valueSerde: serdes.string }
    const builder = new StreamsBuilder()
    builder
      .stream('words', text)
      .groupByKey(text)
      .count({ storeName: 'counts' })
      .toStream()
      .mapValues(String)
      .to('counted', text)
    const folder = await StateFolder.open(path.join(data, 'counter'))
    const { processId } = folder
    await folder.close()
    await using streams = new KafkaStreams(
      builder.build(),
      {
        'application.id': 'counter',
        'bootstrap.servers': servers,
        'processing.guarantee': 'exactly_once_v2',
        'statestore.cache.max.bytes': 0,
      },
      { data },
    )
    await streams.start()
    await using producer = new Producer({ 'bootstrap.servers': servers })
    const say = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++)
        await producer.send({
          topic: 'words',
          partition: index % 2,
          key: `w${index % 2}`,
          value: '',
        })
    }
    const counted = (each: number): Promise<void> =>
      eventually(async () => {
        const found = await readCommitted(servers, 'counted')
        assert.deepEqual(
          found.map((line) => line.join(' ')).sort(),
          Array.from({ length: each }, (_, index) => [`w0 ${index + 1}`, `w1 ${index + 1}`])
            .flat()
            .sort(),
        )
      }, 15_000)
    await say(6)
    await counted(3)
    await using rival = new Producer({
      'bootstrap.servers': servers,
      'transactional.id': `counter-${processId}-1`,
    })
    await rival.initTransactions()
    await say(4)
    await counted(5)
    assert.equal(streams.state, 'running')
  })
})
