import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { eventually } from '@khlong/core/testing'
import { Admin, Consumer, Producer } from '@khlong/kafka-client'
import { ZooKeeperServer } from '@khlong/zookeeper'
import { peer, reference } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { dataFolder, startBroker } from '../helpers.ts'

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const partitions = 3
const count = 300

// The way out: what Khlong has written belongs to whoever runs Kafka on it next, and back again.
test('a real Kafka 3.9 goes on with our folders and our ZooKeeper, and we with what it leaves', async (t) => {
  peer('java')
  const zookeeper = new ZooKeeperServer({ listen: 0, data: dataFolder(), maxClientCnxns: 0 })
  await zookeeper.start()
  t.after(() => zookeeper.stop({ deadlineMs: 500 }))
  const connect = zookeeper.addresses.zookeeper!
  const folder = dataFolder()
  // Where the script that starts Kafka wants its logs.
  const data = path.join(folder, 'data')
  mkdirSync(data)
  const port = await freePort()
  const settings = { 'zookeeper.connect': connect, listen: port, data, 'log.segment.bytes': 20_000 }
  const first = await startBroker(t, settings)
  const base = { 'bootstrap.servers': first.address }
  await write(base, 'ours')
  await first.broker.stop()

  const env = { ...process.env, ZOOKEEPER_CONNECT: connect, KAFKA_HEAP: '-Xmx384M' }
  const kafka = (...command: string[]): Promise<unknown> =>
    promisify(execFile)('bash', [reference('kafka.sh'), ...command], { env, timeout: 120_000 })
  await eventually(() => kafka('start', 'zookeeper', folder, String(port)), 240_000)
  try {
    await check(base, 'ours')
    await write(base, 'theirs')
  } finally {
    await kafka('stop', folder)
  }

  await startBroker(t, settings)
  await check(base, 'ours')
  await check(base, 'theirs')
})

/** Values of one writer and topic: `count` for each compression, and as many in transactions. */
const valuesOf = (writer: string): string[] =>
  [...compressions, 'transaction'].flatMap((kind) =>
    Array.from({ length: count }, (_, index) => `${writer}/${kind}/${index}`),
  )

/** Writes in every compression, in transactions that are committed and aborted, and commits offsets. */
async function write(base: { 'bootstrap.servers': string }, writer: string): Promise<void> {
  {
    await using admin = new Admin(base)
    const compacted = { 'cleanup.policy': 'compact' }
    await admin.createTopics([
      { name: writer, partitions, replicationFactor: 1 },
      { name: `${writer}-compacted`, partitions: 1, replicationFactor: 1, configs: compacted },
    ])
  }
  for (const compression of compressions) {
    await using producer = new Producer({ ...base, 'compression.type': compression })
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        producer.send({
          topic: writer,
          key: `${index}`,
          value: `${writer}/${compression}/${index}`,
        }),
      ),
    )
    await producer.send({ topic: `${writer}-compacted`, key: 'k', value: compression })
  }
  await using producer = new Producer({ ...base, 'transactional.id': writer })
  await producer.initTransactions()
  for (const isCommit of [false, true]) {
    producer.beginTransaction()
    await Promise.all(
      Array.from({ length: count }, (_, index) => {
        const value = `${writer}/${isCommit ? 'transaction' : 'aborted'}/${index}`
        return producer.send({ topic: writer, key: `${index}`, value })
      }),
    )
    await (isCommit ? producer.commitTransaction() : producer.abortTransaction())
  }
  await using consumer = new Consumer({ ...base, 'group.id': writer })
  await consumer.commit(
    Array.from({ length: partitions }, (_, partition) => ({
      topic: writer,
      partition,
      offset: 7 + partition,
      metadata: writer,
    })),
  )
}

/** Every record that was committed is there once, in the order of its key, and so are the offsets. */
async function check(base: { 'bootstrap.servers': string }, writer: string): Promise<void> {
  await using consumer = new Consumer({
    ...base,
    'group.id': writer,
    'isolation.level': 'read_committed',
  })
  const places = Array.from({ length: partitions }, (_, partition) => ({
    topic: writer,
    partition,
  }))
  const found = await consumer.committed(places)
  assert.deepEqual(
    found.map(({ partition, offset, metadata }) => [partition, offset, metadata]),
    places.map(({ partition }) => [partition, 7 + partition, writer]),
  )
  const last = { topic: `${writer}-compacted`, partition: 0 }
  consumer.assign([...places, last].map((place) => ({ ...place, offset: 'earliest' as const })))
  const values: string[] = []
  const compacted: string[] = []
  while ([...places, last].some((place) => consumer.lag(place) !== 0))
    for (const { topic, records } of await consumer.poll(500))
      (topic === writer ? values : compacted).push(...records.map(({ value }) => String(value)))
  assert.deepEqual(values.toSorted(), valuesOf(writer).toSorted())
  assert.equal(compacted.at(-1), 'zstd')
}
