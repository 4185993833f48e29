import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type DefaultKeySerde,
  type DefaultSerdes,
  type DefaultValueSerde,
  defineStreams,
  JoinWindows,
  type KGroupedStream,
  type KStream,
  type KTable,
  type Materialized,
  minutes,
  type NoDefaultSerdes,
  type Produced,
  SessionWindows,
  SlidingWindows,
  StreamsBuilder,
  type StreamsSettings,
  Suppressed,
  serdes,
  TimeWindows,
  type Topology,
  TopologyTestDriver,
} from '../src/index.ts'

// Missing serdes are compile errors. What is marked with @ts-expect-error must not compile, and
// `refused` holds that it could not have been made either: the types are no stricter than
// `checkSerdes`. What `made` builds compiles and is made.

interface Frame {
  readonly place: string
  readonly celsius: number
}

const text = serdes.string
const number = serdes.double
const frame = serdes.json<Frame>()
const within = JoinWindows.ofTimeDifferenceWithNoGrace(minutes(1))
const windows = TimeWindows.ofSizeWithNoGrace(minutes(1))
const sliding = SlidingWindows.ofTimeDifferenceWithNoGrace(minutes(1))
const inactivity = SessionWindows.ofInactivityGapWithNoGrace(minutes(1))
const celsiusOf = ({ celsius }: Frame): number => celsius
const placeOf = (_key: string, { place }: Frame): string => place
const larger = (a: number, b: number): number => Math.max(a, b)
const zero = (): number => 0
const sum = (_key: string, value: number, total: number): number => total + value
const merged = (_key: string, one: number, other: number): number => one + other

// Their types are what the compiler infers: nothing of them is said twice.
const framesOf = new StreamsBuilder().stream('typed', { keySerde: text, valueSerde: frame })
const sensorsOf = new StreamsBuilder().table('typed', { keySerde: text, valueSerde: frame })
interface Sources {
  readonly builder: StreamsBuilder<NoDefaultSerdes>
  readonly frames: typeof framesOf
  readonly sensors: typeof sensorsOf
}
type Build = (sources: Sources) => unknown

function sources(): Sources {
  const builder = new StreamsBuilder()
  return {
    builder,
    frames: builder.stream('frames', { keySerde: text, valueSerde: frame }),
    sensors: builder.table('sensors', { keySerde: text, valueSerde: frame }),
  }
}

const construct = (topology: Topology, settings: Partial<StreamsSettings> = {}): void =>
  new TopologyTestDriver(topology, { settings }).close()

function made(build: Build): void {
  const all = sources()
  build(all)
  construct(all.builder.build())
}

function refused(build: Build): void {
  const all = sources()
  build(all)
  assert.throws(() => construct(all.builder.build()), {
    code: 'STREAMS_TOPOLOGY_INVALID',
    message: /needs a (key|value)Serde/,
  })
}

describe('a source without serdes does not compile', () => {
  it('and does with them', () => {
    made(({ builder }) => builder.stream('in', { keySerde: text, valueSerde: frame }))
    // @ts-expect-error no serdes
    refused(({ builder }) => builder.stream('in'))
    // @ts-expect-error no serde of the values
    refused(({ builder }) => builder.stream('in', { keySerde: text }))
    // @ts-expect-error no serde of the keys
    refused(({ builder }) => builder.stream<string, Frame>(['a', 'b'], { valueSerde: frame }))
    // @ts-expect-error no serdes
    refused(({ builder }) => builder.table('in'))
    // @ts-expect-error the topic needs one, too
    refused(({ builder }) => builder.table('in', { keySerde: text }, { valueSerde: frame }))
    // @ts-expect-error no serde of the values
    refused(({ builder }) => builder.globalTable('in', { keySerde: text }))
    made(({ builder }) => builder.globalTable('in', { keySerde: text, valueSerde: frame }))
  })
})

describe('a sink', () => {
  it('takes what the stream has', () => {
    made(({ frames }) => {
      frames.to('a')
      frames.filter((_key, { celsius }) => celsius > 30).to('b')
      frames.peek(() => {}).to((key) => key)
      frames.split({ hot: () => true }, 'rest').rest.to('c')
      frames.branch([() => true])[0]!.to('d')
      frames.selectKey(placeOf).to('e', { keySerde: text })
      frames.mapValues(celsiusOf).to('f', { valueSerde: number })
    })
  })

  it('does not compile where a serde has been lost', () => {
    // @ts-expect-error other values
    refused(({ frames }) => frames.mapValues(celsiusOf).to('out'))
    // @ts-expect-error the name alone does not help
    refused(({ frames }) => frames.mapValues(celsiusOf).to('out', { name: 'out' }))
    // @ts-expect-error other values
    refused(({ frames }) => frames.mapValuesAsync(async () => 1).to('out', { keySerde: text }))
    // @ts-expect-error other values
    refused(({ frames }) => frames.flatMapValues((one) => [one.place]).to('out'))
    // @ts-expect-error other keys
    refused(({ frames }) => frames.selectKey(placeOf).to('out'))
    // @ts-expect-error other keys and values
    refused(({ frames }) => frames.map((key, one) => [one.place, key]).to('a', { keySerde: text }))
    // @ts-expect-error other keys and values
    refused(({ frames }) => frames.flatMap((key, one) => [[one.place, key] as const]).to('out'))
    // @ts-expect-error of two streams there is neither
    refused(({ frames }) => frames.merge(frames.filter(() => true)).to('out', { keySerde: text }))
    // @ts-expect-error what a processor forwards
    refused(({ frames }) => frames.process(() => ({ process: () => {} })).to('out'))
    // @ts-expect-error what a processor forwards
    refused(({ frames }) => frames.processValues(() => ({ process: () => {} })).to('out'))
    // @ts-expect-error other keys
    refused(({ sensors }) => sensors.toStream((key) => key.length).to('out'))
    // @ts-expect-error other values
    refused(({ sensors }) => sensors.mapValues(celsiusOf).toStream().to('out'))
  })

  it('compiles where the type of the options leaves open what they have', () => {
    made(({ frames }) => {
      const produced: Produced<string, number> = { valueSerde: number }
      frames.mapValues(celsiusOf).to('out', produced)
      const kept: Materialized<string, number> = { storeName: 'kept', valueSerde: number }
      frames.groupByKey().aggregate(zero, (_key, one, all) => all + one.celsius, kept)
    })
  })

  it('refuses a wrong serde and a word that is no option as ever', () => {
    const { frames } = sources()
    // @ts-expect-error the values are numbers
    frames.mapValues(celsiusOf).to('out', { valueSerde: text })
    // @ts-expect-error no such option
    frames.mapValues(celsiusOf).to('out', { valueSerde: number, valueserde: text })
    // @ts-expect-error no such option
    frames.to('out', { nmae: 'out' })
  })
})

describe('a topic between', () => {
  it('asks for what has been lost', () => {
    made(({ frames }) => frames.repartition().to('out'))
    made(({ frames }) => frames.selectKey(placeOf).repartition({ keySerde: text }).to('out'))
    // @ts-expect-error other keys
    refused(({ frames }) => frames.selectKey(placeOf).repartition())
    // @ts-expect-error other values
    refused(({ frames }) => frames.mapValues(celsiusOf).repartition({ keySerde: text }))
    made(({ frames }) => frames.groupBy(placeOf, { keySerde: text }).count().toStream().to('out'))
    // @ts-expect-error other keys
    refused(({ frames }) => frames.groupBy(placeOf).count({ keySerde: text }))
    refused(({ frames }) =>
      // @ts-expect-error other values before
      frames.mapValues(celsiusOf).groupBy(String, { keySerde: text }).count(),
    )
    made(({ frames }) => frames.mapValues(celsiusOf).groupByKey().count())
    made(({ frames }) =>
      frames
        .map((key, one) => [key, one.celsius])
        .groupByKey({ keySerde: text, valueSerde: number }),
    )
    // @ts-expect-error behind another key
    refused(({ frames }) => frames.selectKey(placeOf).groupByKey().count({ keySerde: text }))
  })
})

describe('an aggregation', () => {
  it('asks for the serde of what it keeps', () => {
    made(({ frames }) => {
      const grouped = frames.groupByKey()
      grouped.count()
      grouped.reduce((_one, other) => other)
      grouped.aggregate<number>(zero, (_key, one, all) => all + one.celsius, { valueSerde: number })
      frames.mapValues(celsiusOf).groupByKey({ valueSerde: number }).reduce(larger)
      frames.mapValues(celsiusOf).groupByKey().reduce(larger, { valueSerde: number })
    })
    // @ts-expect-error the aggregate
    refused(({ frames }) => frames.groupByKey().aggregate(zero, () => 1))
    // @ts-expect-error the aggregate
    refused(({ frames }) => frames.groupByKey().aggregate(zero, () => 1, { storeName: 'sums' }))
    // @ts-expect-error other values
    refused(({ frames }) => frames.mapValues(celsiusOf).groupByKey().reduce(larger))
    refused(({ frames }) => {
      const both = frames.merge(frames).groupByKey()
      // @ts-expect-error of two streams there is no serde of the keys
      both.count()
    })
    made(({ frames }) => {
      const both = frames.merge(frames).groupByKey()
      both.count({ keySerde: text })
    })
  })

  it('by windows, too', () => {
    made(({ frames }) => {
      const grouped = frames.mapValues(celsiusOf).groupByKey({ valueSerde: number })
      grouped.windowedBy(windows).count().suppress(Suppressed.untilWindowCloses())
      grouped.windowedBy(sliding).reduce(larger).toStream().to('highest')
      grouped.windowedBy(inactivity).aggregate(zero, sum, merged, { valueSerde: number })
      frames
        .mapValues(celsiusOf)
        .groupByKey()
        .windowedBy(windows)
        .reduce(larger, { valueSerde: number })
    })
    refused(({ frames }) => {
      const windowed = frames.groupByKey().windowedBy(windows)
      // @ts-expect-error the aggregate
      windowed.aggregate(zero, () => 1)
    })
    refused(({ frames }) =>
      // @ts-expect-error other values
      frames.mapValues(celsiusOf).groupByKey().windowedBy(windows).reduce(larger),
    )
    refused(({ frames }) =>
      // @ts-expect-error other values
      frames.mapValues(celsiusOf).groupByKey().windowedBy(inactivity).reduce(larger),
    )
    refused(({ frames }) =>
      // @ts-expect-error the aggregate
      frames
        .groupByKey()
        .windowedBy(inactivity)
        .aggregate(zero, () => 1, merged),
    )
  })

  it('of several streams, too', () => {
    made(({ frames, sensors }) => {
      const numbers = frames.mapValues(celsiusOf).groupByKey()
      const group = numbers.cogroup(sum).cogroup(sensors.toStream().groupByKey(), () => 1)
      group.aggregate(zero, { valueSerde: number }).toStream().to('sums')
      const windowed = group.windowedBy(windows)
      windowed.aggregate(zero, { valueSerde: number })
      group.windowedBy(inactivity).aggregate(zero, merged, { valueSerde: number })
      // The serde of keys of one stream will do.
      frames
        .merge(frames.filter(() => true))
        .groupByKey()
        .cogroup<number>(() => 1)
        .cogroup(numbers, sum)
        .aggregate(zero, { valueSerde: number })
    })
    const count = (): number => 1
    // @ts-expect-error the aggregate
    refused(({ frames }) => frames.groupByKey().cogroup(count).aggregate(zero))
    refused(({ frames }) =>
      // @ts-expect-error the aggregate
      frames.groupByKey().cogroup(count).windowedBy(windows).aggregate(zero),
    )
    refused(({ frames }) =>
      // @ts-expect-error the aggregate
      frames.groupByKey().cogroup(count).windowedBy(inactivity).aggregate(zero, merged),
    )
    refused(({ frames }) =>
      frames
        .merge(frames.filter(() => true))
        .groupByKey()
        .cogroup(count)
        // @ts-expect-error of two streams there is no serde of the keys
        .aggregate(zero, { valueSerde: number }),
    )
  })
})

describe('a table', () => {
  it('asks for serdes where it is kept, and only there', () => {
    made(({ frames, sensors }) => {
      sensors.mapValues(celsiusOf)
      sensors.mapValues(celsiusOf, { name: 'celsius' })
      sensors.mapValues(celsiusOf, { storeName: 'celsius-kept', valueSerde: number })
      sensors.filter(() => true, { storeName: 'filtered' })
      sensors
        .mapValues(celsiusOf)
        .filterNot(() => true)
        .toStream()
        .foreach(() => {})
      sensors.mapValues(celsiusOf, { valueSerde: number }).toStream().to('celsius-written')
      frames.toTable().toStream().to('latest')
      frames.mapValues(celsiusOf).toTable().toStream().to('now', { valueSerde: number })
      frames.selectKey(placeOf).toTable({ keySerde: text, storeName: 'by-place' })
    })
    // @ts-expect-error other values
    refused(({ sensors }) => sensors.mapValues(celsiusOf, { storeName: 'kept' }))
    refused(({ sensors }) =>
      // @ts-expect-error other values
      sensors.mapValues(celsiusOf).filter(() => true, { storeName: 'kept' }),
    )
    refused(({ sensors }) =>
      // @ts-expect-error other values
      sensors.mapValues(celsiusOf).filterNot(() => true, { storeName: 'kept' }),
    )
    // @ts-expect-error other values
    refused(({ frames }) => frames.mapValues(celsiusOf).toTable({ storeName: 'kept' }))
    // @ts-expect-error behind another key
    refused(({ frames }) => frames.selectKey(placeOf).toTable())
    refused(({ sensors }) =>
      // @ts-expect-error a buffer is kept
      sensors.mapValues(celsiusOf).suppress(Suppressed.untilTimeLimit(1)),
    )
  })

  it('joined with another asks for the serde of what it keeps', () => {
    made(({ sensors }) => {
      const joiner = (one: Frame, other: Frame): number => one.celsius - other.celsius
      sensors.join(
        sensors.filter(() => true),
        joiner,
      )
      sensors.leftJoin(sensors, (one) => one.celsius, { name: 'named' })
      sensors.outerJoin(sensors, (one) => one?.celsius, { storeName: 'a', valueSerde: number })
      sensors.join<Frame, number>(sensors, joiner, { valueSerde: number }).toStream().to('out')
    })
    // @ts-expect-error other values
    refused(({ sensors }) => sensors.join(sensors, celsiusOf).toStream().to('out'))
    // @ts-expect-error other values
    refused(({ sensors }) => sensors.join(sensors, celsiusOf, { storeName: 'kept' }))
    // @ts-expect-error as in Java, whoever says how it is kept has it kept
    refused(({ sensors }) => sensors.leftJoin(sensors, celsiusOf, { caching: false }))
    // @ts-expect-error other values
    refused(({ sensors }) => sensors.outerJoin(sensors, () => 1, { store: 'memory' }))
  })

  it('grouped goes through a topic', () => {
    const both = { keySerde: text, valueSerde: number }
    const byPlace = (_key: string, one: Frame): [string, number] => [one.place, one.celsius]
    made(({ sensors }) => {
      sensors.groupBy(byPlace, both).count()
      sensors.groupBy(byPlace, both).reduce(larger, (all) => all)
      sensors.groupBy(byPlace, both).aggregate(zero, sum, (_key, _one, all) => all, both)
    })
    // @ts-expect-error the topic needs both
    refused(({ sensors }) => sensors.groupBy(byPlace).count(both))
    // @ts-expect-error the topic needs both
    refused(({ sensors }) => sensors.groupBy(byPlace, { keySerde: text }).count())
    // @ts-expect-error the aggregate
    refused(({ sensors }) => sensors.groupBy(byPlace, both).aggregate(zero, sum, sum))
  })
})

describe('a join', () => {
  const difference = (one: number, other: Frame | null): number => one - (other?.celsius ?? 0)

  it('of streams keeps both in stores', () => {
    made(({ frames }) => {
      frames.join(frames, (one, other) => one.celsius - other.celsius, within)
      const numbers = frames.mapValues(celsiusOf)
      numbers.join(frames, difference, within, { valueSerde: number })
      frames.leftJoin(numbers, (one) => one.celsius, within, { otherValueSerde: number })
      numbers
        .outerJoin(frames, (_one, other) => other, within, { valueSerde: number })
        .to('out', { valueSerde: serdes.json<Frame | null>() })
    })
    // @ts-expect-error other values
    refused(({ frames }) => frames.mapValues(celsiusOf).join(frames, difference, within))
    refused(({ frames }) =>
      // @ts-expect-error other values of the other stream
      frames.leftJoin(frames.mapValues(celsiusOf), (one) => one.celsius, within),
    )
    refused(({ frames }) =>
      // @ts-expect-error other values of the other stream
      frames.outerJoin(frames.mapValues(celsiusOf), () => 1, within, { valueSerde: frame }),
    )
    // @ts-expect-error the results are written
    refused(({ frames }) => frames.join(frames, () => 1, within).to('out'))
  })

  it('with a table goes through a topic where the key may have changed', () => {
    made(({ frames, sensors }) => {
      frames.mapValues(celsiusOf).join(sensors, difference)
      frames.selectKey(placeOf).join(sensors, (one) => one, { keySerde: text })
      frames
        .map((key, one) => [key, one.celsius])
        .leftJoin(sensors, difference, {
          keySerde: text,
          valueSerde: number,
          name: 'differences',
        })
    })
    // @ts-expect-error behind another key
    refused(({ frames, sensors }) => frames.selectKey(placeOf).join(sensors, (one) => one))
    refused(({ frames, sensors }) => {
      const moved = frames.map((key, one) => [key, one.celsius])
      // @ts-expect-error behind another key and value
      moved.leftJoin(sensors, difference, { keySerde: text })
    })
  })

  it('with a global table needs none', () => {
    made(({ builder, frames }) => {
      const places = builder.globalTable('places', { keySerde: text, valueSerde: text })
      frames.selectKey(placeOf).join(
        places,
        (key) => key,
        (_one, place) => place,
      )
    })
    refused(({ builder, frames }) => {
      const places = builder.globalTable('places', { keySerde: text, valueSerde: text })
      // @ts-expect-error the results are written
      frames.join(places, placeOf, (_one, place) => place).to('out')
    })
  })
})

describe('default serdes', () => {
  const settings = { 'default.key.serde': text, 'default.value.serde': text }

  it('of an application are known from its settings', () => {
    const both = defineStreams({ 'application.id': 'both', ...settings }, (builder) => {
      const words = builder.stream<string, string>('words')
      words.mapValues((word) => word.length).to('lengths', { valueSerde: number })
      words
        .map((key, word) => [word, key])
        .groupByKey()
        .count()
        .toStream()
        .to('counts')
      words
        .groupBy((_key, word) => word)
        .reduce((one) => one)
        .mapValues(String, { storeName: 'x' })
      words.join(builder.table<string, string>('names'), (word) => word).to('out')
    })
    construct(both.build(), both.config)
    const keys = defineStreams(
      { 'application.id': 'keys', 'default.key.serde': text },
      (builder) => {
        const words = builder.stream('words', { valueSerde: text })
        words
          .selectKey((_key, word) => word)
          .groupByKey()
          .count()
        // @ts-expect-error there is no default for values
        words.mapValues((word) => word.length).to('lengths')
      },
    )
    assert.throws(() => construct(keys.build(), keys.config), /needs a valueSerde/)
    const values = defineStreams(
      { 'application.id': 'v', 'default.value.serde': text },
      (builder) => {
        const words = builder.stream('words', { keySerde: text })
        words
          .mapValues(() => '')
          .groupByKey()
          .reduce((one) => one)
        // @ts-expect-error there is no default for keys
        words.selectKey(() => '').to('lengths')
      },
    )
    assert.throws(() => construct(values.build(), values.config), /needs a keySerde/)
    const none = defineStreams({ 'application.id': 'none' }, (builder) => {
      // @ts-expect-error there are none
      builder.stream('words').to('out')
    })
    assert.throws(() => construct(none.build(), none.config), /needs a keySerde/)
    // Settings of which the type leaves open whether they have one.
    const open: StreamsSettings = { 'application.id': 'open', ...settings }
    const opened = defineStreams(open, (builder) => builder.stream('words').to('out'))
    construct(opened.build(), opened.config)
  })

  it('of a builder are said to it', () => {
    const builder = new StreamsBuilder<DefaultSerdes>()
    builder.stream('in').mapValues(String).to('out')
    construct(builder.build(), settings)
    const keys = new StreamsBuilder<DefaultKeySerde>()
    const frames = keys.stream('in', { valueSerde: frame })
    frames.selectKey((_key, { place }) => place).to('by-place')
    // @ts-expect-error there is no default for values
    frames.mapValues(celsiusOf).to('celsius')
    const values = new StreamsBuilder<DefaultValueSerde>()
    values.stream('in', { keySerde: text }).mapValues(String).to('out')
    // @ts-expect-error there is no default for keys
    assert.ok(() => values.stream('more'))
  })
})

describe('signatures of one’s own', () => {
  // What they say of keys and values is enough: what is missing is found when the topology is made.
  const celsius = (frames: KStream<string, Frame>): KStream<string, number> =>
    frames.mapValues(celsiusOf)
  const write = (numbers: KStream<string, number>, topic: string): void => numbers.to(topic)
  const counted = (grouped: KGroupedStream<string, Frame>): KTable<string, number> =>
    grouped.count({ storeName: 'counted' })
  const averaged = (sums: KTable<string, number>): KTable<string, string> =>
    sums.mapValues(String, { storeName: 'text', valueSerde: text })
  const define = (builder: StreamsBuilder): void => builder.stream('in').to('out')

  it('take streams of every state', () => {
    made(({ builder, frames, sensors }) => {
      celsius(frames).to('a', { valueSerde: number })
      celsius(frames.filter(() => true).peek(() => {})).foreach(() => {})
      celsius(sensors.toStream()).foreach(() => {})
      averaged(counted(frames.groupByKey())).toStream().to('b')
      const either = [frames, frames.selectKey(placeOf)].map(celsius)
      assert.equal(either.length, 2)
      const typed: KStream<string, number> = frames.mapValues(celsiusOf)
      typed.merge(frames.mapValues(celsiusOf)).to('c', { keySerde: text, valueSerde: number })
      assert.ok(builder)
    })
    refused(({ frames }) => write(celsius(frames), 'out'))
    refused(({ builder }) => define(builder))
    const settings = { 'default.key.serde': text, 'default.value.serde': text }
    const definition = defineStreams({ 'application.id': 'defined', ...settings }, define)
    construct(definition.build(), definition.config)
  })

  it('tell other keys and values apart as ever', () => {
    const { frames } = sources()
    // @ts-expect-error the values are numbers
    celsius(frames.mapValues(celsiusOf))
    // @ts-expect-error the keys are numbers
    celsius(frames.selectKey((_key, { celsius }) => celsius))
  })
})
