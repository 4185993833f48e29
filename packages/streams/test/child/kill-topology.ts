import {
  defineStreams,
  minutes,
  type StreamsDefinition,
  Suppressed,
  seconds,
  serdes,
  TimeWindows,
} from '../../src/index.ts'

// What the kill scenario runs: a word count, sums of windows, and a join with a table. Every update of
// a count is given, so that a lost or doubled one shows.

const text = { keySerde: serdes.string, valueSerde: serdes.string }

const killed: StreamsDefinition = defineStreams(
  {
    'application.id': 'killed',
    'processing.guarantee': 'exactly_once_v2',
    'statestore.cache.max.bytes': 0,
  },
  (builder) => {
    builder
      .stream('lines', text)
      .flatMapValues((line) => line.split(' '))
      .groupBy((_key, word) => word, text)
      .count({ storeName: 'words' })
      .toStream()
      .to('word-counts', { keySerde: serdes.string, valueSerde: serdes.long })
    const readings = builder.stream('readings', text)
    readings
      .groupBy((key) => `place ${key.at(-1)}`, text)
      .windowedBy(TimeWindows.ofSizeAndGrace(seconds(1), minutes(1)))
      .aggregate(
        () => '0 0',
        (_key, reading, sums) => {
          const [count, sum] = sums.split(' ').map(Number)
          return `${count! + 1} ${sum! + Number(reading)}`
        },
        { storeName: 'sums', ...text },
      )
      .suppress(Suppressed.untilWindowCloses())
      .toStream(({ key, window }) => `${key}@${window.startMs}`)
      .to('window-sums', text)
    readings
      .join(builder.table('rooms', text), (reading, room) => `${reading} in ${room}`)
      .to('joined', text)
  },
)
export default killed
