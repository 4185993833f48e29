import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, FakeClock, temporaryFolder } from '@khlong/core/testing'
import { type Document, MongoClient, type MongoServerError } from 'mongodb'
import { MongodbServer } from '../src/index.ts'
import { startServer } from './helpers.ts'

type Thing = Document & { _id: number | string }

test('a unique index refuses a second document with its key, on insert, update and creation', async (t) => {
  const { db } = await startServer(t)
  const users = db.collection<Thing>('users')
  await users.createIndex({ 'name.last': 1, age: -1 }, { unique: true })
  await users.insertMany([
    { _id: 1, name: { last: 'x' }, age: 5 },
    { _id: 2, name: { last: 'x' }, age: 6 },
  ])
  await assert.rejects(
    users.insertOne({ _id: 3, name: { last: 'x' }, age: 5 }),
    (error: MongoServerError) => {
      assert.equal(error.code, 11000)
      assert.deepEqual(error.keyPattern, { 'name.last': 1, age: -1 })
      assert.deepEqual(error.keyValue, { 'name.last': 'x', age: 5 })
      return true
    },
  )
  await assert.rejects(users.updateOne({ _id: 2 }, { $set: { age: 5 } }), { code: 11000 })
  await users.updateOne({ _id: 2 }, { $set: { other: 1 } })
  await assert.rejects(users.createIndex({ 'name.last': 1 }, { unique: true }), { code: 11000 })
  assert.equal((await users.indexes()).length, 2)
})

test('sparse and partial indexes leave documents out and are used only where that is right', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('items')
  await items.createIndex({ code: 1 }, { unique: true, sparse: true })
  await items.createIndex({ n: 1 }, { partialFilterExpression: { kind: 'big' } })
  await items.insertMany([
    { _id: 1 },
    { _id: 2 },
    { _id: 3, code: 'a', n: 1, kind: 'big' },
    { _id: 4, n: 1, kind: 'small' },
  ])
  assert.equal(await items.countDocuments({ code: null }), 3)
  assert.equal(await items.countDocuments({ n: 1 }), 2)
  assert.equal(await items.countDocuments({ n: 1, kind: 'big' }), 1)
  const plan = await items.find({ n: 1, kind: 'big' }).explain('queryPlanner')
  assert.equal(plan.queryPlanner.winningPlan.inputStage.indexName, 'n_1')
})

test('wrong and conflicting indexes are refused with the codes of MongoDB', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('items')
  await items.createIndex({ a: 1 }, { name: 'one' })
  await items.createIndex({ a: 1 }, { name: 'one' })
  await assert.rejects(items.createIndex({ b: 1 }, { name: 'one' }), { code: 86 })
  await assert.rejects(items.createIndex({ a: 1 }, { name: 'two' }), { code: 85 })
  await assert.rejects(items.createIndex({ a: 1 }, { name: 'one', unique: true }), { code: 85 })
  await assert.rejects(items.createIndex({ a: 'text' }), { code: 67 })
  await assert.rejects(items.createIndex({ a: 0 as never }), { code: 67 })
  await assert.rejects(items.dropIndex('none'), { code: 27 })
  await assert.rejects(items.dropIndex('_id_'), { code: 72 })
  await items.dropIndex('one')
  assert.deepEqual(
    (await items.indexes()).map(({ name }) => name),
    ['_id_'],
  )
  await items.insertOne({ _id: 1, x: [1, 2], y: [3, 4] })
  await assert.rejects(items.createIndex({ x: 1, y: 1 }), { code: 171 })
})

test('a table that was dropped is empty when it is used again', async (t) => {
  const { db } = await startServer(t)
  for (let round = 0; round < 3; round++) {
    const items = db.collection<Thing>(`items${round}`)
    await items.createIndex({ a: 1 })
    await items.insertMany([
      { _id: 1, a: round },
      { _id: 2, a: 9 },
    ])
    assert.deepEqual(await items.find({ a: { $lt: 9 } }).toArray(), [{ _id: 1, a: round }])
    await items.drop()
  }
})

test('an index is built while documents are written, and holds them all', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('items')
  await items.insertMany(Array.from({ length: 6_000 }, (_, _id) => ({ _id, n: _id })))
  const write = async (): Promise<void> => {
    for (let round = 0; round < 10; round++) {
      await items.insertMany(
        Array.from({ length: 20 }, (_, index) => ({ _id: `w${round}-${index}`, n: -1 })),
      )
      await items.updateMany({ _id: { $lt: 100 } }, { $inc: { n: 10_000 } })
      await items.deleteOne({ _id: 5_000 + round })
    }
  }
  await Promise.all([items.createIndex({ n: 1 }), items.createIndex({ n: 1 }), write()])
  assert.equal(await items.countDocuments({ n: -1 }), 200)
  assert.equal(await items.countDocuments({ n: { $gte: 100_000 } }), 100)
  const checked = await db.command({ validate: 'items' })
  assert.deepEqual(checked.errors, [])
  assert.equal(checked.keysPerIndex.n_1, checked.nrecords)
})

test('keys longer than the store takes are found, unique and sorted right', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('items')
  await items.createIndex({ text: 1 }, { unique: true })
  const long = 'x'.repeat(3_000)
  await items.insertMany([
    { _id: 1, text: `${long}b` },
    { _id: 2, text: `${long}a` },
    { _id: 3, text: 'short' },
  ])
  await assert.rejects(items.insertOne({ _id: 4, text: `${long}a` }), { code: 11000 })
  assert.deepEqual(
    (await items.find({ text: `${long}a` }).toArray()).map(({ _id }) => _id),
    [2],
  )
  assert.deepEqual(
    (await items.find({ text: { $gt: `${long}a` } }).toArray()).map(({ _id }) => _id),
    [1],
  )
  assert.deepEqual(
    (await items.find().sort({ text: 1 }).toArray()).map(({ _id }) => _id),
    [3, 2, 1],
  )
})

test('a TTL index deletes what has expired, at each pass', async (t) => {
  const clock = new FakeClock(Date.UTC(2026, 0, 1))
  const server = new MongodbServer({ listen: 0, data: await temporaryFolder(t) }, { clock })
  await server.start()
  const client = new MongoClient(`mongodb://${server.addresses.mongodb}`)
  t.after(async () => {
    await client.close()
    await server.stop()
  })
  const logs = client.db('test').collection<Thing>('logs')
  await logs.createIndex({ at: 1 }, { expireAfterSeconds: 100 })
  const ago = (seconds: number): Date => new Date(clock.nowMs() - seconds * 1000)
  await logs.insertMany([
    { _id: 1, at: ago(200) },
    { _id: 2, at: ago(10) },
    { _id: 3, at: 'never' },
    { _id: 4, at: [ago(5), ago(500)] },
    { _id: 5 },
  ])
  clock.advance(60_000)
  await eventually(async () => assert.equal(await logs.estimatedDocumentCount(), 3))
  assert.deepEqual(
    (await logs.find().toArray()).map(({ _id }) => _id),
    [2, 3, 5],
  )
})
