import { setTimeout as pause } from 'node:timers/promises'
import {
  KafkaStreams,
  StreamsBuilder,
  Suppressed,
  seconds,
  serdes,
  TimeWindows,
} from '../../src/index.ts'

// Counts and sums by key and window, in a process of its own, to be killed: `BOOTSTRAP DATA`.
// Says `running` to its parent when it does.

const [servers, data] = process.argv.slice(2)
const builder = new StreamsBuilder()
const numbers = { keySerde: serdes.string, valueSerde: serdes.integer }
builder
  .stream('numbers', numbers)
  // By another key, so that records pass through a topic in between.
  .groupBy((_key, value) => `k${value % 7}`, numbers)
  .windowedBy(TimeWindows.ofSizeAndGrace(seconds(1), seconds(60)))
  .aggregate(
    () => '0 0',
    (_key, value, aggregate) => {
      const [count, sum] = aggregate.split(' ').map(Number)
      return `${count! + 1} ${sum! + value}`
    },
    { keySerde: serdes.string, valueSerde: serdes.string },
  )
  .suppress(Suppressed.untilWindowCloses())
  .toStream(({ key, window }) => `${key}@${window.startMs}`)
  .to('sums', { keySerde: serdes.string, valueSerde: serdes.string })

const streams = new KafkaStreams(
  builder.build(),
  {
    'application.id': 'window-counter',
    'bootstrap.servers': servers!,
    'processing.guarantee': 'exactly_once_v2',
    'heartbeat.interval.ms': 200,
    'session.timeout.ms': 6_000,
  },
  data === undefined ? {} : { data },
)
process.once('SIGTERM', () => void streams.stop().then(() => process.exit(0)))
await streams.start()
while (streams.state === 'rebalancing') await pause(20)
process.send?.(streams.state)
