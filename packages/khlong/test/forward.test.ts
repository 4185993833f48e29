import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { Admin, Consumer, Producer } from '@khlong/kafka-client'
import { Forwarder } from '../src/forward/forwarder.ts'
import { resolveForwardOptions } from '../src/forward/options.ts'
import { start } from '../src/test/index.ts'

interface Sides {
  readonly gateway: string
  readonly centre: string
}

async function twoKafkas(t: TestContext, gateway: object = {}): Promise<Sides> {
  const systems = await Promise.all([
    start({ kafka: { 'num.partitions': 2, ...gateway } }),
    start({ kafka: true }),
  ])
  t.after(async () => {
    for (const system of systems) await system.stop()
  })
  return {
    gateway: systems[0].kafka.bootstrapServers,
    centre: systems[1].kafka.bootstrapServers,
  }
}

function forwarder(t: TestContext, { gateway, centre }: Sides, more: object = {}): Forwarder {
  const part = new Forwarder({
    'bootstrap.servers': centre,
    topics: ['frames'],
    source: gateway,
    ...more,
  })
  t.after(() => part.stop())
  return part
}

async function send(servers: string, from: number, count: number, bytes = 0): Promise<void> {
  await using producer = new Producer({ 'bootstrap.servers': servers, 'linger.ms': 20 })
  await producer.sendBatch(
    'frames',
    Array.from({ length: count }, (_, index) => ({
      partition: (from + index) % 2,
      key: `k${(from + index) % 10}`,
      value: `${from + index}`.padEnd(bytes, ' '),
      headers: [['h', 'v']] as const,
    })),
  )
}

/** The values of each partition, in order. */
async function read(servers: string): Promise<number[][]> {
  await using admin = new Admin({ 'bootstrap.servers': servers })
  const [topic] = await admin.describeTopics(['frames'])
  await using consumer = new Consumer({
    'bootstrap.servers': servers,
    'isolation.level': 'read_committed',
  })
  const places = topic!.partitions.map(({ partition }) => ({ topic: 'frames', partition }))
  consumer.assign(places.map((place) => ({ ...place, offset: 'earliest' as const })))
  const found: number[][] = places.map(() => [])
  while (places.some((place) => consumer.lag(place) !== 0))
    for (const { partition, records } of await consumer.poll(100))
      found[partition]!.push(...records.map(({ value }) => Number(String(value))))
  return found
}

const evens = (count: number): number[] =>
  Array.from({ length: count / 2 }, (_, index) => 2 * index)
const odds = (count: number): number[] => evens(count).map((value) => value + 1)

test('records come to the centre once and in order, over restarts of the part', async (t) => {
  const sides = await twoKafkas(t)
  await send(sides.gateway, 0, 100)
  const first = forwarder(t, sides)
  await first.start()
  await eventually(async () => assert.equal((await read(sides.centre)).flat().length, 100), 20_000)
  await first.stop()
  await send(sides.gateway, 100, 100)
  const second = forwarder(t, sides)
  await second.start()
  await eventually(async () => {
    assert.deepEqual(await read(sides.centre), [evens(200), odds(200)])
  }, 20_000)
  await eventually(() => assert.equal(second.vitals().lag, 0), 20_000)
  assert.match(second.metrics(), /khlong_forward_records_total\{topic="frames"\} 100\n/)
  assert.match(second.metrics(), /khlong_forward_connected 1\n/)
})

test('another process with the same Kafka takes over, and nothing is forwarded twice', async (t) => {
  const sides = await twoKafkas(t)
  const first = forwarder(t, sides)
  await first.start()
  const second = forwarder(t, sides)
  await second.start()
  for (let from = 0; from < 100; from += 10) await send(sides.gateway, from, 10)
  await eventually(async () => {
    assert.deepEqual(await read(sides.centre), [evens(100), odds(100)])
  }, 30_000)
})

test('where the centre has other partitions a key stays in order', async (t) => {
  const sides = await twoKafkas(t)
  await using admin = new Admin({ 'bootstrap.servers': sides.centre })
  await admin.createTopics([{ name: 'frames', partitions: 3 }])
  await send(sides.gateway, 0, 100)
  const part = forwarder(t, sides)
  await part.start()
  await eventually(async () => {
    const found = await read(sides.centre)
    assert.equal(found.flat().length, 100)
    for (const values of found)
      for (const key of Array.from({ length: 10 }, (_, index) => index)) {
        const ofKey = values.filter((value) => value % 10 === key)
        assert.ok(ofKey.length === 0 || ofKey.length === 10)
        assert.deepEqual(
          ofKey,
          ofKey.toSorted((a, b) => a - b),
        )
      }
  }, 20_000)
})

test('what goes from the buffer before it was forwarded is counted, and the rest is forwarded', async (t) => {
  const sides = await twoKafkas(t)
  await using admin = new Admin({ 'bootstrap.servers': sides.gateway })
  await send(sides.gateway, 0, 100)
  const first = forwarder(t, sides)
  await first.start()
  await eventually(async () => assert.equal((await read(sides.centre)).flat().length, 100), 20_000)
  await first.stop()
  await send(sides.gateway, 100, 100)
  await admin.deleteRecords([{ topic: 'frames', partition: 0, beforeOffset: 60 }])
  const second = forwarder(t, sides)
  await second.start()
  await eventually(() => {
    assert.match(second.metrics(), /khlong_forward_dropped_records_total\{topic="frames"\} 10\n/)
  }, 20_000)
  await eventually(async () => {
    const left = evens(200).filter((value) => value < 100 || value >= 120)
    assert.deepEqual(await read(sides.centre), [left, odds(200)])
  }, 20_000)
  assert.match(String(second.vitals().items[0]?.note), /10 records went/)
})

test('the buffer bounds what a topic takes here, the oldest first', async (t) => {
  const sides = await twoKafkas(t, { 'log.retention.check.interval.ms': 200 })
  await using admin = new Admin({ 'bootstrap.servers': sides.gateway })
  await admin.createTopics([{ name: 'frames', partitions: 2 }])
  // The centre is away: nobody listens there.
  const part = forwarder(t, { ...sides, centre: '127.0.0.1:1' }, { buffer: '4MiB' })
  await part.start()
  for (let from = 0; from < 1_000; from += 100) await send(sides.gateway, from, 100, 10_000)
  await eventually(async () => {
    const [first] = await admin.listOffsets([{ topic: 'frames', partition: 0, spec: 'earliest' }])
    assert.ok(first!.offset > 0)
  }, 20_000)
  await eventually(() => assert.ok((part.vitals().lag ?? 0) > 0), 20_000)
  assert.match(part.metrics(), /khlong_forward_connected 0\n/)
})

test('a setting that cannot be is said with its key', () => {
  const problem = (settings: object): string => {
    try {
      resolveForwardOptions({
        source: '127.0.0.1:1',
        topics: ['a'],
        'bootstrap.servers': 'c:1',
        ...settings,
      })
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.equal(problem({}), '')
  assert.equal(
    problem({ topics: undefined }),
    'options: topics: the section forward needs the topics to forward, such as [iot-frames]',
  )
  assert.equal(problem({ buffer: 'much' }), 'options: buffer: expected a size such as 2GB')
  assert.equal(problem({ topic: 'a' }), 'options: topic: unknown setting; did you mean topics?')
  assert.match(problem({ topics: ['a/b'] }), /^options: topics: "a\/b" is no name of a topic/)
  assert.match(
    problem({ 'compression.type': 'zip' }),
    /^options: compression\.type: expected one of/,
  )
  assert.match(problem({ 'sasl.mechanism': 'MAGIC' }), /sasl\.mechanism/)
})
