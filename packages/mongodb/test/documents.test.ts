import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decimal128, Double, Int32, Long, type MongoServerError, ObjectId } from 'mongodb'
import { startServer } from './helpers.ts'

test('documents come back as they were stored, in order of insertion', async (t) => {
  const { db } = await startServer(t)
  const things = db.collection<{ _id: number | string; n?: number }>('things')
  await things.insertMany([{ _id: 3, n: 1 }, { _id: 1 }, { _id: 'x', n: 2 }])
  assert.deepEqual(await things.find().toArray(), [
    { _id: 3, n: 1 },
    { _id: 1 },
    { _id: 'x', n: 2 },
  ])
})

test('int32, int64, double, Decimal128 and dates keep their types', async (t) => {
  const { client } = await startServer(t)
  const db = client.db('test', { promoteLongs: false, promoteValues: false })
  const types = db.collection('types')
  const stored = {
    _id: new ObjectId(),
    int: new Int32(5),
    long: Long.fromNumber(5),
    double: new Double(5),
    decimal: Decimal128.fromString('5.0'),
    date: new Date(1_769_846_400_000),
  }
  await types.insertOne(stored)
  assert.deepEqual(await types.findOne({}), stored)
})

test('an _id is unique, whatever numeric type it has', async (t) => {
  const { db } = await startServer(t)
  const things = db.collection<{ _id: number | Double }>('things')
  await things.insertOne({ _id: 1 })
  await assert.rejects(things.insertOne({ _id: new Double(1) }), (error: MongoServerError) => {
    assert.equal(error.code, 11000)
    assert.deepEqual(error.keyPattern, { _id: 1 })
    return true
  })
})

test('an unordered bulk goes on behind a duplicate, an ordered one stops', async (t) => {
  const { db } = await startServer(t)
  const ids = [1, 2, 2, 3].map((_id) => ({ _id }))
  const ordered = db.collection<{ _id: number }>('ordered')
  await assert.rejects(ordered.insertMany(ids), { code: 11000 })
  assert.equal(await ordered.estimatedDocumentCount(), 2)
  const unordered = db.collection<{ _id: number }>('unordered')
  await assert.rejects(unordered.insertMany(ids, { ordered: false }), { code: 11000 })
  assert.equal(await unordered.estimatedDocumentCount(), 3)
})

test('a bulk of upserts by _id inserts and then replaces', async (t) => {
  const { db } = await startServer(t)
  const frames = db.collection<{ _id: string; n: number }>('frames')
  const upserts = (n: number) =>
    Array.from({ length: 500 }, (_, index) => ({
      replaceOne: { filter: { _id: `t:0:${index}` }, replacement: { n }, upsert: true },
    }))
  const first = await frames.bulkWrite(upserts(1), { ordered: false })
  assert.equal(first.upsertedCount, 500)
  const second = await frames.bulkWrite(upserts(2), { ordered: false })
  assert.equal(second.modifiedCount, 500)
  assert.equal(await frames.estimatedDocumentCount(), 500)
  assert.deepEqual(await frames.findOne({ _id: 't:0:7' }), { _id: 't:0:7', n: 2 })
})

test('large results come in batches and nothing is lost between them', async (t) => {
  const { db } = await startServer(t)
  const many = db.collection<{ _id: number; text: string }>('many')
  await many.insertMany(Array.from({ length: 5_000 }, (_, _id) => ({ _id, text: 'x'.repeat(200) })))
  const found = await many.find({}, { batchSize: 700 }).toArray()
  assert.deepEqual(
    found.map(({ _id }) => _id),
    Array.from({ length: 5_000 }, (_, index) => index),
  )
})

test('what was acknowledged is there after a restart', async (t) => {
  const first = await startServer(t)
  await first.db.collection<{ _id: number }>('kept').insertMany([{ _id: 1 }, { _id: 2 }])
  await first.server.stop()
  const second = await startServer(t, { data: first.folder })
  assert.equal(await second.db.collection('kept').estimatedDocumentCount(), 2)
  assert.deepEqual(await second.db.collection('kept').find().toArray(), [{ _id: 1 }, { _id: 2 }])
})

test('a collection can be read while it is being made, and an index used while it is', async (t) => {
  const { db } = await startServer(t)
  for (let round = 0; round < 10; round++) {
    const items = db.collection<{ _id: number; n: number }>(`items${round}`)
    const read = async (): Promise<void> => {
      for (let attempt = 0; attempt < 5; attempt++) {
        const count = await items.estimatedDocumentCount()
        const found = await items.find({ n: { $gt: 0 } }).toArray()
        assert.ok(found.length >= count, `${found.length} found, ${count} counted`)
      }
    }
    const make = async (): Promise<void> => {
      await items.insertMany([
        { _id: 1, n: 1 },
        { _id: 2, n: 2 },
      ])
      await items.createIndex({ n: 1 })
      assert.equal((await items.find({ n: { $gt: 0 } }).toArray()).length, 2)
    }
    await Promise.all([make(), read(), read()])
    await Promise.all([items.drop(), read().catch(() => {})])
  }
})
