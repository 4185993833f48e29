import {
  defineStreams,
  EmitStrategy,
  minutes,
  SessionWindows,
  type StreamsDefinition,
  Suppressed,
  seconds,
  serdes,
  TimeWindows,
} from '../../src/index.ts'

// The application of peers/Handover.java: each goes on where the other was killed.

const text = { keySerde: serdes.string, valueSerde: serdes.string }

const handover: StreamsDefinition = defineStreams(
  {
    'application.id': 'handover',
    'processing.guarantee': 'exactly_once_v2',
    'statestore.cache.max.bytes': 0,
    'metrics.recording.level': 'DEBUG',
  },
  (builder, { id }) => {
    const places = builder
      .stream(`${id}-readings`, text)
      .groupBy((key) => `place ${key.at(-1)}`, { name: 'by-place', ...text })
    places
      .windowedBy(TimeWindows.ofSizeAndGrace(seconds(30), minutes(5)))
      .aggregate(
        () => '0 0',
        (_place, reading, sums) => {
          const [count, sum] = sums.split(' ').map(Number)
          return `${count! + 1} ${sum! + Number(reading)}`
        },
        { storeName: 'sums', ...text },
      )
      .suppress(Suppressed.untilWindowCloses())
      .toStream(({ key, window }) => `${key}@${window.startMs}`)
      .to(`${id}-sums`, text)
    places
      .count({ storeName: 'counts', keySerde: serdes.string })
      .toStream()
      .to(`${id}-counts`, { keySerde: serdes.string, valueSerde: serdes.long })
    // For what they measure.
    const key = { keySerde: serdes.string }
    places
      .windowedBy(TimeWindows.ofSizeAndGrace(seconds(30), minutes(5)))
      .emitStrategy(EmitStrategy.onWindowClose())
      .count({ storeName: 'finals', ...key })
    places
      .windowedBy(SessionWindows.ofInactivityGapAndGrace(seconds(30), minutes(5)))
      .count({ storeName: 'sessions', ...key })
  },
)
export default handover
