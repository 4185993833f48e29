import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  type DefaultSerdes,
  type GlobalKTable,
  JoinWindows,
  type KStream,
  type KTable,
  minutes,
  type SerdesAre,
  SessionWindows,
  StreamsBuilder,
  serdes,
  TimeWindows,
  type Windowed,
} from '../src/index.ts'

// Held by the compiler: what is marked with @ts-expect-error must not compile, and what is given to
// `is` must have that very type. `npm run check` compiles this file.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <Expected>() => ({ of: <Actual>(_: Actual, __: Same<Expected, Actual>): void => {} })

type Kept = SerdesAre<'given', 'given'>
type OtherValues = SerdesAre<'given', 'missing'>

interface Frame {
  readonly id: string
  readonly celsius: number
}
interface Sensor {
  readonly room: string
}

it('types flow from topic to topic', () => {
  const builder = new StreamsBuilder()
  const frames = builder.stream('frames', {
    keySerde: serdes.string,
    valueSerde: serdes.json<Frame>(),
  })
  const sensors = builder.table('sensors', {
    keySerde: serdes.string,
    valueSerde: serdes.json<Sensor>(),
  })
  const rooms = builder.globalTable('rooms', { keySerde: serdes.string, valueSerde: serdes.long })
  const numbers = builder.stream('numbers', { keySerde: serdes.long, valueSerde: serdes.double })

  is<KStream<string, Frame, Kept>>().of(frames, true)
  is<KStream<string, number, OtherValues>>().of(
    frames.mapValues(({ celsius }) => celsius),
    true,
  )
  is<KStream<number, string, SerdesAre<'missing', 'missing', 'changed'>>>().of(
    frames.map((key, { celsius }) => [celsius, key]),
    true,
  )
  const counts = frames.groupByKey().count()
  is<KTable<string, number, Kept>>().of(counts, true)
  const windows = TimeWindows.ofSizeWithNoGrace(minutes(5))
  const windowed = frames.groupByKey().windowedBy(windows).count()
  is<KTable<Windowed<string>, number, Kept>>().of(windowed, true)
  is<KStream<string, number, SerdesAre<'missing', 'given', 'changed'>>>().of(
    windowed.toStream((key) => key.key),
    true,
  )

  // A stream is joined with what has its key.
  const within = JoinWindows.ofTimeDifferenceWithNoGrace(minutes(1))
  const joined = frames.join(sensors, (frame, sensor) => `${frame.celsius} in ${sensor.room}`)
  is<KStream<string, string, OtherValues>>().of(joined, true)
  is<KStream<string, string | undefined, OtherValues>>().of(
    frames.leftJoin(sensors, (_frame, sensor) => sensor?.room),
    true,
  )
  is<KTable<string, string, OtherValues>>().of(
    sensors.join(counts, (sensor, count) => `${sensor.room}: ${count}`),
    true,
  )
  // @ts-expect-error the other stream has numbers as keys
  assert.ok(() => frames.join(numbers, (frame, value) => frame.celsius + value, within))
  // @ts-expect-error a table of windowed keys
  assert.ok(() => frames.join(windowed, (frame, count) => frame.celsius + count))
  // @ts-expect-error two streams are joined within a time
  assert.ok(() => frames.join(frames, (one, other) => one.celsius + other.celsius))
  // @ts-expect-error the sensor may be missing
  frames.leftJoin(sensors, (_frame, sensor) => sensor.room)
  // @ts-expect-error a side may be missing
  frames.outerJoin(frames, (one, other) => one.celsius + (other?.celsius ?? 0), within)
  const celsiusOf = (_key: string, frame: Frame): number => frame.celsius
  // @ts-expect-error the global table has text as keys
  assert.ok(() => frames.join(rooms, celsiusOf, (frame) => frame.id))
  const typed: GlobalKTable<string, number> = rooms
  // @ts-expect-error its values are numbers
  const mistyped: GlobalKTable<string, string> = rooms
  assert.ok(typed)
  assert.ok(mistyped)
})

it('a serde is for the type that it is given for', () => {
  const builder = new StreamsBuilder()
  const frames = builder.stream('frames', {
    keySerde: serdes.string,
    valueSerde: serdes.json<Frame>(),
  })
  // @ts-expect-error frames are not text
  frames.to('texts', { valueSerde: serdes.string })
  // @ts-expect-error counts are numbers
  frames.groupByKey().count({ valueSerde: serdes.string })
  // @ts-expect-error the new key is a number
  frames.groupBy((_key, frame) => frame.celsius, { keySerde: serdes.string })
  const sessions = frames.groupByKey().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(1))
  const one = (): number => 1
  // @ts-expect-error a session's aggregate needs a merger
  assert.ok(() => sessions.aggregate(one, one))

  // What is read without a serde, and without a word about its type, is unknown.
  const unknowns = new StreamsBuilder<DefaultSerdes>().stream('unknown')
  is<KStream<unknown, unknown, DefaultSerdes>>().of(unknowns, true)
  // @ts-expect-error the value's type is not known
  unknowns.mapValues((value) => value.length)
})
