import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Logger, silentLogger, systemClock } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin, Consumer, type ConsumerRecord, Fetcher, Producer } from '@khlong/kafka-client'
import {
  KafkaStreams,
  StreamsApps,
  StreamsBuilder,
  type StreamsError,
  type StreamsSettings,
  serdes,
  TimeWindows,
} from '../src/index.ts'
import { StateFolder } from '../src/state/state-folder.ts'
import { startBroker } from './helpers/broker.ts'

// The runtime against the embedded broker; test/peers has a real one.

async function readAll(servers: string, topic: string): Promise<ConsumerRecord[]> {
  await using admin = new Admin({ 'bootstrap.servers': servers })
  const [described] = await admin.describeTopics([topic])
  const partitions = described!.partitions.map(({ partition }) => ({ topic, partition }))
  const ends = await admin.listOffsets(partitions.map((one) => ({ ...one, spec: 'latest' })))
  await using fetcher = new Fetcher({ 'bootstrap.servers': servers })
  fetcher.assign(partitions.map((one) => ({ ...one, offset: 0 })))
  const records: ConsumerRecord[] = []
  while (ends.some((end) => (fetcher.position(end) ?? 0) < end.offset))
    for (const polled of await fetcher.poll(100)) records.push(...polled.records)
  return records
}

const text = { keySerde: serdes.string, valueSerde: serdes.string }

function countWords(): ReturnType<StreamsBuilder['build']> {
  const builder = new StreamsBuilder()
  builder
    .stream('words', text)
    .groupBy((_key, word) => word, text)
    .count({ storeName: 'counts' })
    .toStream()
    .to('counted', { keySerde: serdes.string, valueSerde: serdes.long })
  return builder.build()
}

const settings = (servers: string): StreamsSettings => ({
  'application.id': 'word-count',
  'bootstrap.servers': servers,
  // Counts are held back until a commit.
  'commit.interval.ms': 100,
})

describe('an application on a broker', () => {
  it('goes on where it was, with its store on disk or read from the changelog', async (t) => {
    const servers = await startBroker(t)
    const data = await temporaryFolder(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'words', partitions: 3 },
      { name: 'counted', partitions: 1 },
    ])
    await using producer = new Producer({ 'bootstrap.servers': servers })
    const say = async (...words: string[]): Promise<void> => {
      for (const [index, value] of words.entries())
        await producer.send({ topic: 'words', partition: index % 3, value })
    }
    const counts = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        (await readAll(servers, 'counted')).map(({ key, value }) => [
          String(key),
          serdes.long.deserialize(value!),
        ]),
      )
    const run = async (
      folder: string | undefined,
      words: string[],
      expected: object,
    ): Promise<void> => {
      const context = folder === undefined ? {} : { data: folder }
      const streams = new KafkaStreams(countWords(), settings(servers), context)
      await streams.start()
      await say(...words)
      await eventually(async () => assert.deepEqual(await counts(), expected), 15_000)
      const store = streams.store<string, number>('counts', 'key-value')
      const found = new Map<string, number>()
      for await (const [word, count] of store.all()) found.set(word, count)
      assert.deepEqual(Object.fromEntries([...found].sort()), expected)
      assert.equal(await store.get('a'), found.get('a'))
      await streams.stop()
      assert.equal(streams.state, 'not-running')
    }
    await run(undefined, ['a', 'b', 'a'], { a: 2, b: 1 })
    await run(undefined, ['a', 'c'], { a: 3, b: 1, c: 1 })
    await run(data, ['b'], { a: 3, b: 2, c: 1 })
    await run(data, ['c', 'b'], { a: 3, b: 3, c: 2 })
    const [changelog] = await admin.describeConfigs([
      { type: 'topic', name: 'word-count-counts-changelog' },
    ])
    assert.equal(changelog?.find(({ name }) => name === 'cleanup.policy')?.value, 'compact')
  })

  it('writes where a partitioner says, and windows where their keys are, from the first record on', async (t) => {
    const servers = await startBroker(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'words', partitions: 1 },
      { name: 'by-length', partitions: 4 },
      { name: 'plain', partitions: 4 },
      { name: 'windows', partitions: 4 },
    ])
    const builder = new StreamsBuilder()
    const words = builder.stream('words', text)
    words.to('plain')
    words.to('by-length', {
      partitioner: (topic, _key, value, count) =>
        topic === 'by-length' ? value.length % count : undefined,
    })
    words
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .count()
      .toStream()
      .to('windows')
    await using producer = new Producer({ 'bootstrap.servers': servers })
    const values = ['a', 'bb', 'ccc', 'dddd', 'eeeee', 'ffffff']
    for (const value of values) await producer.send({ topic: 'words', key: value, value })
    await using streams = new KafkaStreams(builder.build(), settings(servers))
    await streams.start()
    await eventually(async () => {
      const sent = await readAll(servers, 'by-length')
      assert.deepEqual(
        sent.map(({ partition, value }) => [partition, String(value)]).sort(),
        values.map((value) => [value.length % 4, value]).sort(),
      )
      const windows = serdes.timeWindowed(serdes.string, 10)
      const placed = (records: ConsumerRecord[], keyOf: (bytes: Buffer) => string): string[] =>
        records.map(({ partition, key }) => `${keyOf(key!)} in ${partition}`).sort()
      assert.deepEqual(
        placed(await readAll(servers, 'windows'), (key) => windows.deserialize(key).key),
        placed(await readAll(servers, 'plain'), String),
      )
    }, 15_000)
  })

  it('ends when a partitioner names a partition that there is not', async (t) => {
    const servers = await startBroker(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'words', partitions: 1 },
      { name: 'out', partitions: 2 },
    ])
    const builder = new StreamsBuilder()
    builder.stream('words', text).to('out', { partitioner: () => 2 })
    await using producer = new Producer({ 'bootstrap.servers': servers })
    await producer.send({ topic: 'words', key: 'k', value: 'v' })
    const ended = Promise.withResolvers<unknown>()
    await using streams = new KafkaStreams(builder.build(), settings(servers), {
      onError: ended.resolve,
    })
    await streams.start()
    const error = (await ended.promise) as StreamsError
    assert.equal(error.code, 'STREAMS_PRODUCTION_FAILED')
    assert.match(String((error.cause as Error).message), /out has 2 partitions, none is 2/)
  })

  for (const guarantee of ['at_least_once', 'exactly_once_v2'] as const)
    it(`shares its tasks with a second instance, which takes them over when the first ends (${guarantee})`, async (t) => {
      const servers = await startBroker(t)
      await using admin = new Admin({ 'bootstrap.servers': servers })
      await admin.createTopics([
        { name: 'words', partitions: 4 },
        { name: 'counted', partitions: 1 },
      ])
      await using producer = new Producer({ 'bootstrap.servers': servers })
      const quick = {
        ...settings(servers),
        'heartbeat.interval.ms': 100,
        'commit.interval.ms': 200,
        'processing.guarantee': guarantee,
      }
      const words = Array.from({ length: 40 }, (_, index) => `w${index % 10}`)
      const say = async (): Promise<void> => {
        for (const [index, value] of words.entries())
          await producer.send({ topic: 'words', partition: index % 4, value })
      }
      const counted = async (each: number): Promise<void> => {
        const newest = new Map<string, number>()
        for (const { key, value } of await readAll(servers, 'counted'))
          newest.set(String(key), serdes.long.deserialize(value!))
        assert.deepEqual([...newest.values()], new Array(10).fill(each))
      }
      await using first = new KafkaStreams(countWords(), quick)
      await using second = new KafkaStreams(countWords(), quick)
      const stores = async (of: KafkaStreams): Promise<number> => {
        const threads = await of.metadataForLocalThreads()
        const tasks = threads.flatMap(({ activeTasks }) => activeTasks)
        return tasks.filter(({ taskId }) => taskId.startsWith('1_')).length
      }
      await first.start()
      await eventually(async () => assert.equal(await stores(first), 4), 15_000)
      await say()
      await eventually(() => counted(4), 15_000)
      await second.start()
      await eventually(
        async () => assert.deepEqual([await stores(first), await stores(second)], [2, 2]),
        15_000,
      )
      await say()
      await eventually(() => counted(8), 15_000)
      await first.stop()
      await eventually(async () => assert.equal(await stores(second), 4), 15_000)
      await say()
      await eventually(() => counted(12), 15_000)
    })

  it('waits for members of another library, and says who they are where they stay', async (t) => {
    const servers = await startBroker(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'words', partitions: 1 },
      { name: 'counted', partitions: 1 },
    ])
    const other = new Consumer({
      'bootstrap.servers': servers,
      'group.id': 'word-count',
      'client.id': 'of-another-library',
    })
    t.after(() => other.close())
    other.subscribe(['words'])
    await eventually(async () => {
      await other.poll(50)
      assert.equal(other.assignment.length, 1)
    })
    const told: string[] = []
    const logger: Logger = { ...silentLogger, warn: (_fields, message) => told.push(message) }
    let errorTold: unknown
    let nowMs = Date.now()
    const impatient = new KafkaStreams(countWords(), settings(servers), {
      clock: { ...systemClock, nowMs: () => nowMs },
      onError: (error) => {
        errorTold = error
      },
    })
    const patient = new KafkaStreams(countWords(), settings(servers), { logger })
    t.after(() => Promise.all([impatient.stop(), patient.stop()]))
    await Promise.all([impatient.start(), patient.start()])
    await eventually(() =>
      assert.deepEqual(told, [
        'Kafka group member failed',
        'group has members of another library, whose sessions are waited for',
      ]),
    )
    await eventually(() => {
      nowMs += 200_000
      assert.equal(impatient.state, 'error')
    })
    const { code, message } = errorTold as StreamsError
    assert.equal(code, 'STREAMS_GROUP_OF_OTHERS')
    assert.match(message, /group word-count has members .*: of-another-library at /)
    assert.equal(patient.state, 'rebalancing')
    assert.equal(told.length, 2)
    await other.close()
    await eventually(() => assert.equal(patient.state, 'running'))
  })

  it('leaves its group where it is told so, and keeps its place otherwise', async (t) => {
    const servers = await startBroker(t)
    const data = await temporaryFolder(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'words', partitions: 1 },
      { name: 'counted', partitions: 1 },
    ])
    for (const [leaveGroup, left] of [
      [false, 1],
      [true, 0],
    ] as const) {
      const streams = new KafkaStreams(countWords(), settings(servers), { data })
      await streams.start()
      await eventually(() => assert.equal(streams.state, 'running'))
      await streams.stop({ leaveGroup })
      const [group] = await admin.describeGroups(['word-count'])
      assert.equal(group?.members.length, left)
    }
  })

  it('deletes what it keeps on disk while it does not run, and takes its place back', async (t) => {
    const servers = await startBroker(t)
    const data = await temporaryFolder(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: 'words', partitions: 1 },
      { name: 'counted', partitions: 1 },
    ])
    await using producer = new Producer({ 'bootstrap.servers': servers })
    await producer.send({ topic: 'words', value: 'a' })
    const make = (): KafkaStreams => new KafkaStreams(countWords(), settings(servers), { data })
    const first = make()
    await first.cleanUp()
    await first.start()
    await assert.rejects(first.cleanUp(), { code: 'STREAMS_RUNNING' })
    await eventually(async () => {
      const [record] = await readAll(servers, 'counted')
      assert.equal(String(record?.key), 'a')
    })
    await assert.rejects(make().cleanUp(), { code: 'DATA_FOLDER_IN_USE' })
    await first.stop()
    const kept = async (): Promise<[processId: string, tasks: string[]]> => {
      const folder = await StateFolder.open(`${data}/word-count`)
      const found: [string, string[]] = [folder.processId, folder.taskIds()]
      await folder.close()
      return found
    }
    const [processId, tasks] = await kept()
    assert.deepEqual(tasks, ['1_0'])
    await first.cleanUp()
    assert.deepEqual(await kept(), [processId, []])
    const second = make()
    await second.start()
    t.after(() => second.stop())
    await eventually(async () => {
      assert.equal(second.state, 'running')
      assert.equal(await second.store<string, number>('counts', 'key-value').get('a'), 1)
    })
  })

  it('says which source topics are missing', async (t) => {
    const servers = await startBroker(t)
    const streams = new KafkaStreams(countWords(), settings(servers))
    await assert.rejects(streams.start(), {
      code: 'STREAMS_SOURCE_TOPIC_MISSING',
      message: /words/,
    })
    assert.equal(streams.state, 'error')
  })

  it('runs the pipeline: the last window closes by the clock', async (t) => {
    let apps: StreamsApps | undefined
    t.after(() => apps?.stop())
    const servers = await startBroker(t)
    apps = new StreamsApps({
      'bootstrap.servers': servers,
      apps: fileURLToPath(
        new URL('../../../pipelines/iot/streams/iot-processor.ts', import.meta.url),
      ),
      data: await temporaryFolder(t),
      'create.source.topics': 2,
      settings: { 'window.size.ms': 300 },
    })
    await apps.start()
    await eventually(
      () => assert.ok(apps.vitals().items[0]?.state === 'running', 'running'),
      15_000,
    )
    await using producer = new Producer({ 'bootstrap.servers': servers })
    const payload = { temperature: 1, humidity: 2, pressure: 3, luminosity: 4 }
    const frame = { id: 1, name: 's', place_id: 2, timestamp: 5, payload }
    await producer.send({ topic: 'iot-frames', key: '1', value: JSON.stringify(frame) })
    await producer.send({ topic: 'iot-frames', key: '1', value: 'nothing' })
    await eventually(
      () => assert.ok(apps.vitals().facts.windowEndMs !== undefined, 'an open window'),
      15_000,
    )
    await eventually(() => assert.ok(apps.vitals().recordsOut >= 5, 'both aggregates'), 15_000)
    const [sensor] = await readAll(servers, 'iot-aggregate-metrics-sensor')
    assert.equal(String(sensor?.key), '1')
    assert.equal(apps.vitals().deadLetters, 1)
    assert.equal(apps.vitals().facts.windowEndMs, undefined)
  })
})
