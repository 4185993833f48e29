// Our side of `npm run bench -- streams`; its twin is StreamsBenchmark.java.
//
// node application.ts CASE SERVERS APPLICATION_ID GUARANTEE STATE_FOLDER RECORDS
//
// Prints a line of JSON when all records are processed and committed.

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLogger } from '@khlong/core'
import {
  KafkaStreams,
  minutes,
  StreamsBuilder,
  serdes,
  TimeWindows,
} from '../../packages/streams/src/index.ts'

interface Frame {
  readonly id: string
  readonly name: string
  readonly place_id: string
  readonly boot: string
  readonly timestamp: number
  readonly payload: {
    readonly temperature: number
    readonly humidity: number
    readonly pressure: number
    readonly luminosity: number
  }
}
interface Sample {
  readonly sensor: string
  readonly place: string
  readonly timestamp: number
  readonly fahrenheit: number
}
interface Sums {
  readonly count: number
  readonly temperature: number
  readonly humidity: number
}
interface Place {
  readonly place: string
  readonly floor: string
  readonly building: string
}
interface Joint {
  readonly sensor: string
  readonly building: string
  readonly timestamp: number
  readonly temperature: number
}

const [name, servers = '', applicationId = '', guarantee, data = '', records] =
  process.argv.slice(2)
const total = Number(records)
const text = serdes.string
const frameSerde = serdes.json<Frame>()
const placeSerde = serdes.json<Place>()

let count = 0
let firstMs = 0
const done = Promise.withResolvers<void>()
const counted = (): void => {
  count++
  if (count === 1) firstMs = performance.now()
  if (count === total) done.resolve()
}

const builder = new StreamsBuilder()
const places = { keySerde: text, valueSerde: placeSerde }
if (name === 'restore')
  builder
    .stream('places', places)
    .groupByKey()
    .reduce((_a, b) => b, { storeName: 'kept' })
else {
  const frames = builder.stream('frames', { keySerde: text, valueSerde: frameSerde }).peek(counted)
  if (name === 'map')
    frames
      .mapValues(
        (frame): Sample => ({
          sensor: frame.name,
          place: frame.place_id,
          timestamp: frame.timestamp,
          fahrenheit: frame.payload.temperature * 1.8 + 32,
        }),
      )
      .to(`${applicationId}-out`, { keySerde: text, valueSerde: serdes.json<Sample>() })
  else if (name === 'window')
    frames
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeWithNoGrace(minutes(1)))
      .aggregate(
        (): Sums => ({ count: 0, temperature: 0, humidity: 0 }),
        (_key, { payload }, sums) => ({
          count: sums.count + 1,
          temperature: sums.temperature + payload.temperature,
          humidity: sums.humidity + payload.humidity,
        }),
        { storeName: 'sums', valueSerde: serdes.json<Sums>() },
      )
      .toStream((windowed) => windowed.key)
      .to(`${applicationId}-out`, { keySerde: text, valueSerde: serdes.json<Sums>() })
  else
    frames
      .join(
        builder.table('places', places, { storeName: 'places-by-sensor' }),
        (frame, place): Joint => ({
          sensor: frame.name,
          building: place.building,
          timestamp: frame.timestamp,
          temperature: frame.payload.temperature,
        }),
      )
      .to(`${applicationId}-out`, { keySerde: text, valueSerde: serdes.json<Joint>() })
}

const isOnce = guarantee === 'exactly_once_v2'
let restoreMs = 0
const streams = new KafkaStreams(
  builder.build(),
  {
    'application.id': applicationId,
    'bootstrap.servers': servers,
    'processing.guarantee': isOnce ? 'exactly_once_v2' : 'at_least_once',
    'commit.interval.ms': isOnce ? 100 : 1_000,
  },
  {
    data,
    onError: (error) => {
      process.stderr.write(`the application ended: ${String(error)}\n`)
      process.exit(1)
    },
    logger: {
      ...silentLogger,
      info: (fields, message) => {
        if (message === 'stores restored') restoreMs = (fields as { ms: number }).ms
      },
    },
  },
)
await streams.start()
if (name !== 'restore') await done.promise
else while (streams.state !== 'running') await delay(20)
await streams.stop()
const elapsedMs = Math.round(name === 'restore' ? restoreMs : performance.now() - firstMs)
const { user, system } = process.cpuUsage()
const [, peakKib = '0'] =
  /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
process.stdout.write(
  `${JSON.stringify({ elapsedMs, cpuMs: Math.round((user + system) / 1_000), peakMiB: Math.round(Number(peakKib) / 1_024) })}\n`,
)
process.exit(0)
