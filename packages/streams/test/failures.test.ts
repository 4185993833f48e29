import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { Admin, type ConsumerRecord, Fetcher, Producer } from '@khlong/kafka-client'
import {
  KafkaStreams,
  StreamsBuilder,
  type StreamsError,
  type StreamsSettings,
  serdes,
} from '../src/index.ts'

// What goes wrong on a broker, and what an application says and does then.

const text = { keySerde: serdes.string, valueSerde: serdes.string }

describe('an application on a broker, in trouble', () => {
  let broker: KafkaBroker
  let servers: string
  let admin: Admin
  let producer: Producer
  let data: string

  before(async () => {
    data = await mkdtemp(path.join(tmpdir(), 'khlong-'))
    broker = new KafkaBroker({ listen: 0, data, 'group.initial.rebalance.delay.ms': 0 })
    await broker.start()
    servers = Object.values(broker.addresses)[0]!
    admin = new Admin({ 'bootstrap.servers': servers })
    producer = new Producer({ 'bootstrap.servers': servers })
  })
  after(async () => {
    await producer.close()
    await admin.close()
    await broker.stop()
    await rm(data, { recursive: true, force: true })
  })

  const settings = (id: string): StreamsSettings => ({
    'application.id': id,
    'bootstrap.servers': servers,
    'commit.interval.ms': 50,
    'heartbeat.interval.ms': 100,
  })

  async function read(topic: string, count: number): Promise<ConsumerRecord[]> {
    await using fetcher = new Fetcher({ 'bootstrap.servers': servers })
    fetcher.assign([{ topic, partition: 0, offset: 0 }])
    const records: ConsumerRecord[] = []
    while (records.length < count)
      for (const polled of await fetcher.poll(100)) records.push(...polled.records)
    return records
  }

  it('goes from running to pending-error to error, as Java’s', async () => {
    await admin.createTopics([{ name: 'states-in', partitions: 1 }])
    const builder = new StreamsBuilder()
    builder.stream('states-in', text).foreach(() => {
      throw new Error('a bug')
    })
    const ended = Promise.withResolvers<unknown>()
    await using streams = new KafkaStreams(builder.build(), settings('states'), {
      onError: ended.resolve,
    })
    const states: string[] = []
    streams.setStateListener((state) => states.push(state))
    await streams.start()
    await eventually(() => assert.equal(streams.state, 'running'), 15_000)
    await producer.send({ topic: 'states-in', key: 'k', value: 'v' })
    const error = (await ended.promise) as StreamsError
    assert.equal(error.code, 'STREAMS_PROCESSING_FAILED')
    assert.deepEqual(states, ['rebalancing', 'running', 'pending-error', 'error'])
  })

  it('tells the error to who asked all to stop, and the others that they were asked', async () => {
    await admin.createTopics([{ name: 'all-in', partitions: 2 }])
    const ended: Promise<unknown>[] = []
    const start = async (): Promise<KafkaStreams> => {
      const builder = new StreamsBuilder()
      builder.stream('all-in', text).foreach(() => {
        throw new Error('a bug')
      })
      const end = Promise.withResolvers<unknown>()
      ended.push(end.promise)
      const streams = new KafkaStreams(builder.build(), settings('all'), { onError: end.resolve })
      streams.setUncaughtExceptionHandler(() => 'shutdown-application')
      await streams.start()
      return streams
    }
    await using one = await start()
    await using other = await start()
    await eventually(async () => {
      const tasks = await Promise.all([one, other].map((each) => each.metadataForLocalThreads()))
      assert.deepEqual(
        tasks.map(([thread]) => thread?.activeTasks.length),
        [1, 1],
      )
    }, 15_000)
    await producer.send({ topic: 'all-in', partition: 0, key: 'k', value: 'v' })
    const codes = (await Promise.all(ended)).map((error) => (error as StreamsError).code)
    assert.deepEqual(codes.sort(), ['STREAMS_PROCESSING_FAILED', 'STREAMS_SHUTDOWN_REQUESTED'])
  })

  it('does not start again when it has stopped', async () => {
    await admin.createTopics([{ name: 'again-in', partitions: 1 }])
    const builder = new StreamsBuilder()
    builder.stream('again-in', text).foreach(() => {})
    const streams = new KafkaStreams(builder.build(), settings('again'))
    const start = streams.start()
    await Promise.all([start, streams.start()])
    await streams.stop()
    await assert.rejects(async () => streams.start(), {
      code: 'STREAMS_TOPOLOGY_INVALID',
      message: /starts once/,
    })
  })

  it('ends when a source topic is deleted, which nobody makes anew', async () => {
    await admin.createTopics([{ name: 'gone-in', partitions: 1 }])
    const builder = new StreamsBuilder()
    builder.stream('gone-in', text).foreach(() => {})
    const ended = Promise.withResolvers<unknown>()
    await using streams = new KafkaStreams(builder.build(), settings('gone'), {
      onError: ended.resolve,
    })
    await streams.start()
    await eventually(() => assert.equal(streams.state, 'running'), 15_000)
    await admin.deleteTopics(['gone-in'])
    const error = (await ended.promise) as StreamsError
    assert.equal(error.code, 'STREAMS_SOURCE_TOPIC_MISSING')
    assert.match(error.message, /gone-in/)
    assert.ok(!(await admin.listTopics()).includes('gone-in'))
  })

  /** Sends on what comes in; what is called large is too large for the topic, which only its broker knows. */
  async function sendsOn(
    name: string,
    more: Partial<StreamsSettings>,
    onError?: (error: unknown) => void,
  ): Promise<KafkaStreams> {
    await admin.createTopics([
      { name: `${name}-in`, partitions: 1 },
      { name: `${name}-out`, partitions: 1, configs: { 'max.message.bytes': '10000' } },
      { name: `${name}-dead`, partitions: 1 },
    ])
    const builder = new StreamsBuilder()
    builder
      .stream(`${name}-in`, text)
      .mapValues((value) => (value === 'large' ? 'x'.repeat(100_000) : value))
      .to(`${name}-out`, text)
    return new KafkaStreams(
      builder.build(),
      { ...settings(name), ...more },
      onError ? { onError } : {},
    )
  }

  it('tells a handler where a record came from that a broker refused', async () => {
    const places: unknown[] = []
    await using streams = await sendsOn('refused', {
      'errors.dead.letter.queue.topic.name': 'refused-dead',
      'production.exception.handler': ({ taskId, nodeName, error, record }) => {
        const { topic, partition, offset, timestampMs, rawValue } = record
        places.push([taskId, nodeName, topic, partition, offset, timestampMs, rawValue])
        assert.match(error.message, /topic refused-out .* record refused-in\/0@1$/)
        return 'continue'
      },
    })
    await streams.start()
    for (const [index, value] of ['small', 'large', 'last'].entries())
      await producer.send({ topic: 'refused-in', key: 'k', value, timestamp: 70 + index })
    const [letter] = await read('refused-dead', 1)
    // As in Java: what came in is not kept until the broker has answered.
    assert.deepEqual([letter?.key, letter?.value, letter?.timestamp], [null, null, 71])
    const headers = letter?.headers.map(([key, value]) => [key, String(value)]) ?? []
    assert.deepEqual(
      headers.filter(([key]) => /topic|partition|offset/.test(key!)),
      [
        ['__streams.errors.topic', 'refused-in'],
        ['__streams.errors.partition', '0'],
        ['__streams.errors.offset', '1'],
      ],
    )
    assert.deepEqual(places, [['0_0', 'KSTREAM-SINK-0000000002', 'refused-in', 0, 1, 71, null]])
    const sent = (await read('refused-out', 2)).map(({ value }) => String(value))
    assert.deepEqual(sent, ['small', 'last'])
  })

  it('ends by a record that a broker refused where the handler says so, and where a dead letter is', async () => {
    for (const [name, response] of [
      ['refused-ends', 'fail'],
      ['refused-letter', 'continue'],
    ] as const) {
      const ended = Promise.withResolvers<unknown>()
      await using streams = await sendsOn(
        name,
        {
          'production.exception.handler': () => ({
            response,
            deadLetters:
              response === 'fail'
                ? []
                : [{ topic: `${name}-out`, key: null, value: Buffer.alloc(100_000) }],
          }),
        },
        ended.resolve,
      )
      await streams.start()
      await producer.send({ topic: `${name}-in`, key: 'k', value: 'large' })
      const error = (await ended.promise) as StreamsError
      assert.equal(error.code, 'STREAMS_PRODUCTION_FAILED')
      assert.equal((error.cause as { code?: string }).code, 'KAFKA_MESSAGE_TOO_LARGE')
      assert.match(error.message, new RegExp(`topic ${name}-out`))
    }
  })

  for (const guarantee of ['at_least_once', 'exactly_once_v2'] as const)
    it(`tells a handler of the record that was too large to be sent on (${guarantee})`, async () => {
      const name = `large-${guarantee}`
      await admin.createTopics([
        { name: `${name}-in`, partitions: 1 },
        { name: `${name}-out`, partitions: 1 },
        { name: `${name}-dead`, partitions: 1 },
      ])
      const builder = new StreamsBuilder()
      builder
        .stream(`${name}-in`, text)
        .mapValues((value) => (value === 'large' ? 'x'.repeat(600_000) : value))
        .to(`${name}-out`, text)
      const places: unknown[] = []
      await using streams = new KafkaStreams(builder.build(), {
        ...settings(name),
        'processing.guarantee': guarantee,
        'errors.dead.letter.queue.topic.name': `${name}-dead`,
        'producer.max.request.size': 500_000,
        'production.exception.handler': ({ taskId, nodeName, record: { topic, offset } }) => {
          places.push([taskId, nodeName, topic, offset])
          return 'continue'
        },
      })
      await streams.start()
      for (const value of ['small', 'large', 'last'])
        await producer.send({ topic: `${name}-in`, key: 'k', value })
      const [letter] = await read(`${name}-dead`, 1)
      assert.equal(String(letter?.value), 'large')
      const headers = new Map(letter?.headers.map(([key, value]) => [key, String(value)]))
      assert.equal(headers.get('__streams.errors.offset'), '1')
      assert.match(String(headers.get('__streams.errors.message')), /max\.request\.size/)
      assert.deepEqual(places, [['0_0', 'KSTREAM-SINK-0000000002', `${name}-in`, 1]])
      const sent = (await read(`${name}-out`, 2)).map(({ value }) => String(value))
      assert.deepEqual(sent, ['small', 'last'])
    })
})
