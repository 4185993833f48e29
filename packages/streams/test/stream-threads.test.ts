import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CodedError } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { Admin, Fetcher, Producer } from '@khlong/kafka-client'
import {
  KafkaStreams,
  type KafkaStreamsState,
  minutes,
  StreamsApps,
  StreamsBuilder,
  type StreamsSettings,
  type StreamThreadExceptionResponse,
  serdes,
} from '../src/index.ts'
import { TaskLocks } from '../src/runtime/task-locks.ts'

const wordCount = new URL('child/word-count.ts', import.meta.url)

/** A broker with the topics `words` (4 partitions) and `counted`. */
async function startBroker(t: TestContext): Promise<Words> {
  let broker: KafkaBroker | undefined
  let words: Words | undefined
  // Before the folder is made: what comes first is cleaned up first.
  t.after(async () => {
    await words?.end()
    await broker?.stop()
  })
  const data = await temporaryFolder(t)
  broker = new KafkaBroker({ listen: 0, data, 'group.initial.rebalance.delay.ms': 0 })
  await broker.start()
  words = new Words(Object.values(broker.addresses)[0]!)
  await words.admin.createTopics([
    { name: 'words', partitions: 4 },
    { name: 'counted', partitions: 1 },
  ])
  return words
}

class Words {
  readonly settings: Partial<StreamsSettings>
  readonly admin: Admin
  readonly #servers: string
  readonly #producer: Producer
  readonly #applications: KafkaStreams[] = []
  readonly #closings: (() => Promise<void>)[] = []

  constructor(servers: string) {
    this.#servers = servers
    this.admin = new Admin({ 'bootstrap.servers': servers })
    this.#producer = new Producer({ 'bootstrap.servers': servers })
    this.settings = {
      'bootstrap.servers': servers,
      'heartbeat.interval.ms': 100,
      'commit.interval.ms': 100,
      'processing.guarantee': 'exactly_once_v2',
    }
  }

  async open(
    settings: Partial<StreamsSettings>,
    context: Parameters<typeof KafkaStreams.fromModule>[2] = {},
  ): Promise<KafkaStreams> {
    const opened = await KafkaStreams.fromModule(
      wordCount,
      { ...this.settings, ...settings },
      context,
    )
    this.#applications.push(opened)
    return opened
  }

  /** Each word once on each of the four partitions. */
  async say(...words: string[]): Promise<void> {
    for (const value of words)
      for (let partition = 0; partition < 4; partition++)
        await this.#producer.send({ topic: 'words', partition, value, timestamp: 60_000 })
  }

  /** The newest counts that were committed. */
  async counted(): Promise<Record<string, number>> {
    const place = { topic: 'counted', partition: 0 }
    const [end] = await this.admin.listOffsets([{ ...place, spec: 'latest' }], {
      isCommitted: true,
    })
    await using fetcher = new Fetcher({
      'bootstrap.servers': this.#servers,
      'isolation.level': 'read_committed',
    })
    fetcher.assign([{ ...place, offset: 0 }])
    const counts: [string, number][] = []
    while ((fetcher.position(place) ?? 0) < end!.offset)
      for (const { records } of await fetcher.poll(100))
        for (const { key, value } of records)
          counts.push([String(key), serdes.long.deserialize(value!)])
    return Object.fromEntries(new Map(counts))
  }

  /** What is to end while the broker is there. */
  closeFirst(close: () => Promise<void>): void {
    this.#closings.push(close)
  }

  async end(): Promise<void> {
    for (const close of this.#closings) await close()
    await Promise.all(this.#applications.map((one) => one.stop()))
    await this.#producer.close()
    await this.admin.close()
  }
}

const isRunning = (...all: KafkaStreams[]): Promise<void> =>
  eventually(
    () =>
      assert.deepEqual(
        all.map(({ state }) => state),
        all.map(() => 'running'),
      ),
    30_000,
  )

/** How many tasks each thread has, by its name. */
const taskCounts = async (streams: KafkaStreams): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await streams.metadataForLocalThreads()).map(({ threadName, activeTasks }) => [
      threadName,
      activeTasks.length,
    ]),
  )

async function entriesOf<Entry>(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const found: Entry[] = []
  for await (const entry of entries) found.push(entry)
  return found
}

describe('stream threads', () => {
  it('are workers and members of the group, with the names that Java gives them', async (t) => {
    const words = await startBroker(t)
    const streams = await words.open({ 'num.stream.threads': 3, 'client.id': 'counter' })
    const states: string[] = []
    streams.setStateListener((state, before) => states.push(`${before} ${state}`))
    await streams.start()
    await isRunning(streams)
    assert.deepEqual(states.slice(0, 2), ['created rebalancing', 'rebalancing running'])
    // 4 partitions of words, and 4 of each topic in between.
    await eventually(async () => {
      const counts = await taskCounts(streams)
      assert.deepEqual(Object.keys(counts).sort(), [
        'counter-StreamThread-1',
        'counter-StreamThread-2',
        'counter-StreamThread-3',
      ])
      assert.deepEqual(Object.values(counts), [4, 4, 4])
    }, 30_000)
    const [group] = await words.admin.describeGroups(['word-count'])
    assert.deepEqual(group!.members.map(({ clientId }) => clientId).sort(), [
      'counter-StreamThread-1-consumer',
      'counter-StreamThread-2-consumer',
      'counter-StreamThread-3-consumer',
    ])
    await words.say('a', 'b', 'a')
    await eventually(async () => assert.deepEqual(await words.counted(), { a: 8, b: 4 }), 30_000)
    await eventually(() => assert.equal(streams.counts.recordsIn, 36), 30_000)
    await streams.stop()
    assert.deepEqual(states.slice(-2), ['running pending-shutdown', 'pending-shutdown not-running'])
    assert.deepEqual(await streams.metadataForLocalThreads(), [])
    // Each word is read from its topic, and from those in between.
    assert.equal(streams.counts.recordsIn, 36)
  })

  it('share a folder: tasks move between them with their stores when threads come and go', async (t) => {
    const words = await startBroker(t)
    const data = await temporaryFolder(t)
    const streams = await words.open({ 'num.stream.threads': 2, 'client.id': 'c' }, { data })
    await streams.start()
    await isRunning(streams)
    await words.say('a', 'b')
    await eventually(async () => assert.deepEqual(await words.counted(), { a: 4, b: 4 }), 30_000)
    assert.equal(await streams.addStreamThread(), 'c-StreamThread-3')
    await eventually(
      async () => assert.deepEqual(Object.values(await taskCounts(streams)), [4, 4, 4]),
      30_000,
    )
    await words.say('a', 'c')
    await eventually(
      async () => assert.deepEqual(await words.counted(), { a: 8, b: 4, c: 4 }),
      30_000,
    )
    assert.equal(await streams.removeStreamThread(), 'c-StreamThread-1')
    await eventually(
      async () =>
        assert.deepEqual(await taskCounts(streams), {
          'c-StreamThread-2': 6,
          'c-StreamThread-3': 6,
        }),
      30_000,
    )
    await words.say('b')
    await eventually(
      async () => assert.deepEqual(await words.counted(), { a: 8, b: 8, c: 4 }),
      30_000,
    )
    const rival = await words.open({ 'num.stream.threads': 2 }, { data })
    await assert.rejects(rival.start(), { code: 'DATA_FOLDER_IN_USE' })
    await streams.stop()
    const again = await words.open({}, { data })
    await again.start()
    await words.say('c')
    await eventually(
      async () => assert.deepEqual(await words.counted(), { a: 8, b: 8, c: 8 }),
      30_000,
    )
  })

  it('answer for their stores together', async (t) => {
    const words = await startBroker(t)
    const streams = await words.open({ 'num.stream.threads': 2 })
    const counts = streams.store<string, number>('counts', 'key-value')
    await assert.rejects(counts.get('a'), { code: 'STREAMS_STORE_NOT_AVAILABLE' })
    assert.throws(() => streams.store('countz', 'key-value'), {
      code: 'STREAMS_STORE_UNKNOWN',
      message: /counts, by-minute/,
    })
    assert.throws(() => streams.store('counts', 'window'), { code: 'STREAMS_STORE_UNKNOWN' })
    await streams.start()
    await isRunning(streams)
    const many = Array.from({ length: 300 }, (_, index) => `w${String(index).padStart(3, '0')}`)
    await words.say(...many)
    await eventually(
      async () => assert.equal(Object.keys(await words.counted()).length, 300),
      30_000,
    )
    assert.equal(await counts.get('w007'), 4)
    assert.equal(await counts.get('nothing'), undefined)
    assert.equal(await counts.countEntries(), 300)
    const all = await entriesOf(counts.all())
    assert.deepEqual(all.map(([word]) => word).sort(), many)
    const range = await entriesOf(counts.range('w010', 'w012'))
    assert.deepEqual(range.sort(), [
      ['w010', 4],
      ['w011', 4],
      ['w012', 4],
    ])
    for await (const [word] of counts.all()) {
      assert.ok(word.startsWith('w'))
      break
    }
    const byMinute = streams.store<string, number, 'window'>('by-minute', 'window')
    assert.equal(await byMinute.fetch('w001', minutes(1)), 4)
    assert.deepEqual(await entriesOf(byMinute.fetchRange('w001', 0, minutes(5))), [[minutes(1), 4]])
    const windows = await entriesOf(byMinute.all())
    assert.equal(windows.length, 300)
    assert.deepEqual(windows[0]![0].window, { startMs: minutes(1), endMs: minutes(2) })
  })

  it('measure what they do under the names that Java gives it', async (t) => {
    const words = await startBroker(t)
    const streams = await words.open({
      'num.stream.threads': 2,
      'client.id': 'm',
      'metrics.recording.level': 'DEBUG',
    })
    await streams.start()
    await isRunning(streams)
    await words.say('a', 'b')
    const measured = (name: string, tags: Record<string, string>): unknown =>
      streams
        .metrics()
        .find(
          (one) =>
            one.name === name &&
            Object.entries(tags).every(([key, value]) => one.tags[key] === value),
        )?.value
    const measuredInAll = (name: string, group: string): number =>
      streams
        .metrics()
        .filter((one) => one.name === name && one.group === group)
        .reduce((sum, { value }) => sum + Number(value), 0)
    await eventually(() => {
      assert.equal(measured('state', { 'client-id': 'm' }), 'RUNNING')
      assert.equal(measured('client-state', { 'client-id': 'm' }), 2)
      assert.equal(measured('alive-stream-threads', { 'client-id': 'm' }), 2)
      assert.equal(measured('thread-state', { 'thread-id': 'm-StreamThread-2' }), 4)
      assert.equal(measuredInAll('process-total', 'stream-thread-metrics'), 24)
      assert.ok(measuredInAll('commit-total', 'stream-thread-metrics') > 0)
      // Tasks of the thread that came first have moved to the other one.
      const [created, closed] = ['task-created-total', 'task-closed-total'].map((name) =>
        measuredInAll(name, 'stream-thread-metrics'),
      )
      assert.equal(created! - closed!, 12)
      assert.equal(measured('dropped-records-total', { 'task-id': '0_1' }), 0)
      assert.equal(measured('record-lateness-max', { 'task-id': '0_1' }), 0)
      const state = { 'task-id': '1_1', 'rocksdb-state-id': 'counts' }
      assert.ok(Number(measured('put-rate', state)) >= 0)
      assert.equal(typeof measured('flush-latency-max', state), 'number')
      const ratio = { 'task-id': '1_1', 'record-cache-id': 'counts' }
      assert.equal(typeof measured('hit-ratio-avg', ratio), 'number')
      const ratios = streams.metrics().filter(({ name }) => name === 'hit-ratio-max')
      // Each word came four times, and after the first time it was in memory.
      assert.ok(ratios.some(({ value }) => Number(value) > 0))
    }, 30_000)
  })

  it('are what a module of the part runs in, where it asks for several', async (t) => {
    const words = await startBroker(t)
    const apps = new StreamsApps({
      ...words.settings,
      apps: fileURLToPath(wordCount),
      data: await temporaryFolder(t),
      'num.stream.threads': 2,
      settings: { from: 'words' },
    })
    words.closeFirst(() => apps.stop())
    await apps.start()
    await eventually(() => assert.equal(apps.vitals().items[0]?.state, 'running'), 30_000)
    await words.say('a')
    await eventually(async () => assert.deepEqual(await words.counted(), { a: 4 }), 30_000)
    // Each thread tells of itself every now and then.
    await eventually(() => {
      const processed =
        /^kafka_stream_thread_process_total\{application_id="word-count",thread_id="word-count-[0-9a-f-]+-StreamThread-[12]"\} /gm
      assert.equal([...apps.metrics().matchAll(processed)].length, 2)
      assert.ok(apps.vitals().recordsIn >= 12)
    }, 30_000)
  })

  it('pause and go on', async (t) => {
    const words = await startBroker(t)
    const streams = await words.open({ 'num.stream.threads': 2 })
    streams.pause()
    await streams.start()
    await isRunning(streams)
    await words.say('a')
    // The records have come: they wait.
    await eventually(() => assert.ok(streams.lag >= 4), 30_000)
    assert.ok(streams.isPaused)
    assert.equal(streams.counts.recordsIn, 0)
    streams.resume()
    await eventually(async () => assert.deepEqual(await words.counted(), { a: 4 }), 30_000)
  })

  it('are refused where the topology, or a setting, cannot be had in other threads', async () => {
    const settings = { 'application.id': 'inline', 'num.stream.threads': 2 }
    const expected = { code: 'STREAMS_THREADS_NEED_MODULE' }
    const builder = new StreamsBuilder()
    const text = { keySerde: serdes.string, valueSerde: serdes.string }
    builder.stream('in', text).to('out', text)
    assert.throws(() => new KafkaStreams(builder.build(), settings), expected)
    const one = new KafkaStreams(builder.build(), { 'application.id': 'inline' })
    await assert.rejects(one.addStreamThread(), expected)
    await assert.rejects(
      KafkaStreams.fromModule(wordCount, {
        'num.stream.threads': 2,
        'default.value.serde': serdes.string,
      }),
      { ...expected, message: /default\.value\.serde.*module/ },
    )
  })
})

describe('a stream thread that ends by an error', () => {
  const failing = async (
    t: TestContext,
    settings: Partial<StreamsSettings>,
    ...responses: StreamThreadExceptionResponse[]
  ): Promise<{ words: Words; streams: KafkaStreams; errors: unknown[] }> => {
    const words = await startBroker(t)
    const streams = await words.open(settings)
    const errors: unknown[] = []
    streams.setUncaughtExceptionHandler((error) => {
      errors.push(error)
      return responses.shift() ?? 'shutdown-client'
    })
    await streams.start()
    await isRunning(streams)
    return { words, streams, errors }
  }

  for (const count of [1, 2])
    it(`is replaced where the handler says so (${count} threads)`, async (t) => {
      const { words, streams, errors } = await failing(
        t,
        { 'num.stream.threads': count },
        'replace-thread',
      )
      await words.say('a')
      await eventually(async () => assert.deepEqual(await words.counted(), { a: 4 }), 30_000)
      await words.say('boom')
      // The one that comes in its place meets the record again.
      await eventually(() => assert.equal(streams.state, 'error'), 30_000)
      assert.ok(errors.length >= 2)
      for (const error of errors)
        assert.equal((error as CodedError).code, 'STREAMS_PROCESSING_FAILED')
      assert.ok(errors[0] instanceof CodedError)
    })

  it('ends its instance, by way of PENDING_ERROR, where there is no handler', async (t) => {
    const words = await startBroker(t)
    const streams = await words.open({ 'num.stream.threads': 2 })
    const states: KafkaStreamsState[] = []
    streams.setStateListener((state) => states.push(state))
    await streams.start()
    await isRunning(streams)
    await words.say('boom')
    await eventually(() => assert.equal(streams.state, 'error'), 30_000)
    assert.deepEqual(states.slice(-2), ['pending-error', 'error'])
    assert.throws(() => streams.setStateListener(() => {}), { code: 'STREAMS_TOPOLOGY_INVALID' })
    await streams.stop()
    assert.equal(streams.state, 'error')
  })

  it('is known also where nobody caught what was thrown in it', async (t) => {
    const { words, streams, errors } = await failing(
      t,
      { 'num.stream.threads': 2 },
      'replace-thread',
      'replace-thread',
      'replace-thread',
      'replace-thread',
    )
    await words.say('crash', 'a')
    // What a thread did before it crashed is committed now and then, so the word comes to an end.
    await eventually(() => assert.ok(errors.length > 0), 30_000)
    assert.match(String(errors[0]), /crash was said/)
    await streams.stop()
  })

  it('stops all instances where the handler says so', async (t) => {
    const { words, streams } = await failing(
      t,
      { 'num.stream.threads': 2 },
      'shutdown-application',
      'shutdown-application',
    )
    const other = await words.open({ 'num.stream.threads': 1, 'client.id': 'other' })
    let reason: unknown
    other.setUncaughtExceptionHandler(() => 'shutdown-client')
    const third = await words.open({}, { onError: (error) => (reason = error) })
    await other.start()
    await third.start()
    await isRunning(streams, other, third)
    await words.say('boom')
    await eventually(
      () =>
        assert.deepEqual(
          [streams, other, third].map(({ state }) => state),
          ['error', 'error', 'error'],
        ),
      30_000,
    )
    assert.match(
      (reason as CodedError).code,
      /STREAMS_SHUTDOWN_REQUESTED|STREAMS_PROCESSING_FAILED/,
    )
  })
})

describe('locks of tasks', () => {
  it('give a task to one thread after the other', async () => {
    const locks = new TaskLocks()
    const [one, two, three] = [locks.locker(), locks.locker(), locks.locker()]
    const order: string[] = []
    await one.lock('0_1')
    await one.lock('0_1')
    const second = two.lock('0_1').then(() => order.push('two'))
    const third = three.lock('0_1').then(() => order.push('three'))
    await two.lock('0_2')
    assert.deepEqual(order, [])
    one.unlock('0_1')
    await second
    assert.deepEqual(order, ['two'])
    two.unlockAll()
    await third
    await one.lock('0_2')
    assert.deepEqual(order, ['two', 'three'])
  })
})
