import assert from 'node:assert/strict'
import net from 'node:net'
import test, { type TestContext } from 'node:test'
import { listenTcp, silentLogger } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { Admin, Consumer, Producer } from '@khlong/kafka-client'
import { Binary, BSON, Double, Int32, Long, MongoClient } from 'mongodb'
import type { KhlongError } from '../src/errors.ts'
import { compareRecords } from '../src/mirror/compare-records.ts'
import {
  compareDocuments,
  copyDocuments,
  finishDocuments,
  readCollections,
} from '../src/mirror/documents.ts'
import { exactDocument } from '../src/mirror/exact-document.ts'
import { compareGroups, copyGroups } from '../src/mirror/group-offsets.ts'
import { mirror } from '../src/mirror/mirror.ts'
import { Positions } from '../src/mirror/positions.ts'
import { Progress } from '../src/mirror/progress.ts'
import { RecordCopy } from '../src/mirror/record-copy.ts'
import { readTopics, settleTopics } from '../src/mirror/topics.ts'
import { start } from '../src/test/index.ts'
import { startWithoutTtl } from './mongodb-without-ttl.ts'

const never = new AbortController().signal
const onProgress = (): void => {}

interface Pair {
  readonly source: Admin
  readonly target: Admin
  readonly servers: { readonly source: string; readonly target: string }
}

async function twoKafkas(t: TestContext): Promise<Pair> {
  const systems = await Promise.all([start({ kafka: true }), start({ kafka: true })])
  const servers = {
    source: systems[0].kafka.bootstrapServers,
    target: systems[1].kafka.bootstrapServers,
  }
  const source = new Admin({ 'bootstrap.servers': servers.source })
  const target = new Admin({ 'bootstrap.servers': servers.target })
  t.after(async () => {
    await source.close()
    await target.close()
    for (const system of systems) await system.stop()
  })
  return { source, target, servers }
}

/** One run of the command's part for Kafka, as another process would do it. */
async function copyOnce({ source, target }: Pair, isLast: boolean): Promise<RecordCopy> {
  const positions = await Positions.open(target, { create: true })
  try {
    const topics = await readTopics(source)
    const copy = new RecordCopy({ source, target, positions, topics, signal: never, onProgress })
    await copy.prepare()
    await copy.run({ isLast })
    if (isLast) {
      await copyGroups(source, target, positions)
      await settleTopics(target, topics)
      await copy.finish()
    }
    return copy
  } finally {
    await positions.close()
  }
}

async function differences({ source, target }: Pair): Promise<string[]> {
  const positions = await Positions.open(target, { create: false })
  try {
    const found: string[] = []
    for await (const one of compareRecords(source, target, await readTopics(source), positions))
      if (one.difference !== undefined)
        found.push(`${one.topic}-${one.partition}: ${one.difference}`)
    return [...found, ...(await compareGroups(source, target, positions)).differences]
  } finally {
    await positions.close()
  }
}

async function send(servers: string, topic: string, values: readonly string[]): Promise<void> {
  await using producer = new Producer({ 'bootstrap.servers': servers })
  await producer.sendBatch(
    topic,
    values.map((value) => ({ partition: 0, key: value, value, headers: [['h', value]] })),
  )
}

/** Transactions, every other of which is aborted. */
async function sendTransactions(servers: string, topic: string, count: number): Promise<void> {
  await using producer = new Producer({
    'bootstrap.servers': servers,
    'transactional.id': `sender-${topic}`,
  })
  await producer.initTransactions()
  for (let number = 0; number < count; number++) {
    producer.beginTransaction()
    await producer.send({ topic, partition: 0, key: `k${number}`, value: `v${number}` })
    if (number % 2 === 0) await producer.commitTransaction()
    else await producer.abortTransaction()
  }
}

async function readAll(
  servers: string,
  topic: string,
): Promise<{ offset: number; value: string }[]> {
  await using consumer = new Consumer({
    'bootstrap.servers': servers,
    'isolation.level': 'read_uncommitted',
  })
  const place = { topic, partition: 0 }
  consumer.assign([{ ...place, offset: 'earliest' }])
  const found: { offset: number; value: string }[] = []
  while (consumer.lag(place) !== 0)
    for (const { records } of await consumer.poll(100))
      for (const { offset, value } of records) found.push({ offset, value: String(value) })
  return found
}

test('a topic without gaps keeps its offsets, also where it does not begin at 0', async (t) => {
  const pair = await twoKafkas(t)
  await pair.source.createTopics([
    { name: 'plain', partitions: 2, configs: { 'retention.ms': '123456789' } },
  ])
  const values = Array.from({ length: 50 }, (_, index) => `v${index}`)
  await send(pair.servers.source, 'plain', values)
  await pair.source.deleteRecords([{ topic: 'plain', partition: 0, beforeOffset: 7 }])
  await pair.source.alterConsumerGroupOffsets('readers', [
    { topic: 'plain', partition: 0, offset: 33, metadata: 'noted' },
  ])
  await copyOnce(pair, false)
  await send(pair.servers.source, 'plain', ['late'])
  const copy = await copyOnce(pair, true)
  assert.equal(copy.tally.records, 1)
  assert.deepEqual(
    await readAll(pair.servers.target, 'plain'),
    [...values, 'late'].map((value, offset) => ({ offset, value })).slice(7),
  )
  const [group] = await pair.target.listConsumerGroupOffsets('readers')
  assert.deepEqual([group?.offset, group?.metadata], [33, 'noted'])
  const [configs] = await pair.target.describeConfigs([{ type: 'topic', name: 'plain' }])
  const own = configs!.filter(({ source }) => source === 'dynamic-topic')
  assert.deepEqual(
    own.map(({ name, value }) => [name, value]),
    [['retention.ms', '123456789']],
  )
  assert.deepEqual(await differences(pair), [])
})

test('what transactions and compaction have left is copied without what was aborted, and no offset gets smaller', async (t) => {
  const pair = await twoKafkas(t)
  await pair.source.createTopics([{ name: 'committed', partitions: 1 }])
  await sendTransactions(pair.servers.source, 'committed', 20)
  await pair.source.alterConsumerGroupOffsets('readers', [
    { topic: 'committed', partition: 0, offset: 20 },
  ])
  await copyOnce(pair, false)
  await sendTransactions(pair.servers.source, 'committed', 6)
  await copyOnce(pair, true)
  const found = await readAll(pair.servers.target, 'committed')
  assert.deepEqual(
    found.map(({ value }) => value),
    [...[0, 2, 4, 6, 8, 10, 12, 14, 16, 18], ...[0, 2, 4]].map((number) => `v${number}`),
  )
  // Each record took two offsets at the source: itself, and the marker.
  for (const [index, { offset }] of found.entries()) assert.ok(offset >= 4 * index)
  const [group] = await pair.target.listConsumerGroupOffsets('readers')
  assert.equal(group?.offset, found[5]?.offset)
  assert.deepEqual(await differences(pair), [])
})

test('gaps that come where offsets were the same are made up for', async (t) => {
  const pair = await twoKafkas(t)
  await pair.source.createTopics([{ name: 'mixed', partitions: 1 }])
  await send(pair.servers.source, 'mixed', ['a', 'b', 'c'])
  await copyOnce(pair, false)
  await sendTransactions(pair.servers.source, 'mixed', 4)
  await send(pair.servers.source, 'mixed', ['d'])
  await copyOnce(pair, false)
  await sendTransactions(pair.servers.source, 'mixed', 1)
  await pair.source.alterConsumerGroupOffsets('readers', [
    { topic: 'mixed', partition: 0, offset: 14 },
  ])
  await copyOnce(pair, true)
  assert.deepEqual(await readAll(pair.servers.target, 'mixed'), [
    { offset: 0, value: 'a' },
    { offset: 1, value: 'b' },
    { offset: 2, value: 'c' },
    { offset: 3, value: 'v0' },
    { offset: 7, value: 'v2' },
    { offset: 11, value: 'd' },
    { offset: 12, value: 'v0' },
  ])
  const [end] = await pair.target.listOffsets([{ topic: 'mixed', partition: 0, spec: 'latest' }])
  assert.equal(end?.offset, 14)
  const [group] = await pair.target.listConsumerGroupOffsets('readers')
  assert.equal(group?.offset, 14)
  assert.deepEqual(await differences(pair), [])
})

test('a copy that loses its last notes writes nothing twice', async (t) => {
  const pair = await twoKafkas(t)
  await pair.source.createTopics([{ name: 'plain', partitions: 1 }])
  await send(pair.servers.source, 'plain', ['a', 'b', 'c'])
  await copyOnce(pair, false)
  const positions = await Positions.open(pair.target, { create: false })
  const early = positions.of('plain', 0)!
  await send(pair.servers.source, 'plain', ['d', 'e'])
  await copyOnce(pair, false)
  // As if it had been killed before it noted that.
  await positions.save([{ topic: 'plain', partition: 0, position: early }])
  await positions.close()
  await send(pair.servers.source, 'plain', ['f'])
  await copyOnce(pair, true)
  const values = (await readAll(pair.servers.target, 'plain')).map(({ value }) => value)
  assert.deepEqual(values, ['a', 'b', 'c', 'd', 'e', 'f'])
})

test('what is at the target already is not written into', async (t) => {
  const pair = await twoKafkas(t)
  await pair.source.createTopics([
    { name: 'used', partitions: 1 },
    { name: 'wide', partitions: 3 },
  ])
  await pair.target.createTopics([{ name: 'wide', partitions: 2 }])
  await assert.rejects(copyOnce(pair, false), {
    code: 'KHLONG_MIRROR_TOPIC',
    message:
      'topic wide has 3 partitions here and 2 at the target; delete it there, or make it with 3',
  })
  await pair.target.deleteTopics(['wide'])
  await send(pair.servers.source, 'used', ['a'])
  await copyOnce(pair, false)
  await send(pair.servers.target, 'used', ['of somebody else'])
  await assert.rejects(copyOnce(pair, false), {
    code: 'KHLONG_MIRROR_TOPIC',
    message: /somebody else has written to topic used at the target \(partition 0, offset 1\)/,
  })
})

test('a move that has ended is not begun again', async (t) => {
  const pair = await twoKafkas(t)
  await pair.source.createTopics([{ name: 'plain', partitions: 1 }])
  await copyOnce(pair, true)
  await assert.rejects(copyOnce(pair, true), { code: 'KHLONG_MIRROR_DONE' })
})

test('a record that the target has otherwise is named', async (t) => {
  const pair = await twoKafkas(t)
  await pair.source.createTopics([{ name: 'plain', partitions: 1 }])
  await send(pair.servers.source, 'plain', ['a', 'b'])
  await copyOnce(pair, true)
  await pair.target.deleteTopics(['plain'])
  await pair.target.createTopics([{ name: 'plain', partitions: 1 }])
  await using producer = new Producer({ 'bootstrap.servers': pair.servers.target })
  const copied = { topic: 'plain', partition: 0, key: 'a', value: 'x', timestamp: 5 }
  await producer.send(copied)
  assert.deepEqual(await differences(pair), [
    'plain-0: offset 0 is another record at the target (offset 0 there)',
  ])
})

test('a target that cannot be reached is said before anything starts', async (t) => {
  const folder = await temporaryFolder(t)
  const says = async (to: object): Promise<string> => {
    try {
      await mirror({
        folder,
        to,
        progress: new Progress(process.stdout),
        logger: silentLogger,
        signal: never,
      })
      return ''
    } catch (error) {
      assert.equal((error as KhlongError).code, 'KHLONG_MIRROR_IMPOSSIBLE')
      return (error as Error).message
    }
  }
  const port = await unusedPort()
  assert.match(
    await says({ mongodb: `mongodb://ada:secret@127.0.0.1:${port}` }),
    /^mongodb=mongodb:\/\/127\.0\.0\.1:\d+ cannot be used: connect ECONNREFUSED 127\.0\.0\.1:\d+$/,
  )
  assert.match(
    await says({ prometheus: `http://127.0.0.1:${port}` }),
    /^http:\/\/127\.0\.0\.1:\d+ does not answer/,
  )
  await using systems = await start({ kafka: true })
  assert.match(
    await says({ kafka: systems.kafka.bootstrapServers }),
    /^there are no data in .*data; --data DIR/,
  )
})

async function unusedPort(): Promise<number> {
  const server = net.createServer()
  const { port } = await listenTcp(server, { host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.close(resolve))
  return port
}

// ---- Documents

test('documents keep types, order of fields and indexes; what changes and goes meanwhile does so in the copy', async () => {
  await using sides = await start({ mongodb: true })
  await using others = await start({ mongodb: true })
  await using source = await MongoClient.connect(sides.mongodb.url)
  await using target = await MongoClient.connect(others.mongodb.url)
  const things = source.db('iot').collection('things')
  await things.insertMany([
    { whole: new Int32(1), long: Long.fromString('9007199254740993'), real: new Double(1) },
    { bytes: new Binary(Buffer.from([1, 2, 3]), 4), at: new Date(0), nested: [{ b: 1, a: null }] },
    { gone: true },
  ])
  await things.createIndex({ at: 1 }, { name: 'ttl', expireAfterSeconds: 3_600_000_000 % 2 ** 31 })
  const run = async (isLast: boolean): Promise<void> => {
    const { collections } = await readCollections(source)
    await copyDocuments({ source, target, collections, isLast, signal: never, onProgress })
    if (isLast) await finishDocuments(target, collections)
  }
  const compare = async (): Promise<(string | undefined)[]> => {
    const { collections } = await readCollections(source)
    const found = await Array.fromAsync(compareDocuments(source, target, collections))
    return found.map(({ difference }) => difference)
  }
  await run(false)
  assert.deepEqual(await compare(), [undefined])
  await things.deleteOne({ gone: true })
  await things.updateOne({ whole: 1 }, { $set: { late: 'yes' } })
  await things.insertOne({ new: true })
  assert.match(
    (await compare())[0] ?? '',
    /^1 documents are missing at the target and 1 are different/,
  )
  await run(true)
  assert.deepEqual(await compare(), [undefined])
  const indexes = await target.db('iot').collection('things').indexes()
  assert.equal(
    indexes.find(({ name }) => name === 'ttl')?.expireAfterSeconds,
    3_600_000_000 % 2 ** 31,
  )
  await assert.rejects(run(true), { code: 'KHLONG_MIRROR_DONE' })
})

test('an index that the target does not have is named, and the rest is copied', async (t) => {
  await using sides = await start({ mongodb: true })
  await using others = await start({ mongodb: true })
  const other = await startWithoutTtl(t, new URL(others.mongodb.url).host)
  await using source = await MongoClient.connect(sides.mongodb.url)
  await using target = await MongoClient.connect(other.uri)
  const things = source.db('iot').collection('things')
  await things.insertOne({ at: new Date(0), serial: 1 })
  await things.createIndex({ at: 1 }, { name: 'ttl', expireAfterSeconds: 2 ** 31 - 1 })
  await things.createIndex({ serial: 1 }, { name: 'serial' })
  const { collections } = await readCollections(source)
  const tally = await copyDocuments({
    source,
    target,
    collections,
    isLast: true,
    signal: never,
    onProgress,
  })
  assert.deepEqual(tally.leftOut, [
    'index ttl of iot.things: Index option "expireAfterSeconds" is not implemented yet',
  ])
  const indexes = await target.db('iot').collection('things').indexes()
  assert.deepEqual(
    indexes.map(({ name }) => name),
    ['_id_', 'serial'],
  )
  const [compared] = await Array.fromAsync(compareDocuments(source, target, collections))
  assert.equal(compared?.difference, 'index ttl is not the same at the target')
})

test('fields whose names are numbers keep their order', () => {
  const raw = BSON.serialize(
    new Map<string, unknown>([
      ['b', 1],
      [
        '10',
        [
          new Map([
            ['2', 1],
            ['1', 2],
          ]),
        ],
      ],
    ]),
  )
  const document = exactDocument(raw)
  assert.ok(document)
  assert.deepEqual(BSON.serialize(document), raw)
})

test('documents of somebody else at the target are not touched', async () => {
  await using sides = await start({ mongodb: true })
  await using others = await start({ mongodb: true })
  await using source = await MongoClient.connect(sides.mongodb.url)
  await using target = await MongoClient.connect(others.mongodb.url)
  await source.db('iot').collection('things').insertOne({ a: 1 })
  await target.db('iot').collection('things').insertOne({ b: 1 })
  const { collections } = await readCollections(source)
  await assert.rejects(
    copyDocuments({ source, target, collections, isLast: true, signal: never, onProgress }),
    { code: 'KHLONG_MIRROR_COLLECTION', message: /^collection iot\.things has documents/ },
  )
})
