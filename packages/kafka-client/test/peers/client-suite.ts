import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import {
  Admin,
  Consumer,
  type ConsumerOptions,
  type ConsumerRecord,
  keyPartition,
  MarkerWriter,
  newWriterIdentity,
  OffsetWriter,
  Producer,
  type ProducerOptions,
  type TopicPartition,
} from '@khlong/kafka-client'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import { type RealKafka, startRealKafka } from './real-kafka.ts'

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** What the client must do against any real Kafka. */
export function runClientSuite(mode: 'kraft' | 'zookeeper', tools: { producer: string }): void {
  let kafka: RealKafka
  let admin: Admin
  before(async () => {
    kafka = await startRealKafka(mode)
    admin = new Admin({ 'bootstrap.servers': kafka.bootstrapServers })
    // It answers a moment before it counts as a broker of its own cluster.
    await eventually(async () => assert.equal((await admin.describeCluster()).brokers.length, 1))
  })
  after(async () => {
    await admin?.close()
    await kafka?.stop()
  })
  const producerOf = (options: Partial<ProducerOptions> = {}): Producer =>
    new Producer({ 'bootstrap.servers': kafka.bootstrapServers, ...options })
  const consumerOf = (options: Partial<ConsumerOptions> = {}): Consumer =>
    new Consumer({
      'bootstrap.servers': kafka.bootstrapServers,
      'auto.offset.reset': 'earliest',
      'heartbeat.interval.ms': 200,
      ...options,
    })
  const readAll = async (
    topic: string,
    count: number,
    partitions = 1,
  ): Promise<ConsumerRecord[]> => {
    await using consumer = consumerOf()
    consumer.assign(
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        partition,
        offset: 'earliest' as const,
      })),
    )
    return await take(consumer, count)
  }
  /** What the Java consumer prints of records, whose values begin with `=`; it prints its log too. */
  const consoleConsumer = async (...args: string[]): Promise<string[]> => {
    const output = await kafka.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      '--bootstrap-server',
      kafka.bootstrapServers,
      ...args,
    ])
    return output.split('\n').filter((line) => line.startsWith('='))
  }

  test('a writer that knows its offsets writes once what comes twice, and markers take offsets', async () => {
    await admin.createTopics([{ name: 'writer-offsets', partitions: 1 }])
    const place = { topic: 'writer-offsets', partition: 0 }
    const identity = await newWriterIdentity(admin.client)
    const batch = (...values: string[]): Buffer => {
      const builder = new BatchBuilder()
      for (const value of values) builder.append(null, value)
      return builder.build()
    }
    const first = new OffsetWriter(admin.client, identity)
    await first.write(place, { offset: 0, sequence: 0 }, batch('a', 'b'))
    // Who goes on for it has not heard of that.
    const second = new OffsetWriter(admin.client, identity)
    await second.write(place, { offset: 0, sequence: 0 }, batch('a', 'b'))
    await assert.rejects(second.write(place, { offset: 0, sequence: 0 }, batch('a', 'b', 'c')), {
      code: 'KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER',
    })
    const markers = new MarkerWriter(admin.client, 'markers')
    await markers.open()
    await markers.write(place, 3)
    await eventually(async () => {
      const [end] = await admin.listOffsets([{ ...place, spec: 'latest' }])
      assert.equal(end?.offset, 5)
    })
    await second.write(place, { offset: 5, sequence: 2 }, batch('c'))
    const records = await readAll('writer-offsets', 3)
    assert.deepEqual(
      records.map(({ offset, value }) => [offset, String(value)]),
      [
        [0, 'a'],
        [1, 'b'],
        [5, 'c'],
      ],
    )
    await assert.rejects(
      new OffsetWriter(admin.client, await newWriterIdentity(admin.client)).write(
        place,
        { offset: 9, sequence: 0 },
        batch('x'),
      ),
      { code: 'KAFKA_CLIENT_INVALID_STATE', message: /somebody else writes there/ },
    )
  })

  test('what is written with every compression is read by us and by the Java consumer', async () => {
    await admin.createTopics([{ name: 'compressions', partitions: 1 }])
    const expected: string[] = []
    // Records from long ago would fall to retention while the test runs.
    const writtenMs = Date.now() - 60_000
    for (const compression of compressions) {
      await using producer = producerOf({ 'compression.type': compression })
      const values = Array.from(
        { length: 200 },
        (_, index) => `=${compression} ${index} ${'canal'.repeat(9)}`,
      )
      const written = await producer.sendBatch(
        'compressions',
        values.map((value) => ({
          key: compression,
          value,
          headers: [
            ['codec', compression],
            ['none', null],
          ],
          timestamp: writtenMs,
        })),
      )
      assert.deepEqual(
        written.map((one) => one.offset),
        values.map((_, index) => expected.length + index),
      )
      expected.push(...values)
    }
    const records = await readAll('compressions', expected.length)
    assert.deepEqual(
      records.map((record) => record.value?.toString()),
      expected,
    )
    const last = records.at(-1)!
    assert.equal(last.timestamp, writtenMs)
    assert.deepEqual(last.headers, [
      ['codec', Buffer.from('zstd')],
      ['none', null],
    ])
    const java = await consoleConsumer(
      '--topic',
      'compressions',
      '--from-beginning',
      '--max-messages',
      String(expected.length),
    )
    assert.deepEqual(java, expected)
  })

  test('what the Java producer writes is read, and lies where our partitioner would put it', async () => {
    const lines: string[] = []
    for (const codec of ['snappy', 'lz4']) {
      const batch = Array.from(
        { length: 40 },
        (_, index) => `${codec}-sensor-${index}:value ${index}`,
      )
      lines.push(...batch)
      await kafka.tool(
        tools.producer,
        [
          ...['--bootstrap-server', kafka.bootstrapServers, '--topic', 'from-java'],
          ...['--compression-codec', codec],
          ...['--property', 'parse.key=true', '--property', 'key.separator=:'],
        ],
        `${batch.join('\n')}\n`,
      )
    }
    const records = await readAll('from-java', lines.length, 3)
    assert.deepEqual(
      records.map((record) => `${record.key}:${record.value}`).sort(),
      [...lines].sort(),
    )
    for (const { key, partition } of records) assert.equal(keyPartition(key!, 3), partition)
  })

  for (const strategy of ['range', 'cooperative-sticky'])
    test(`two members share a topic (${strategy}): each record once, nobody reads what another has not given back`, async () => {
      const topic = `shared-${strategy}`
      await admin.createTopics([{ name: topic, partitions: 6 }])
      await using producer = producerOf()
      const owners = new Map<number, string>()
      const seen: string[] = []
      const overlaps: string[] = []
      const member = (name: string): Consumer => {
        const consumer = consumerOf({
          'group.id': topic,
          'partition.assignment.strategy': strategy,
        })
        consumer.subscribe([topic], {
          onPartitionsAssigned(partitions) {
            for (const { partition } of partitions) {
              if (owners.has(partition)) overlaps.push(`${partition} of ${owners.get(partition)}`)
              owners.set(partition, name)
            }
          },
          async onPartitionsRevoked(partitions) {
            await consumer.commit()
            for (const { partition } of partitions) owners.delete(partition)
          },
        })
        return consumer
      }
      const read = async (
        consumer: Consumer,
        name: string,
        until: () => boolean,
      ): Promise<void> => {
        const deadline = performance.now() + 120_000
        while (!until()) {
          assert.ok(performance.now() < deadline, `${name} waits too long`)
          for (const { records, partition } of await consumer.poll(100)) {
            assert.equal(owners.get(partition), name)
            for (const record of records) seen.push(String(record.value))
          }
        }
      }
      const send = (from: number): Promise<unknown> =>
        producer.sendBatch(
          topic,
          Array.from({ length: 300 }, (_, index) => ({
            key: `k${index}`,
            value: String(from + index),
          })),
        )
      const share = (name: string): number =>
        [...owners.values()].filter((owner) => owner === name).length

      const a = member('a')
      await send(0)
      await read(a, 'a', () => seen.length >= 300)
      assert.equal(share('a'), 6)
      const b = member('b')
      await Promise.all([
        read(a, 'a', () => share('a') === 3 && share('b') === 3),
        read(b, 'b', () => share('a') === 3 && share('b') === 3),
      ])
      const description = (await admin.describeGroups([topic]))[0]!
      assert.equal(description.state, 'Stable')
      assert.deepEqual(
        description.members.map((one) => one.partitions.length),
        [3, 3],
      )
      await send(300)
      await Promise.all([
        read(a, 'a', () => seen.length >= 600),
        read(b, 'b', () => seen.length >= 600),
      ])
      const leaving = b.close()
      await read(a, 'a', () => share('a') === 6)
      await leaving
      await send(600)
      await read(a, 'a', () => seen.length >= 900)
      await a.close()
      assert.deepEqual(overlaps, [])
      assert.deepEqual(
        seen.map(Number).sort((x, y) => x - y),
        Array.from({ length: 900 }, (_, index) => index),
      )
    })

  test('a Java consumer and ours share one group', async () => {
    const topic = 'with-java'
    await admin.createTopics([{ name: topic, partitions: 3 }])
    await using producer = producerOf()
    await using consumer = consumerOf({
      'group.id': topic,
      'partition.assignment.strategy': 'range',
    })
    consumer.subscribe([topic])
    const isJoined = async (count: number): Promise<void> => {
      const deadline = performance.now() + 120_000
      for (;;) {
        await consumer.poll(100)
        if (consumer.assignment.length === count) return
        assert.ok(performance.now() < deadline, `waiting for ${count} partitions`)
      }
    }
    await isJoined(3)
    const java = consoleConsumer(
      ...['--topic', topic, '--group', topic, '--max-messages', '1'],
      ...[
        '--consumer-property',
        'partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor',
      ],
    )
    const deadline = performance.now() + 120_000
    while (consumer.assignment.length === 3 || consumer.assignment.length === 0) {
      await consumer.poll(100)
      assert.ok(performance.now() < deadline, 'the Java consumer does not join')
    }
    let hasEnded = false
    const ended = java.finally(() => {
      hasEnded = true
    })
    while (!hasEnded) {
      await consumer.poll(100)
      const mine = new Set(consumer.assignment.map((one) => one.partition))
      for (const partition of [0, 1, 2])
        if (!mine.has(partition)) await producer.send({ topic, partition, value: '=for Java' })
      assert.ok(performance.now() < deadline, 'the Java consumer does not read')
    }
    assert.deepEqual(await ended, ['=for Java'])
    await isJoined(3)
  })

  test('a consumer goes on where its group has committed, and offsets are found by time', async () => {
    const topic = 'offsets'
    await admin.createTopics([{ name: topic, partitions: 1 }])
    await using producer = producerOf()
    const startMs = Date.now() - 60_000
    await producer.sendBatch(
      topic,
      Array.from({ length: 10 }, (_, index) => ({
        value: String(index),
        timestamp: startMs + index * 1_000,
      })),
    )
    const partition: TopicPartition = { topic, partition: 0 }
    {
      await using first = consumerOf({ 'group.id': topic, 'max.poll.records': 4 })
      first.subscribe([topic])
      assert.equal((await take(first, 4)).length, 4)
      await first.commit()
      assert.equal((await first.committed([partition]))[0]!.offset, 4)
    }
    await using second = consumerOf({ 'group.id': topic })
    second.subscribe([topic])
    assert.deepEqual(
      (await take(second, 6)).map((record) => record.offset),
      [4, 5, 6, 7, 8, 9],
    )
    assert.equal(second.lag(partition), 0)
    second.seek(partition, { timestamp: startMs + 6_500 })
    assert.deepEqual(
      (await take(second, 3)).map((record) => record.offset),
      [7, 8, 9],
    )
    assert.deepEqual(
      (await admin.listOffsets([{ ...partition, spec: startMs + 2_000 }])).map((one) => one.offset),
      [2],
    )
    await admin.deleteRecords([{ ...partition, beforeOffset: 8 }])
    second.seek(partition, 1)
    assert.deepEqual(
      (await take(second, 2)).map((record) => record.offset),
      [8, 9],
    )
    await using strict = consumerOf({ 'auto.offset.reset': 'none' })
    strict.assign([{ ...partition, offset: 1 }])
    await assert.rejects(strict.poll(5_000), { code: 'KAFKA_CLIENT_NO_OFFSET' })
  })

  test('topics, configs, groups and offsets are managed, and refusals carry Kafka’s names', async () => {
    await admin.createTopics([
      { name: 'managed', partitions: 2, configs: { 'cleanup.policy': 'compact' } },
    ])
    await assert.rejects(admin.createTopics([{ name: 'managed' }]), {
      code: 'KAFKA_TOPIC_ALREADY_EXISTS',
      errorCode: 36,
    })
    await assert.rejects(admin.createTopics([{ name: 'bad', configs: { nope: '1' } }]), {
      code: 'KAFKA_INVALID_CONFIG',
    })
    await assert.rejects(admin.createTopics([{ name: 'not/valid' }]), {
      code: 'KAFKA_INVALID_TOPIC_EXCEPTION',
    })
    await admin.incrementalAlterConfigs({ type: 'topic', name: 'managed' }, [
      { name: 'retention.ms', operation: 'set', value: '60000' },
    ])
    const names = ['cleanup.policy', 'retention.ms']
    const [configs] = await admin.describeConfigs([{ type: 'topic', name: 'managed' }], names)
    assert.deepEqual(configs!.map(({ name, value, source }) => [name, value, source]).sort(), [
      ['cleanup.policy', 'compact', 'dynamic-topic'],
      ['retention.ms', '60000', 'dynamic-topic'],
    ])
    await admin.createPartitions([{ name: 'managed', count: 4 }])
    assert.equal((await admin.describeTopics(['managed']))[0]!.partitions.length, 4)
    await assert.rejects(admin.describeTopics(['missing']), {
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
    })
    assert.ok((await admin.listTopics()).includes('managed'))
    assert.ok(!(await admin.listTopics()).includes('__consumer_offsets'))
    const cluster = await admin.describeCluster()
    assert.equal(cluster.brokers.length, 1)
    assert.equal(cluster.controllerId, cluster.brokers[0]!.nodeId)
    await admin.alterConsumerGroupOffsets('managed', [
      { topic: 'managed', partition: 3, offset: 42, metadata: 'mark' },
    ])
    assert.deepEqual(await admin.listConsumerGroupOffsets('managed'), [
      { topic: 'managed', partition: 3, offset: 42, leaderEpoch: -1, metadata: 'mark' },
    ])
    assert.ok((await admin.listGroups()).some((group) => group.groupId === 'managed'))
    await admin.deleteConsumerGroupOffsets('managed', [{ topic: 'managed', partition: 3 }])
    assert.deepEqual(await admin.listConsumerGroupOffsets('managed'), [])
    await admin.deleteTopics(['managed'])
    await assert.rejects(admin.deleteTopics(['managed']), {
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
    })
    await using producer = producerOf()
    await assert.rejects(producer.send({ topic: 'compressions', value: Buffer.alloc(1_100_000) }), {
      code: 'KAFKA_CLIENT_RECORD_TOO_LARGE',
    })
    await admin.createTopics([
      { name: 'small', partitions: 1, configs: { 'max.message.bytes': '2000' } },
    ])
    await assert.rejects(producer.send({ topic: 'small', value: Buffer.alloc(3_000) }), {
      code: 'KAFKA_MESSAGE_TOO_LARGE',
    })
    // A batch above the limit is cut until its parts fit; what comes after the refused record goes on.
    const small = await producer.sendBatch(
      'small',
      Array.from({ length: 12 }, () => ({ value: Buffer.alloc(900) })),
    )
    assert.deepEqual(
      small.map((one) => one.offset - small[0]!.offset),
      Array.from({ length: 12 }, (_, index) => index),
    )
  })

  test('transactions: what is aborted is not read, offsets move with the commit, zombies are fenced', async () => {
    const topic = 'transactions'
    await admin.createTopics([{ name: topic, partitions: 2 }])
    const producer = producerOf({ 'transactional.id': 'tx' })
    await producer.initTransactions()
    for (const [index, fate] of ['abort', 'commit', 'abort', 'commit'].entries()) {
      producer.beginTransaction()
      for (const partition of [0, 1])
        await producer.send({ topic, partition, value: `=${fate} ${index}` })
      await producer.sendOffsets([{ topic, partition: 0, offset: index }], {
        groupId: 'tx-group',
        generationId: -1,
        memberId: '',
      })
      if (fate === 'commit') await producer.commitTransaction()
      else await producer.abortTransaction()
    }
    await using consumer = consumerOf({ 'isolation.level': 'read_committed' })
    consumer.assign([0, 1].map((partition) => ({ topic, partition, offset: 'earliest' as const })))
    assert.deepEqual((await take(consumer, 4)).map((record) => String(record.value)).sort(), [
      '=commit 1',
      '=commit 1',
      '=commit 3',
      '=commit 3',
    ])
    assert.equal((await admin.listConsumerGroupOffsets('tx-group'))[0]!.offset, 3)
    const java = await consoleConsumer(
      ...['--topic', topic, '--from-beginning', '--max-messages', '4'],
      ...['--isolation-level', 'read_committed'],
    )
    assert.deepEqual(java.sort(), ['=commit 1', '=commit 1', '=commit 3', '=commit 3'])
    await using next = producerOf({ 'transactional.id': 'tx' })
    await next.initTransactions()
    producer.beginTransaction()
    await assert.rejects(producer.send({ topic, partition: 0, value: 'zombie' }), {
      code: /KAFKA_(PRODUCER_FENCED|INVALID_PRODUCER_EPOCH)/,
    })
    await producer.close()
  })

  test('over a restart of the broker nothing is lost, doubled or reordered', async () => {
    const topic = 'restarted'
    await admin.createTopics([{ name: topic, partitions: 3 }])
    await using producer = producerOf({ 'linger.ms': 1 })
    await using consumer = consumerOf({ 'group.id': topic })
    consumer.subscribe([topic])
    const read: number[][] = [[], [], []]
    let readCount = 0
    let isDone = false
    const reading = (async () => {
      while (!isDone)
        for (const { records, partition } of await consumer.poll(100))
          for (const record of records) {
            read[partition]!.push(Number(record.value))
            readCount++
          }
    })()
    const acknowledged: Promise<unknown>[] = []
    let isRestarted = false
    const restarting = kafka.restart().then(() => {
      isRestarted = true
    })
    let next = 0
    while (!isRestarted || next < 3_000) {
      for (let count = 0; count < 30; count++, next++)
        acknowledged.push(producer.send({ topic, partition: next % 3, value: String(next) }))
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await restarting
    await Promise.all(acknowledged)
    const deadline = performance.now() + 60_000
    while (readCount < next && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50))
    isDone = true
    await reading
    for (const [partition, values] of read.entries())
      assert.deepEqual(
        values,
        Array.from(
          { length: Math.ceil((next - partition) / 3) },
          (_, index) => index * 3 + partition,
        ),
      )
  })
}

async function take(consumer: Consumer, count: number): Promise<ConsumerRecord[]> {
  const records: ConsumerRecord[] = []
  const deadline = performance.now() + 30_000
  while (records.length < count) {
    assert.ok(performance.now() < deadline, `${records.length} of ${count} records came`)
    for (const one of await consumer.poll(500)) records.push(...one.records)
  }
  return records
}
