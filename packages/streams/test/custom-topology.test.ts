import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  KafkaStreams,
  keyValueStore,
  Printed,
  type Processor,
  type ProcessorContext,
  type StreamRecord,
  StreamsBuilder,
  Suppressed,
  serdes,
  sessionStore,
  Topology,
  TopologyTestDriver,
} from '../src/index.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }

/** Lets through what is new for its key, and how often it was not. */
class Changes implements Processor<string, string, string, string> {
  #context: ProcessorContext<string, string> | undefined

  init(context: ProcessorContext<string, string>): void {
    this.#context = context
  }

  process(record: StreamRecord<string, string>): void {
    const seen = this.#context!.keyValueStore<string, string>('seen')
    if (seen.get(record.key) === record.value) return
    seen.put(record.key, record.value, record.timestampMs)
    this.#context!.forward(record, 'out')
  }
}

const changes = (): Topology =>
  new Topology()
    .addSource({ name: 'in', topics: ['readings'], ...text })
    .addStateStore(keyValueStore({ name: 'seen', ...text }))
    .addProcessor('changes', () => new Changes(), ['in'], ['seen'])
    .addSink({ name: 'out', parents: ['changes'], topic: 'changes', ...text })
    .addSink({ name: 'unused', parents: ['changes'], topic: 'unused', ...text })

describe('the bytes of a record', () => {
  it('are its own for serdes of users, and headers may be kept, though memory is used again', () => {
    // Borrows, as no serde should.
    const view = { serialize: (bytes: Buffer) => bytes, deserialize: (bytes: Buffer) => bytes }
    const kept: StreamRecord<Buffer, Buffer>[] = []
    const keeper = (): Processor<Buffer, Buffer, never, never> => ({
      process: (record) => void kept.push(record),
    })
    const topology = new Topology()
      .addSource({ name: 'in', topics: ['readings'], keySerde: view, valueSerde: view })
      .addProcessor('keep', keeper, ['in'])
    const driver = new TopologyTestDriver(topology)
    const input = driver.createInputTopic('readings', serdes.string, serdes.string)
    input.pipe('k1', 'one', 1, [['h', Buffer.from('first')]])
    input.pipe('k2', 'two', 2, [['h', Buffer.from('second')]])
    assert.deepEqual(
      kept.map(({ key, value, headers }) => [`${key}`, `${value}`, `${headers[0]?.[1]}`]),
      [
        ['k1', 'one', 'first'],
        ['k2', 'two', 'second'],
      ],
    )
  })
})

describe('a topology without the DSL', () => {
  it('is described as in Java, and its processors have stores and name whom they forward to', () => {
    const topology = changes()
    assert.equal(
      topology.describe(),
      [
        'Topologies:',
        '   Sub-topology: 0',
        '    Source: in (topics: [readings])',
        '      --> changes',
        '    Processor: changes (stores: [seen])',
        '      --> out, unused',
        '      <-- in',
        '    Sink: out (topic: changes)',
        '      <-- changes',
        '    Sink: unused (topic: unused)',
        '      <-- changes',
        '',
        '',
      ].join('\n'),
    )
    const driver = new TopologyTestDriver(topology)
    const input = driver.createInputTopic('readings', serdes.string, serdes.string)
    for (const value of ['on', 'on', 'off']) input.pipe('lamp', value, 1)
    const output = driver.createOutputTopic('changes', serdes.string, serdes.string)
    assert.deepEqual(
      output.readAll().map(({ value }) => value),
      ['on', 'off'],
    )
    assert.deepEqual(driver.producedTopicNames(), ['test-seen-changelog'])
  })

  it('says what does not fit', () => {
    const source = { name: 'in', topics: ['readings'] }
    const supplier = (): Changes => new Changes()
    const topology = new Topology().addSource(source)
    const invalid = (message: RegExp): object => ({ code: 'STREAMS_TOPOLOGY_INVALID', message })
    assert.throws(() => topology.addSource({ ...source, name: 'again' }), invalid(/read by in/))
    assert.throws(() => topology.addProcessor('in', supplier, []), invalid(/exists already/))
    assert.throws(
      () => topology.addProcessor('late', supplier, ['missing']),
      invalid(/missing, which does not exist/),
    )
    assert.throws(
      () => topology.addProcessor('storeless', supplier, ['in'], ['seen']),
      invalid(/no store seen/),
    )
  })

  it('of the builder does not read by a pattern, and says so', () => {
    const builder = new StreamsBuilder()
    const pattern = /readings-.*/ as unknown as string
    assert.throws(
      () => builder.stream(pattern, text),
      /pattern, \/readings-\.\*\/, which is not supported/,
    )
  })
})

/** Keeps how long each key has been there without a break of 10 ms. */
class Presence implements Processor<string, string, string, string> {
  #context: ProcessorContext<string, string> | undefined

  init(context: ProcessorContext<string, string>): void {
    this.#context = context
  }

  process({ key, value, timestampMs }: StreamRecord<string, string>): void {
    const store = this.#context!.sessionStore<string, string>('presence')
    const [last] = store.find(key, timestampMs - 10, timestampMs)
    if (last) store.remove(key, last.startMs, last.endMs, timestampMs)
    store.put(key, last?.startMs ?? timestampMs, timestampMs, value, timestampMs)
  }
}

describe('a processor with a store of sessions', () => {
  it('keeps them there, and they can be asked', () => {
    const topology = new Topology()
      .addSource({ name: 'in', topics: ['seen'], ...text })
      .addStateStore(sessionStore({ name: 'presence', retentionMs: 1_000, ...text }))
      .addProcessor('presence', () => new Presence(), ['in'], ['presence'])
    const driver = new TopologyTestDriver(topology)
    const input = driver.createInputTopic('seen', serdes.string, serdes.string)
    for (const [value, timeMs] of [
      ['one', 5],
      ['two', 12],
      ['three', 40],
    ] as const)
      input.pipe('ann', value, timeMs)
    const sessions = [...driver.getSessionStore<string, string>('presence').fetch('ann')]
    assert.deepEqual(
      sessions.map(([windowed, value]) => `${windowed} ${value}`),
      ['[ann@5/12] two', '[ann@40/40] three'],
    )
  })
})

describe('a serde that is missing', () => {
  const made = (build: (builder: StreamsBuilder) => unknown, settings = {}): KafkaStreams => {
    const builder = new StreamsBuilder()
    build(builder)
    return new KafkaStreams(builder.build(), { 'application.id': 'app', ...settings })
  }
  const summed = (builder: StreamsBuilder): unknown =>
    builder
      .stream('in', text)
      .groupByKey()
      .aggregate(
        () => 0,
        (_key, _value, sum) => sum + 1,
        { storeName: 'sums' },
      )
  const code = 'STREAMS_TOPOLOGY_INVALID'

  it('is named when the application is made, with the node or the store that needs it', () => {
    assert.throws(() => made((builder) => builder.stream('in')), {
      code,
      message: /KSTREAM-SOURCE-0000000000 needs a keySerde/,
    })
    assert.throws(
      () =>
        made((builder) =>
          builder
            .stream('in', text)
            .map((k, v) => [k, v.length])
            .to('out'),
        ),
      { code, message: /KSTREAM-SINK-0000000002 needs a keySerde/ },
    )
    assert.throws(() => made(summed), { code, message: /sums needs a valueSerde.*default/ })
    made(summed, { 'default.value.serde': serdes.json<number>() })
  })
})

describe('the time of a test’s records', () => {
  it('is the wall clock’s, or moves with the records, as in Java', () => {
    const builder = new StreamsBuilder()
    builder.stream('in', text).to('out')
    const driver = new TopologyTestDriver(builder.build(), { initialWallClockMs: 50 })
    const output = driver.createOutputTopic('out', serdes.string, serdes.string)
    const times = (): unknown[] => output.readAll().map(({ timestampMs }) => timestampMs)
    const plain = driver.createInputTopic('in', serdes.string, serdes.string)
    plain.pipe('k', 'v')
    driver.advanceWallClock(10)
    plain.pipe('k', 'v')
    plain.advanceTime(5)
    plain.pipe('k', 'v')
    plain.pipe('k', 'v')
    assert.deepEqual(times(), [50, 60, 65, 65])
    const moving = driver.createInputTopic('in', serdes.string, serdes.string, {
      startTimestampMs: 100,
      autoAdvanceMs: 7,
    })
    moving.pipeAll(['a', 'b', 'c'].map((value) => ({ key: 'k', value })))
    moving.pipe('k', 'v', 3)
    moving.advanceTime(1)
    moving.pipe('k', 'v')
    assert.deepEqual(times(), [100, 107, 114, 3, 122])
  })
})

describe('a suppress buffer', () => {
  it('has no changelog where none is wanted', () => {
    const builder = new StreamsBuilder()
    builder
      .table('in', text)
      .suppress(Suppressed.untilTimeLimit(5, { logging: false, name: 'held' }))
      .toStream()
      .to('out')
    const driver = new TopologyTestDriver(builder.build())
    const topic = driver.createInputTopic('in', serdes.string, serdes.string)
    topic.pipe('a', 'one', 0)
    topic.pipe('b', 'two', 10)
    assert.deepEqual(
      driver.producedTopicNames().filter((name) => name.includes('held')),
      [],
    )
    assert.equal(driver.createOutputTopic('out', serdes.string, serdes.string).size, 1)
  })
})

describe('print', () => {
  it('writes what Java writes', () => {
    const lines: string[] = []
    const write = (line: string): void => void lines.push(line)
    const builder = new StreamsBuilder()
    const stream = builder.stream<string | null, string | null>('in', text as never)
    stream.print({ ...Printed.toSysOut(), write })
    stream.print({ ...Printed.toSysOut({ label: 'in', mapper: (key) => `<${key}>` }), write })
    const driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic<string | null, string | null>(
      'in',
      serdes.string,
      serdes.string,
    )
    input.pipe('a', 'one', 1)
    input.pipe('b', null, 2)
    assert.deepEqual(lines, [
      '[KSTREAM-SOURCE-0000000000]: a, one\n',
      '[in]: <a>\n',
      '[KSTREAM-SOURCE-0000000000]: b, null\n',
      '[in]: <b>\n',
    ])
  })
})
