import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  EmitStrategy,
  JoinWindows,
  type KGroupedStream,
  type KTable,
  minutes,
  SessionWindows,
  SlidingWindows,
  StreamsBuilder,
  seconds,
  serdes,
  TimeWindows,
  TopologyTestDriver,
  type Windowed,
} from '../src/index.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }
const emit = EmitStrategy.onWindowClose()

type Aggregate = (group: KGroupedStream<string, string>) => KTable<Windowed<string>, string>
const join = (a: string, b: string): string => `${a}+${b}`
const kinds: Readonly<Record<string, Aggregate>> = {
  tumbling: (group) =>
    group
      .windowedBy(TimeWindows.ofSizeAndGrace(minutes(1), 0))
      .emitStrategy(emit)
      .reduce(join),
  sliding: (group) =>
    group
      .windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(minutes(1)))
      .emitStrategy(emit)
      .reduce(join),
  sessions: (group) =>
    group
      .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(minutes(1)))
      .emitStrategy(emit)
      .reduce(join),
}

describe('final results of windows whose input has fallen silent', () => {
  for (const [kind, aggregate] of Object.entries(kinds))
    it(`come once, when the clock closes the windows: ${kind}`, () => {
      const builder = new StreamsBuilder()
      aggregate(builder.stream('in', text).groupByKey(text))
        .toStream((windowed) => windowed.key)
        .to('out', text)
      const driver = new TopologyTestDriver(builder.build())
      const input = driver.createInputTopic('in', serdes.string, serdes.string)
      const output = driver.createOutputTopic('out', serdes.string, serdes.string)
      const values = (): string[] => output.readAll().map(({ value }) => value)
      input.pipe('a', 'one', minutes(5))
      input.pipe('a', 'two', minutes(5) + seconds(10))
      // The sliding window that ended with the first record is closed by the second one.
      const before = values()
      assert.deepEqual(before, kind === 'sliding' ? ['one'] : [])
      driver.closeIdleWindows(minutes(5) + seconds(30))
      const early = values()
      driver.closeIdleWindows(minutes(20))
      const late = values()
      driver.closeIdleWindows(minutes(30))
      assert.deepEqual(values(), [])
      // Of two records there are a window that ends with each, and one that begins behind the first.
      const expected = kind === 'sliding' ? ['one', 'one+two', 'two'] : ['one+two']
      assert.deepEqual([...before, ...early, ...late], expected)
      // What comes for a window that is closed is late.
      input.pipe('a', 'late', minutes(5) + seconds(20))
      assert.deepEqual(values(), [])
      assert.equal(driver.counts.dropped.late, 1)
    })
})

describe('an outer join whose inputs have fallen silent', () => {
  it('gives what found no partner, once, when the clock closes its window', () => {
    const builder = new StreamsBuilder()
    const windows = JoinWindows.ofTimeDifferenceWithNoGrace(seconds(10)).after(seconds(20))
    builder
      .stream('left', text)
      .outerJoin(builder.stream('right', text), (a, b) => `${a}+${b}`, windows, text)
      .to('out', text)
    const driver = new TopologyTestDriver(builder.build())
    const left = driver.createInputTopic('left', serdes.string, serdes.string)
    const right = driver.createInputTopic('right', serdes.string, serdes.string)
    const output = driver.createOutputTopic('out', serdes.string, serdes.string)
    const values = (): string[] => output.readAll().map(({ value }) => value)
    left.pipe('a', 'one', seconds(100))
    right.pipe('b', 'two', seconds(101))
    right.pipe('a', 'three', seconds(102))
    left.pipe('c', 'four', seconds(102))
    assert.deepEqual(values(), ['one+three'])
    driver.closeIdleWindows(seconds(111) + 1)
    assert.deepEqual(values(), ['null+two'])
    driver.closeIdleWindows(seconds(200))
    driver.closeIdleWindows(seconds(300))
    assert.deepEqual(values(), ['four+null'])
    // A late one is joined with what is still there, or comes out at once.
    right.pipe('c', 'late', seconds(103))
    right.pipe('d', 'late', seconds(103))
    assert.deepEqual(values(), ['four+late', 'null+late'])
  })
})
