import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  type KStream,
  type Processor,
  type ProcessorContext,
  StreamsBuilder,
  Suppressed,
  seconds,
  serdes,
  TimeWindows,
  TopologyTestDriver,
  type ValuesProcessor,
  type ValuesProcessorContext,
} from '../src/index.ts'

// Topologies that the Java library ran (tools/streams-vectors), built here again: same description,
// same records with the same bytes, changelogs included.

interface Vector {
  readonly name: string
  readonly describe: string
  readonly inputs: readonly {
    topic: string
    key: string | null
    value: string | null
    timestamp: number
  }[]
  readonly outputs: readonly (readonly VectorRecord[])[]
}

interface VectorRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: string | null
  readonly timestamp?: number
  readonly headers?: readonly (readonly [string, string])[]
}

const vectors = JSON.parse(
  readFileSync(new URL('vectors/java.json', import.meta.url), 'utf8'),
) as readonly Vector[]

type Text = KStream<string, string>
const text = { keySerde: serdes.string, valueSerde: serdes.string }
const counts = { keySerde: serdes.string, valueSerde: serdes.long }
const input = (builder: StreamsBuilder): Text => builder.stream<string, string>('in')
const tenSeconds = TimeWindows.ofSizeWithNoGrace(seconds(10))

class KeyToX implements Processor<string, string, string, string> {
  #context: ProcessorContext<string, string> | undefined
  init(context: ProcessorContext<string, string>): void {
    this.#context = context
  }
  process(record: Parameters<Processor<string, string, string, string>['process']>[0]): void {
    this.#context?.forward({ ...record, key: 'x', timestampMs: record.timestampMs + 1 })
  }
}

class ValueWithHash implements ValuesProcessor<string, string, string> {
  #context: ValuesProcessorContext<string, string> | undefined
  init(context: ValuesProcessorContext<string, string>): void {
    this.#context = context
  }
  process({ value }: { value: string }): void {
    this.#context?.forward(`${value}#`)
  }
}

interface Sum {
  readonly count: number
  readonly sum: number
}
interface Frame {
  readonly id: string
  readonly place_id: string
  readonly payload: { readonly temperature: number }
}

const topologies: Readonly<Record<string, (builder: StreamsBuilder) => void>> = {
  stateless(builder) {
    const stream = builder.stream<string | null, string | null>('in')
    stream
      .filter((key) => key !== null)
      .filterNot((_key, value) => value === null)
      .mapValues((value) => `${value}!`)
      .map((key, value) => [value, key])
      .to('mapped')
    stream
      .flatMapValues((value) => value?.split(' ') ?? [])
      .peek(() => {})
      .to('split')
    stream
      .flatMap((key, value) => [
        [key, value],
        [value, key],
      ])
      .selectKey((_key, value) => value)
      .to('doubled')
    stream.foreach(() => {})
  },
  branches(builder) {
    const stream = builder.stream<string | null, string | null>('in')
    const [noKey, noValue, rest] = stream.branch([
      (key) => key === null,
      (_key, value) => value === null,
    ])
    rest?.to('out-KSTREAM-BRANCH-00000000010')
    noKey?.to('out-KSTREAM-BRANCH-00000000011')
    noValue?.to('out-KSTREAM-BRANCH-00000000012')
    // In Java the names of the branches begin anew here; numbers go on.
    const { long, short } = stream.split(
      { long: (_key, value) => value !== null && value.length > 3 },
      'short',
      { name: 'kind-' },
    )
    long.merge(short).to('merged')
  },
  'word-count'(builder) {
    builder
      .stream<string, string | null>('in')
      .filter((_key, value) => value !== null)
      .flatMapValues((value) => value?.split(' ') ?? [])
      .groupBy((_key, word) => word)
      .count()
      .toStream()
      .to('counts', counts)
  },
  'count-named'(builder) {
    input(builder)
      .groupBy((_key, value) => value, { name: 'by-word' })
      .count({ storeName: 'words' })
      .toStream()
      .to('counts')
  },
  reduce(builder) {
    input(builder)
      .groupByKey()
      .reduce((a, b) => `${a},${b}`)
      .toStream()
      .to('reduced')
  },
  'reduce-of-changed-key'(builder) {
    input(builder)
      .selectKey((_key, value) => value)
      .mapValues((value) => value)
      .groupByKey()
      .reduce((a) => a)
      .toStream()
      .to('reduced')
  },
  aggregate(builder) {
    input(builder)
      .groupByKey()
      .aggregate(
        () => '',
        (_key, value, sum) => sum + value,
        { storeName: 'sums' },
      )
      .toStream()
      .to('sums')
  },
  'aggregate-to-null'(builder) {
    input(builder)
      .groupByKey()
      .aggregate<string | null>(
        () => '',
        (_key, value, sum) => (sum?.includes('two') ? null : sum + value),
        { storeName: 'sums' },
      )
      .toStream()
      .to('sums')
  },
  'table-of-stream'(builder) {
    input(builder)
      .toTable()
      .filter((_key, value) => value.length > 3)
      .mapValues((value) => `${value}?`)
      .toStream()
      .to('table')
  },
  'table-of-stream-materialized'(builder) {
    input(builder)
      .toTable({ storeName: 'all' })
      .filter((_key, value) => value.length > 3, { storeName: 'long' })
      .mapValues((value) => `${value}?`, { storeName: 'asked' })
      .toStream()
      .to('table')
  },
  'table-of-changed-key'(builder) {
    input(builder)
      .selectKey((_key, value) => value)
      .toTable()
      .toStream()
      .to('table')
  },
  'table-of-topic'(builder) {
    builder
      .table<string, string>('in')
      .filterNot((_key, value) => value === 'two')
      .toStream()
      .to('table')
    builder.table('other', {}, { storeName: 'named' })
  },
  repartition(builder) {
    const stream = input(builder)
    stream.repartition().to('a')
    stream.repartition({ name: 'again', numberOfPartitions: 3 }).to('b')
  },
  'tumbling-count'(builder) {
    input(builder)
      .groupByKey()
      .windowedBy(tenSeconds)
      .count({ storeName: 'per-window' })
      .toStream()
      .to('counts', {
        keySerde: serdes.timeWindowed(serdes.string, seconds(10)),
        valueSerde: serdes.long,
      })
  },
  'hopping-count-with-grace'(builder) {
    input(builder)
      .groupByKey(text)
      .windowedBy(TimeWindows.ofSizeAndGrace(seconds(10), seconds(10)).advanceBy(seconds(4)))
      .count()
      .toStream()
      .to('counts')
  },
  'suppress-until-window-closes'(builder) {
    input(builder)
      .groupByKey(text)
      .windowedBy(tenSeconds)
      .count({ storeName: 'per-window' })
      .suppress(Suppressed.untilWindowCloses())
      .toStream()
      .to('counts')
  },
  'suppress-with-grace-named'(builder) {
    input(builder)
      .groupByKey(text)
      .windowedBy(TimeWindows.ofSizeAndGrace(seconds(10), seconds(20)))
      .reduce((a, b) => `${a},${b}`)
      .suppress(Suppressed.untilWindowCloses({ name: 'final' }))
      .toStream((windowed) => `${windowed.key}@${windowed.window.startMs}`)
      .to('reduced')
  },
  'suppress-until-time-limit'(builder) {
    input(builder)
      .groupByKey(text)
      .count({ storeName: 'counts' })
      .suppress(Suppressed.untilTimeLimit(seconds(10)))
      .mapValues((count) => count * 10)
      .filter((_key, count) => count < 20)
      .toStream()
      .to('counted', counts)
  },
  'suppress-max-records'(builder) {
    input(builder)
      .groupByKey(text)
      .count({ storeName: 'counts' })
      .suppress(Suppressed.untilTimeLimit(seconds(1000), { maxRecords: 1 }))
      .toStream()
      .to('counted', counts)
  },
  processor(builder) {
    input(builder)
      .process(() => new KeyToX())
      .processValues(() => new ValueWithHash())
      .to('processed')
  },
  'topic-by-record'(builder) {
    builder
      .stream<string, string | null>('in')
      .filter((_key, value) => value !== null)
      .to((_key, value) => ((value?.length ?? 0) > 3 ? 'long' : 'short'))
  },
  'several-topics'(builder) {
    builder
      .stream<string, string>(['in', 'other'])
      .merge(builder.stream<string, string>('third'))
      .groupByKey()
      .count()
      .toStream()
      .to('counts', counts)
  },
  iot(builder) {
    const json = { keySerde: serdes.string, valueSerde: serdes.json<Sum>() }
    const frames = builder.stream('iot-frames', {
      keySerde: serdes.string,
      valueSerde: serdes.json<Frame>(),
    })
    const fiveMinutes = TimeWindows.ofSizeWithNoGrace(300_000)
    const aggregateBy = (what: string, keyOf: (frame: Frame) => string): void =>
      frames
        .map((_key, frame) => [keyOf(frame), frame])
        .groupByKey({ keySerde: serdes.string, valueSerde: serdes.json<Frame>() })
        .windowedBy(fiveMinutes)
        .aggregate<Sum>(
          () => ({ count: 0, sum: 0 }),
          (_key, frame, sum) => ({
            count: sum.count + 1,
            sum: sum.sum + frame.payload.temperature,
          }),
          { storeName: `aggregate-metrics-by-${what}-tmp`, ...json },
        )
        .suppress(Suppressed.untilWindowCloses())
        .toStream()
        .map((windowed, sum) => [windowed.key, sum])
        .to(`iot-aggregate-metrics-${what}`, json)
    aggregateBy('sensor', (frame) => frame.id)
    aggregateBy('place', (frame) => frame.place_id)
    frames
      .map((_key, frame) => [frame.id, { name: 'sample_sensor_metric' }])
      .to('iot-metrics-time-series', { keySerde: serdes.string, valueSerde: serdes.json() })
  },
}

/** Java walks hash sets where we keep an order: within one step only the topics' own order counts. */
const byTopicAndKey = (records: readonly VectorRecord[]): VectorRecord[] => {
  const isSuppress = (topic: string): boolean => /SUPPRESS.*-changelog$|final-store/.test(topic)
  return [...records].sort((a, b) => {
    if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
    if (!isSuppress(a.topic)) return 0
    return `${a.key}` < `${b.key}` ? -1 : 1
  })
}

describe('the Java library gives the same', () => {
  for (const vector of vectors)
    it(`for ${vector.name}`, () => {
      const builder = new StreamsBuilder()
      topologies[vector.name]?.(builder)
      const topology = builder.build()
      const extractorName = /extractor class: [^)]*/
      assert.equal(
        topology.describe().replace(extractorName, ''),
        vector.describe.replace(extractorName, ''),
      )
      const driver = new TopologyTestDriver(topology, {
        initialWallClockMs: 0,
        settings: {
          'application.id': 'app',
          'default.key.serde': serdes.string,
          'default.value.serde': serdes.string,
          'statestore.cache.max.bytes': 0,
        },
      })
      for (const [index, { topic, key, value, timestamp }] of vector.inputs.entries()) {
        driver
          .createInputTopic<string | null, string | null>(topic, serdes.string, serdes.string)
          .pipe(key, value, timestamp)
        const produced: VectorRecord[] = []
        for (const name of driver.producedTopicNames().sort()) {
          const output = driver.createOutputTopic<Buffer | null, Buffer | null>(
            name,
            serdes.bytes,
            serdes.bytes,
          )
          for (const record of output.readAll())
            produced.push({
              topic: name,
              key: record.key?.toString('hex') ?? null,
              value: record.value?.toString('hex') ?? null,
              ...(record.timestampMs === undefined ? {} : { timestamp: record.timestampMs }),
              ...(record.headers.length === 0
                ? {}
                : {
                    headers: record.headers.map(
                      ([name, bytes]) => [name, bytes?.toString('hex') ?? ''] as const,
                    ),
                  }),
            })
        }
        assert.deepEqual(
          byTopicAndKey(produced),
          byTopicAndKey(vector.outputs[index] ?? []),
          `after input ${index}`,
        )
      }
      driver.close()
    })
})
