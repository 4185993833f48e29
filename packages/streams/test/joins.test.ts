import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin, Fetcher, Producer } from '@khlong/kafka-client'
import {
  EmitStrategy,
  JoinWindows,
  KafkaStreams,
  minutes,
  SessionWindows,
  StreamsBuilder,
  seconds,
  serdes,
  type Topology,
} from '../src/index.ts'
import { planTasks } from '../src/runtime/task-plan.ts'
import { startBroker } from './helpers/broker.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }

/** What has come to a topic, as `key=value`, sorted. */
async function contents(servers: string, topic: string): Promise<string[]> {
  await using admin = new Admin({ 'bootstrap.servers': servers })
  const [described] = await admin.describeTopics([topic])
  const partitions = described!.partitions.map(({ partition }) => ({ topic, partition }))
  const ends = await admin.listOffsets(partitions.map((one) => ({ ...one, spec: 'latest' })))
  await using fetcher = new Fetcher({ 'bootstrap.servers': servers })
  fetcher.assign(partitions.map((one) => ({ ...one, offset: 0 })))
  const found: string[] = []
  while (ends.some((end) => (fetcher.position(end) ?? 0) < end.offset))
    for (const { records } of await fetcher.poll(100))
      for (const { key, value } of records)
        if (String(key) !== 'tick') found.push(`${key}=${value}`)
  return found.sort()
}

function joinEverything(): Topology {
  const builder = new StreamsBuilder()
  const frames = builder.stream('frames', text)
  const rooms = builder.globalTable('rooms', text)
  const sensors = builder.table('sensors', text)
  frames
    .leftJoin(sensors, (frame, sensor) => `${frame} of ${sensor}`, text)
    .leftJoin(
      rooms,
      (_key, value) => value.split(' ').at(-1) ?? null,
      (value, room) => `${value} in ${room}`,
    )
    .to('placed', text)
  const within = JoinWindows.ofTimeDifferenceWithNoGrace(minutes(1))
  frames
    .join(builder.stream('events', text), (frame, event) => `${frame} and ${event}`, within, text)
    .to('paired', text)
  frames
    .groupByKey(text)
    .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(minutes(10)))
    .emitStrategy(EmitStrategy.onWindowClose())
    .reduce((a, b) => `${a}+${b}`)
    .toStream((windowed) => windowed.key)
    .to('sessions', text)
  return builder.build()
}

describe('joins on a broker', () => {
  for (const where of ['in memory', 'on disk'] as const)
    it(`find after a restart what came before it, and sessions are given once (${where})`, async (t) => {
      const servers = await startBroker(t)
      const context = where === 'on disk' ? { data: await temporaryFolder(t) } : {}
      await using admin = new Admin({ 'bootstrap.servers': servers })
      await admin.createTopics(
        ['frames', 'sensors', 'events', 'placed', 'paired', 'sessions'].map((name) => ({
          name,
          partitions: 1,
        })),
      )
      await admin.createTopics([{ name: 'rooms', partitions: 3 }])
      await using producer = new Producer({ 'bootstrap.servers': servers })
      const say = async (
        topic: string,
        key: string,
        value: string,
        timeMs: number,
      ): Promise<void> => {
        await producer.send({ topic, key, value, timestamp: timeMs })
      }
      const settings = {
        'application.id': 'joins',
        'bootstrap.servers': servers,
        'commit.interval.ms': 50,
        'max.task.idle.ms': 100,
      }
      // Looks for closed sessions are a second apart, and a record brings each.
      const closes = (timeMs: number, expected: string[]): Promise<void> =>
        eventually(async () => {
          await say('frames', 'tick', '', timeMs)
          assert.deepEqual(await contents(servers, 'sessions'), expected)
        }, 30_000)
      const has = (topic: string, expected: string[]): Promise<void> =>
        eventually(async () => assert.deepEqual(await contents(servers, topic), expected), 30_000)

      await say('rooms', 'oven', 'kitchen', 0)
      await say('rooms', 'bed', 'bedroom', 0)
      await say('sensors', 's1', 'oven', 0)
      {
        await using streams = new KafkaStreams(joinEverything(), settings, context)
        await streams.start()
        // The global table was read before the first record was taken.
        await say('frames', 's1', 'one', seconds(10))
        await say('frames', 's2', 'two', seconds(11))
        await has('placed', ['s1=one of oven in kitchen', 's2=two of null in null'])
        await say('frames', 's1', 'three', minutes(11))
        await closes(minutes(11), ['s1=one', 's2=two'])
        await say('rooms', 'oven', 'workshop', 0)
        await say('rooms', 'last', 'read', 0)
      }
      {
        await using streams = new KafkaStreams(joinEverything(), settings, context)
        await streams.start()
        // The frame of before the restart is in the store of the join, read from its changelog.
        await say('events', 's1', 'alarm', minutes(11) + 1)
        await has('paired', ['s1=three and alarm'])
        await say('frames', 's1', 'four', minutes(12))
        await say('frames', 's1', 'five', minutes(23))
        await closes(minutes(23), ['s1=one', 's1=three+four', 's2=two'])
        await has('placed', [
          's1=five of oven in workshop',
          's1=four of oven in workshop',
          's1=one of oven in kitchen',
          's1=three of oven in kitchen',
          's2=two of null in null',
        ])
      }
    })
})

describe('topics whose records are joined', () => {
  const topology = (): Topology => {
    const builder = new StreamsBuilder()
    const left = builder.stream('left', text).selectKey((_key, value) => value)
    left.leftJoin(builder.table('right', text), (value) => value, text).to('out', text)
    return builder.build()
  }

  it('get one number of partitions', () => {
    const widths: Record<string, number> = { left: 2, right: 5 }
    const plan = planTasks(topology(), 'app', (topic) => widths[topic] ?? 0, 0)
    assert.deepEqual(
      plan.repartitionTopics.map(({ partitions }) => partitions),
      [5],
    )
  })

  it('are refused where the numbers differ and are not ours to choose', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('left', text)
      .join(builder.table('right', text), (value) => value, text)
      .to('out', text)
    const widths: Record<string, number> = { left: 2, right: 5 }
    assert.throws(() => planTasks(builder.build(), 'app', (topic) => widths[topic] ?? 0, 0), {
      code: 'STREAMS_TOPOLOGY_INVALID',
      message: /left has 2, right has 5/,
    })
  })

  it('of which a table with a grace period has no place, says so', () => {
    const builder = new StreamsBuilder()
    const options = { ...text, gracePeriodMs: 5 }
    assert.throws(
      () => builder.stream('left', text).join(builder.table('right', text), (one) => one, options),
      /versioned table/,
    )
  })
})
