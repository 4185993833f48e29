import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Document, Int32, Long } from 'mongodb'
import { startServer } from './helpers.ts'

type Thing = Document & { _id: number | string }

/** A document, an update, and what is to come of it (or the code of the error). */
const cases: readonly [Document, Document, Document | number, Document?][] = [
  [{ a: 1 }, { $set: { b: 2, 'c.d': 3 } }, { a: 1, b: 2, c: { d: 3 } }],
  [{ a: [1, 2, 3] }, { $set: { 'a.1': 9, 'a.4': 5 } }, { a: [1, 9, 3, null, 5] }],
  [{ a: 1, b: 2 }, { $unset: { b: '' } }, { a: 1 }],
  [{ a: 1 }, { $inc: { a: 2, n: 5 } }, { a: 3, n: 5 }],
  [{ a: 1.5 }, { $mul: { a: 2, n: 5 } }, { a: 3, n: 0 }],
  [{ a: 'x' }, { $inc: { a: 1 } }, 14],
  [{ a: 5 }, { $min: { a: 3, b: 1 }, $max: { c: 2 } }, { a: 3, b: 1, c: 2 }],
  [{ a: 1, b: 2 }, { $rename: { a: 'c' } }, { b: 2, c: 1 }],
  [{ a: [1] }, { $push: { a: 2, b: 'x' } }, { a: [1, 2], b: ['x'] }],
  [{ a: [3] }, { $push: { a: { $each: [1, 2], $sort: 1, $slice: -2 } } }, { a: [2, 3] }],
  [{ a: [1, 2] }, { $push: { a: { $each: [9], $position: 0 } } }, { a: [9, 1, 2] }],
  [{ a: [1, 2] }, { $addToSet: { a: { $each: [2, 3] } } }, { a: [1, 2, 3] }],
  [{ a: [1, 2, 3] }, { $pop: { a: -1 } }, { a: [2, 3] }],
  [{ a: [1, 5, 9] }, { $pull: { a: { $gt: 4 } } }, { a: [1] }],
  [{ a: [{ k: 1 }, { k: 2 }] }, { $pull: { a: { k: 2 } } }, { a: [{ k: 1 }] }],
  [{ a: [1, 2, 1] }, { $pullAll: { a: [1] } }, { a: [2] }],
  [{ a: 5 }, { $push: { a: 1 } }, 2],
  [{ a: 1 }, { $set: { 'a.b': 1 } }, 28],
  [{ a: 1 }, { $set: { a: 1, 'a.b': 1 } }, 40],
  [{ a: 1 }, { $set: { _id: 99 } }, 66],
  [{ a: 1 }, { $nope: { a: 1 } }, 9],
  [
    {
      a: [
        { k: 1, v: 0 },
        { k: 2, v: 0 },
      ],
    },
    { $set: { 'a.$.v': 7 } },
    {
      a: [
        { k: 1, v: 0 },
        { k: 2, v: 7 },
      ],
    },
    { 'a.k': 2 },
  ],
  [{ a: [1, 2] }, { $inc: { 'a.$[]': 10 } }, { a: [11, 12] }],
]

test('update operators do what MongoDB does', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  for (const [before, update, expected, filter] of cases) {
    await items.deleteMany({})
    await items.insertOne({ _id: 1, ...before })
    const run = () => items.updateOne({ _id: 1, ...filter }, update)
    if (typeof expected === 'number') {
      await assert.rejects(run, { code: expected }, JSON.stringify(update))
      continue
    }
    await run()
    assert.deepEqual(
      await items.findOne({ _id: 1 }),
      { _id: 1, ...expected },
      JSON.stringify(update),
    )
  }
})

test('array filters choose elements', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  await items.insertOne({ _id: 1, a: [{ k: 1 }, { k: 5 }, { k: 9 }] })
  await items.updateOne(
    { _id: 1 },
    { $set: { 'a.$[big].x': true } },
    { arrayFilters: [{ 'big.k': { $gt: 4 } }] },
  )
  assert.deepEqual(await items.findOne(), {
    _id: 1,
    a: [{ k: 1 }, { k: 5, x: true }, { k: 9, x: true }],
  })
})

test('an upsert begins with what its filter holds to one value', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  const result = await items.updateOne(
    { _id: 7, kind: 'x', n: { $gt: 1 } },
    { $set: { a: 1 }, $setOnInsert: { b: 2 } },
    { upsert: true },
  )
  assert.equal(result.upsertedId, 7)
  assert.deepEqual(await items.findOne(), { _id: 7, kind: 'x', a: 1, b: 2 })
  await items.updateOne({ _id: 7 }, { $setOnInsert: { c: 3 } }, { upsert: true })
  assert.deepEqual(await items.findOne(), { _id: 7, kind: 'x', a: 1, b: 2 })
})

test('numbers keep the wider type in $inc', async (t) => {
  const { client } = await startServer(t)
  const items = client
    .db('test', { promoteValues: false, promoteLongs: false })
    .collection('things')
  await items.insertOne({ int: new Int32(2_147_483_647), long: Long.fromNumber(1) })
  await items.updateOne({}, { $inc: { int: new Int32(1), long: new Int32(1) } })
  const found = await items.findOne({}, { projection: { _id: 0 } })
  assert.deepEqual(found, { int: Long.fromNumber(2_147_483_648), long: Long.fromNumber(2) })
})

test('a pipeline updates from the document itself', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  await items.insertOne({ _id: 1, a: 2, b: 3 })
  await items.updateOne({ _id: 1 }, [{ $set: { sum: { $add: ['$a', '$b'] } } }, { $unset: 'b' }])
  assert.deepEqual(await items.findOne(), { _id: 1, a: 2, sum: 5 })
})

test('updateMany and deleteMany reach every match, through chunks too', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  await items.createIndex({ n: 1 })
  await items.insertMany(Array.from({ length: 2_500 }, (_, _id) => ({ _id, n: _id })))
  const updated = await items.updateMany({ n: { $gte: 0 } }, { $inc: { n: 10_000 } })
  assert.equal(updated.modifiedCount, 2_500)
  assert.equal(await items.countDocuments({ n: { $gte: 10_000 } }), 2_500)
  const deleted = await items.deleteMany({ n: { $lt: 11_000 } })
  assert.equal(deleted.deletedCount, 1_000)
  assert.equal(await items.estimatedDocumentCount(), 1_500)
  assert.equal((await db.command({ validate: 'things' })).valid, true)
})

test('one document among many is found without an index, and changed once', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('items')
  await items.insertMany(Array.from({ length: 6_000 }, (_, _id) => ({ _id, n: _id, done: false })))
  const take = () => items.updateOne({ n: { $gte: 5_990 }, done: false }, { $set: { done: true } })
  const taken = await Promise.all(Array.from({ length: 15 }, take))
  assert.equal(taken.filter(({ modifiedCount }) => modifiedCount === 1).length, 10)
  assert.equal(await items.countDocuments({ done: true }), 10)
  assert.equal((await items.deleteOne({ n: 3_000 })).deletedCount, 1)
  assert.equal(
    (await items.updateOne({ n: 3_000 }, { $set: { x: 1 } }, { upsert: true })).upsertedCount,
    1,
  )
})

test('findOneAndUpdate, findOneAndReplace and findOneAndDelete', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  await items.insertMany([
    { _id: 1, n: 5 },
    { _id: 2, n: 9 },
    { _id: 3, n: 1 },
  ])
  const first = await items.findOneAndUpdate(
    {},
    { $inc: { n: 1 } },
    { sort: { n: -1 }, returnDocument: 'after' },
  )
  assert.deepEqual(first, { _id: 2, n: 10 })
  assert.deepEqual(await items.findOneAndDelete({ n: { $lt: 3 } }), { _id: 3, n: 1 })
  assert.deepEqual(await items.findOneAndReplace({ _id: 1 }, { m: 1 }), { _id: 1, n: 5 })
  assert.deepEqual(
    await items.findOneAndUpdate(
      { _id: 8 },
      { $set: { x: 1 } },
      { upsert: true, returnDocument: 'after' },
    ),
    { _id: 8, x: 1 },
  )
  assert.equal(await items.findOneAndDelete({ _id: 99 }), null)
})
