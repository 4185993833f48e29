import {
  defineStreams,
  type KStream,
  type KTable,
  type Processor,
  type ProcessorContext,
  type StreamsDefinition,
  Suppressed,
  serdes,
  TimeWindows,
  type Windowed,
} from '@khlong/streams'
import { type Frame, frames } from './model/frame.ts'
import {
  addReading,
  noSums,
  type PlaceMetrics,
  type Reading,
  readingOf,
  readings,
  type SensorMetrics,
  type SensorSample,
  type Sums,
  sampleOf,
  sums,
  windowMetrics,
} from './model/metrics.ts'
import { milliseconds } from './model/settings.ts'

/**
 * The three processors of the pipeline: averages and sums per sensor and per place, one result when
 * a window closes, and each frame as a time series sample.
 *
 * Settings (`streams.settings` in khlong.yml):
 * - `window.size.ms`: how long a window is. Default 300000, five minutes.
 * - `window.grace.ms`: how long a window waits for frames that are late. Default 0. Where several
 *   processes share the work it is to be longer than the others need to take over from one that is gone.
 * - `frame.time.tolerance.ms`: a frame counts at its own time where that is at most this far from
 *   the record's, so that a clock that is off moves no window. Default 0: the record's time counts.
 *
 * A window closes when a frame of a later one comes, or, so that the last one does not stay open
 * when the sensors stop, `window.close.idle.ms` after its end without a frame.
 */
const iotProcessor: StreamsDefinition = defineStreams(
  {
    'application.id': 'iot-processor',
    // What is given out is visible to committed readers every 100 ms, and counted once.
    'processing.guarantee': 'exactly_once_v2',
    // Frames of one place come through several partitions: none is late that is 250 ms behind.
    'max.task.idle.ms': 250,
    'window.close.idle.ms': 5_000,
    'deserialization.exception.handler': 'log-and-continue',
    'errors.dead.letter.queue.topic.name': 'iot-processor-dead-letters',
  },
  (builder, settings) => {
    const windows = TimeWindows.ofSizeAndGrace(
      milliseconds(settings, 'window.size.ms', 300_000),
      milliseconds(settings, 'window.grace.ms', 0),
    )
    const toleranceMs = milliseconds(settings, 'frame.time.tolerance.ms', 0)

    const stream = builder.stream('iot-frames', {
      keySerde: serdes.string,
      valueSerde: frames,
      timestampExtractor: ({ timestampMs }, frame) => {
        const ownMs = frame?.timestamp ?? timestampMs
        return Math.abs(ownMs - timestampMs) <= toleranceMs ? ownMs : timestampMs
      },
    })
    const whole = stream.filter((_key, frame) => frame !== null)

    sumByWindow(
      whole.map((_key, frame) => [frame.id, readingOf(frame)]),
      'aggregate-metrics-by-sensor-tmp',
      windows,
    )
      .toStream()
      .map(({ key, window }, sums): [string, SensorMetrics] => [
        key,
        { sensor_id: key, sensor_name: sums.sensor_name, ...windowMetrics(window, sums) },
      ])
      .to('iot-aggregate-metrics-sensor', { keySerde: serdes.string, valueSerde: serdes.json() })

    sumByWindow(
      whole.map((_key, frame) => [frame.place_id, readingOf(frame)]),
      'aggregate-metrics-by-place-tmp',
      windows,
    )
      .toStream()
      .map(({ key, window }, sums): [string, PlaceMetrics] => [
        key,
        { place_id: key, ...windowMetrics(window, sums) },
      ])
      .to('iot-aggregate-metrics-place', { keySerde: serdes.string, valueSerde: serdes.json() })

    whole
      .process(toSample)
      .to('iot-metrics-time-series', { keySerde: serdes.string, valueSerde: serdes.json() })
  },
)

export default iotProcessor

/** A frame becomes a sample under its sensor's id. Only a processor sees the record's time. */
function toSample(): Processor<string, Frame, string, SensorSample> {
  let context: ProcessorContext<string, SensorSample>
  return {
    init: (given) => {
      context = given
    },
    process: ({ value: frame, timestampMs }) =>
      context.forward({ key: frame.id, value: sampleOf(frame, timestampMs), timestampMs }),
  }
}

/** Sums the readings of each key and window; one result when the window closes. */
function sumByWindow(
  stream: KStream<string, Reading>,
  storeName: string,
  windows: TimeWindows,
): KTable<Windowed<string>, Sums> {
  return stream
    .groupByKey({ keySerde: serdes.string, valueSerde: readings })
    .windowedBy(windows)
    .aggregate(noSums, (_key, reading, aggregate) => addReading(reading, aggregate), {
      storeName,
      keySerde: serdes.string,
      valueSerde: sums,
    })
    .suppress(Suppressed.untilWindowCloses())
}
