import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  KafkaStreams,
  type KeyValueStore,
  keyValueStore,
  type Processor,
  type ProcessorContext,
  type RecordMetadata,
  StreamsBuilder,
  serdes,
  sessionStore,
  TopologyTestDriver,
  type ValuesProcessor,
  type ValuesProcessorContext,
  windowStore,
} from '../src/index.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }

describe('a punctuator', () => {
  it('works on no record: what it forwards has no headers but its own', () => {
    const metadata: (RecordMetadata | undefined)[] = []
    const processor = (): Processor<string, string, string, string> => {
      let context: ProcessorContext<string, string>
      return {
        init(given) {
          context = given
          for (const type of ['stream-time', 'wall-clock-time'] as const)
            context.schedule(10, type, (timestampMs) => {
              metadata.push(context.recordMetadata)
              context.forward({ key: type, value: 'tick', timestampMs })
            })
        },
        process(record) {
          const { topic, partition, offset } = context.recordMetadata!
          metadata.push({ topic, partition, offset })
          context.forward(record)
        },
      }
    }
    const builder = new StreamsBuilder()
    builder.stream('in', text).process(processor).to('out', text)
    const driver = new TopologyTestDriver(builder.build(), { initialWallClockMs: 0 })
    const input = driver.createInputTopic('in', serdes.string, serdes.string)
    input.pipe('k', 'v', 5, [['own', Buffer.from('x')]])
    driver.advanceWallClock(10)
    assert.deepEqual(
      driver
        .createOutputTopic<string, string>('out', serdes.string, serdes.string)
        .readAll()
        .map(({ key, headers }) => [key, headers.length]),
      [
        ['k', 1],
        ['stream-time', 0],
        ['wall-clock-time', 0],
      ],
    )
    assert.deepEqual(metadata, [{ topic: 'in', partition: 0, offset: 0 }, undefined, undefined])
  })
})

describe('a store', () => {
  it('takes the time of the record under work where none is said', () => {
    const processor = (): Processor<string, string, string, string> => {
      let context: ProcessorContext<string, string>
      return {
        init(given) {
          context = given
        },
        process({ key, value }) {
          context.keyValueStore<string, string>('newest').put(key, value)
          context.windowStore<string, string>('windows').put(key, value, 0)
          context.sessionStore<string, string>('sessions').put(key, 0, 5, value)
        },
      }
    }
    const builder = new StreamsBuilder()
    const kept = { retentionMs: 100, ...text }
    builder.stream('in', text).process(processor, {
      stores: [
        keyValueStore({ name: 'newest', ...text }),
        windowStore({ name: 'windows', windowSizeMs: 10, ...kept }),
        sessionStore({ name: 'sessions', ...kept }),
      ],
    })
    const driver = new TopologyTestDriver(builder.build(), {
      settings: { 'application.id': 'app' },
    })
    driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'v', 7)
    for (const store of ['newest', 'windows', 'sessions']) {
      const changelog = driver.createOutputTopic(
        `app-${store}-changelog`,
        serdes.bytes,
        serdes.string,
      )
      assert.deepEqual(
        changelog.readAll().map(({ value, timestampMs }) => [value, timestampMs]),
        [['v', 7]],
      )
    }
  })
})

describe('what Java refuses', () => {
  const refuse = (build: (builder: StreamsBuilder) => unknown, message: RegExp): void => {
    assert.throws(() => build(new StreamsBuilder()), { code: 'STREAMS_TOPOLOGY_INVALID', message })
  }

  it('is refused here: one processor for all tasks', () => {
    const shared = { process(): void {} }
    refuse((builder) => builder.stream('in', text).process(() => shared), /the same one twice/)
    refuse((builder) => builder.stream('in', text).processValues(() => shared), /same one twice/)
  })

  it('is refused here: names that cannot be those of topics', () => {
    refuse((builder) => builder.stream('in', { ...text, name: 'a name' }), /"a name"/)
    refuse((builder) => builder.stream('in', text).peek(() => {}, { name: '' }), /is empty/)
    refuse((builder) => builder.table('in', text, { storeName: '..' }), /cannot be a name/)
    refuse(
      (builder) => builder.stream('in', text).repartition({ name: 'ü' }).to('out'),
      /ASCII letters/,
    )
    refuse(
      (builder) => builder.addStateStore(keyValueStore({ name: 'x'.repeat(250), ...text })),
      /longer than 249/,
    )
  })

  it('is refused here: an application that reads nothing', () => {
    refuse(
      (builder) => new KafkaStreams(builder.build(), { 'application.id': 'nothing' }),
      /reads no topic/,
    )
  })
})

describe('a user’s function', () => {
  it('that gives a promise where nothing waits is no value', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', text)
      .mapValues(async (value) => value)
      .to('out', { valueSerde: serdes.json<Promise<string>>() })
    const driver = new TopologyTestDriver(builder.build())
    assert.throws(
      () => driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'v'),
      (error: Error) => /mapValuesAsync/.test((error.cause as Error).message),
    )
  })

  it('that throws while it says the time of a record is told with the record', () => {
    const builder = new StreamsBuilder()
    const timestampExtractor = (): number => {
      throw new Error('what time is it?')
    }
    builder.stream('in', { ...text, timestampExtractor }).to('out')
    const driver = new TopologyTestDriver(builder.build())
    assert.throws(
      () => driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'v'),
      { code: 'STREAMS_TIMESTAMP_INVALID', message: /extractor threw at record in\/0@0/ },
    )
  })
})

describe('a processor of values', () => {
  /** Forgets what it has seen, every 100 ms of stream time. */
  class FirstOfEach implements ValuesProcessor<string, string, string> {
    #context!: ValuesProcessorContext<string, string>
    #seen!: KeyValueStore<string, string>

    init(context: ValuesProcessorContext<string, string>): void {
      this.#context = context
      this.#seen = context.keyValueStore('seen')
      context.schedule(100, 'stream-time', (timestampMs) => {
        for (const [key] of [...this.#seen.all()]) this.#seen.delete(key, timestampMs)
      })
    }
    process({
      key,
      value,
      timestampMs,
    }: {
      key: string
      value: string
      timestampMs: number
    }): void {
      if (this.#seen.putIfAbsent(key, value, timestampMs) === undefined)
        this.#context.forward(value)
    }
  }

  it('brings its stores along, and has punctuators', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', text)
      .processValues(() => new FirstOfEach(), {
        stores: [keyValueStore({ name: 'seen', ...text })],
      })
      .to('out', text)
    assert.match(
      builder.build().describe(),
      /KSTREAM-PROCESSVALUES-0000000001 \(stores: \[seen\]\)/,
    )
    const driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', serdes.string, serdes.string)
    for (const [value, timeMs] of [
      ['a', 1],
      ['b', 2],
      ['c', 150],
      ['d', 160],
    ] as const)
      input.pipe('k', value, timeMs)
    const output = driver.createOutputTopic<string, string>('out', serdes.string, serdes.string)
    assert.deepEqual(
      output.readAll().map(({ value }) => value),
      // As in Java, a punctuator of stream time is called with the first record.
      ['a', 'b', 'd'],
    )
  })

  it('shares a store with another that brings the same one; another of its name is refused', () => {
    const store = keyValueStore({ name: 'seen', ...text })
    const builder = new StreamsBuilder()
    const stream = builder.stream('in', text)
    stream.processValues(() => new FirstOfEach(), { stores: [store] })
    stream.processValues(() => new FirstOfEach(), { stores: [store] })
    assert.equal(builder.build().subTopologies()[0]?.stores.length, 1)
    assert.throws(
      () =>
        stream.processValues(() => new FirstOfEach(), {
          stores: [keyValueStore({ name: 'seen', ...text })],
        }),
      { code: 'STREAMS_TOPOLOGY_INVALID', message: /seen/ },
    )
  })
})
