import {
  defineStreams,
  minutes,
  SessionWindows,
  type StreamsDefinition,
  seconds,
  serdes,
  TimeWindows,
} from '../../src/index.ts'

/** Counts in stores of each kind. */
const counting: StreamsDefinition = defineStreams(
  { 'application.id': 'counter', 'commit.interval.ms': 100 },
  (builder) => {
    const grouped = builder
      .stream('readings', { keySerde: serdes.string, valueSerde: serdes.string })
      .groupByKey()
    grouped.count({ storeName: 'by-sensor' })
    grouped
      .windowedBy(TimeWindows.ofSizeAndGrace(seconds(10), minutes(60)))
      .count({ storeName: 'by-window' })
    grouped
      .windowedBy(SessionWindows.ofInactivityGapAndGrace(seconds(60), minutes(60)))
      .count({ storeName: 'by-session' })
  },
)

export default counting
