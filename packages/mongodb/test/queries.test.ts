import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decimal128, type Document, Long } from 'mongodb'
import { startServer } from './helpers.ts'

type Thing = Document & { _id: number | string }

const things: Thing[] = [
  {
    _id: 1,
    a: 5,
    tags: ['x', 'y'],
    sub: { n: 1 },
    list: [
      { k: 1, v: 10 },
      { k: 2, v: 20 },
    ],
  },
  { _id: 2, a: Long.fromNumber(10), tags: ['y'], sub: { n: 2 }, list: [{ k: 1, v: 20 }] },
  { _id: 3, a: 7.5, tags: [], text: 'hello' },
  { _id: 4, a: Decimal128.fromString('7.5'), text: 'Help', nothing: null },
  { _id: 5, a: 'seven', sub: [{ n: 3 }, { n: 4 }] },
]

const filters: readonly [Document, number[]][] = [
  [{}, [1, 2, 3, 4, 5]],
  [{ a: 7.5 }, [3, 4]],
  [{ a: { $gt: 5 } }, [2, 3, 4]],
  [{ a: { $gte: 5, $lt: 8 } }, [1, 3, 4]],
  [{ a: { $ne: 7.5 } }, [1, 2, 5]],
  [{ a: { $in: [5, 'seven', 99] } }, [1, 5]],
  [{ a: { $nin: [5, 'seven'] } }, [2, 3, 4]],
  [{ tags: 'y' }, [1, 2]],
  [{ tags: ['x', 'y'] }, [1]],
  [{ tags: { $all: ['x', 'y'] } }, [1]],
  [{ tags: { $size: 0 } }, [3]],
  [{ 'tags.0': 'y' }, [2]],
  [{ 'sub.n': { $gte: 2 } }, [2, 5]],
  [{ 'sub.1.n': 4 }, [5]],
  [{ list: { $elemMatch: { k: 1, v: 20 } } }, [2]],
  [{ 'list.k': 1, 'list.v': 20 }, [1, 2]],
  [{ nothing: null }, [1, 2, 3, 4, 5]],
  [{ nothing: { $exists: true } }, [4]],
  [{ nothing: { $type: 'null' } }, [4]],
  [{ a: { $type: 'number' } }, [1, 2, 3, 4]],
  [{ text: /^hel/i }, [3, 4]],
  [{ text: { $regex: '^hel' } }, [3]],
  [{ text: { $not: /^hel/i } }, [1, 2, 5]],
  [{ a: { $mod: [5, 0] } }, [1, 2]],
  [{ $or: [{ a: 5 }, { text: 'hello' }] }, [1, 3]],
  [{ $and: [{ a: { $gt: 5 } }, { text: { $exists: false } }] }, [2]],
  [{ $nor: [{ a: { $gt: 5 } }, { a: 5 }] }, [5]],
  [{ $expr: { $gt: ['$sub.n', 1] } }, [2, 5]],
  [{ _id: { $in: [1, 4] }, a: { $exists: true } }, [1, 4]],
]

test('filters match what MongoDB matches, with and without indexes', async (t) => {
  const { db } = await startServer(t)
  const plain = db.collection<Thing>('plain')
  await plain.insertMany(things)
  const indexed = db.collection<Thing>('indexed')
  await indexed.insertMany(things)
  for (const key of ['a', 'tags', 'sub.n', 'text', 'nothing', 'list.k'])
    await indexed.createIndex({ [key]: 1 })
  await indexed.createIndex({ a: -1, text: 1 })
  for (const [filter, expected] of filters)
    for (const collection of [plain, indexed]) {
      const found = await collection.find(filter).sort({ _id: 1 }).toArray()
      assert.deepEqual(
        found.map(({ _id }) => _id),
        expected,
        `${collection.collectionName}: ${JSON.stringify(filter)}`,
      )
      assert.equal(await collection.countDocuments(filter), expected.length)
    }
})

test('sort, skip, limit and projection', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  await items.insertMany(things)
  const ids = async (sort: Document, index?: Document): Promise<unknown[]> => {
    if (index) await items.createIndex(index)
    return (
      await items
        .find()
        .sort(sort as never)
        .project({ _id: 1 })
        .toArray()
    ).map(({ _id }) => _id)
  }
  assert.deepEqual(await ids({ a: 1, _id: 1 }), [1, 3, 4, 2, 5])
  assert.deepEqual(await ids({ a: -1, _id: 1 }), [5, 2, 3, 4, 1])
  assert.deepEqual(await ids({ a: -1, _id: 1 }, { a: 1, _id: -1 }), [5, 2, 3, 4, 1])
  assert.deepEqual(await ids({ tags: 1, _id: 1 }), [3, 4, 5, 1, 2])
  const page = await items.find().sort({ _id: 1 }).skip(1).limit(2).toArray()
  assert.deepEqual(
    page.map(({ _id }) => _id),
    [2, 3],
  )
  const one = (projection: Document) => items.findOne({ _id: 1 }, { projection })
  assert.deepEqual(await one({ a: 1 }), { _id: 1, a: 5 })
  assert.deepEqual(await one({ _id: 0, 'sub.n': 1 }), { sub: { n: 1 } })
  assert.deepEqual(await one({ list: 0, tags: 0 }), { _id: 1, a: 5, sub: { n: 1 } })
  assert.deepEqual(await one({ 'list.v': 1 }), { _id: 1, list: [{ v: 10 }, { v: 20 }] })
  assert.deepEqual(await one({ list: { $slice: 1 }, a: 1 }), {
    _id: 1,
    a: 5,
    list: [{ k: 1, v: 10 }],
  })
  assert.deepEqual(await one({ list: { $elemMatch: { k: 2 } } }), {
    _id: 1,
    list: [{ k: 2, v: 20 }],
  })
  assert.deepEqual(await one({ twice: { $multiply: ['$a', 2] } }), { _id: 1, twice: 10 })
  await assert.rejects(one({ a: 1, list: 0 }), { code: 31254 })
})

test('distinct gives each value once, elements of arrays too', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<Thing>('things')
  await items.insertMany(things)
  assert.deepEqual(await items.distinct('tags'), ['x', 'y'])
  assert.deepEqual(await items.distinct('sub.n', { _id: { $gt: 1 } }), [2, 3, 4])
})

test('explain shows how indexes are used', async (t) => {
  const { db } = await startServer(t)
  const many = db.collection<Thing>('many')
  await many.insertMany(
    Array.from({ length: 500 }, (_, _id) => ({ _id, a: _id % 50, b: _id, c: [_id, -_id] })),
  )
  await many.createIndex({ a: 1, b: -1 })
  await many.createIndex({ c: 1 })
  const explain = async (filter: Document, sort?: Document): Promise<Document> => {
    const cursor = many.find(filter)
    if (sort) cursor.sort(sort as never)
    return cursor.explain('executionStats')
  }
  const byIndex = await explain({ a: 7, b: { $gt: 100 } }, { b: -1 })
  assert.equal(byIndex.queryPlanner.winningPlan.stage, 'FETCH')
  assert.equal(byIndex.queryPlanner.winningPlan.inputStage.indexName, 'a_1_b_-1')
  assert.deepEqual(byIndex.queryPlanner.winningPlan.inputStage.indexBounds, {
    a: ['[7, 7]'],
    b: ['[inf, 100)'],
  })
  assert.equal(byIndex.executionStats.nReturned, 8)
  assert.equal(byIndex.executionStats.totalKeysExamined, 8)
  const byId = await explain({ _id: 3 })
  assert.equal(byId.queryPlanner.winningPlan.stage, 'IDHACK')
  const scan = await explain({ b: 3 })
  assert.equal(scan.queryPlanner.winningPlan.stage, 'COLLSCAN')
  assert.equal(scan.executionStats.totalDocsExamined, 500)
  const sorted = await explain({ b: { $lt: 10 } }, { b: 1 })
  assert.equal(sorted.queryPlanner.winningPlan.stage, 'SORT')
  const multikey = await explain({ c: -5 })
  assert.equal(multikey.queryPlanner.winningPlan.inputStage.isMultiKey, true)
  assert.equal(multikey.executionStats.totalDocsExamined, 1)
  const either = await explain({ $or: [{ a: 7 }, { c: -7 }, { _id: 8 }] })
  assert.equal(either.queryPlanner.winningPlan.inputStage.stage, 'OR')
  assert.equal(either.executionStats.nReturned, 11)
  assert.equal(either.executionStats.totalDocsExamined, 11)
  const sum = await many
    .aggregate([{ $match: { a: 7 } }, { $group: { _id: null, n: { $sum: 1 } } }])
    .explain()
  assert.equal(sum.stages[0].$cursor.queryPlanner.winningPlan.inputStage.indexName, 'a_1_b_-1')
  await assert.rejects(many.find().hint('none').toArray(), { code: 2 })
  const hinted = await many.find({ a: 1 }).hint({ c: 1 }).explain('executionStats')
  assert.equal(hinted.queryPlanner.winningPlan.inputStage.indexName, 'c_1')
})

test('ranges, points and sorts give the same through an index as without', async (t) => {
  const { db } = await startServer(t)
  const values = [
    null,
    1,
    2.5,
    Long.fromNumber(3),
    'a',
    'ab',
    'b',
    true,
    false,
    new Date(5),
    [1, 'a'],
    [],
    { x: 1 },
    Decimal128.fromString('2.5'),
  ]
  const documents: Thing[] = []
  for (const a of values) for (const b of [1, 2, 3]) documents.push({ _id: documents.length, a, b })
  documents.push({ _id: 999, b: 1 })
  const plain = db.collection<Thing>('plain')
  const indexed = db.collection<Thing>('indexed')
  await plain.insertMany(documents)
  await indexed.insertMany(documents)
  await indexed.createIndex({ a: -1, b: 1 })
  await indexed.createIndex({ b: 1, a: 1 })
  const conditions: Document[] = [1, 2.5, 'a', 'ab', true, new Date(5), null, { x: 1 }].flatMap(
    (a) => [
      { a },
      { a: { $gt: a } },
      { a: { $gte: a }, b: { $lte: 2 } },
      { a: { $lt: a }, b: 1 },
      { a: { $lte: a } },
      { a: { $in: [a, 3] }, b: { $in: [1, 3] } },
    ],
  )
  for (const condition of conditions)
    for (const sort of [
      { b: 1, _id: 1 },
      { b: -1, _id: -1 },
    ]) {
      const read = async (collection: typeof plain): Promise<unknown[]> =>
        (
          await collection
            .find(condition)
            .sort(sort as never)
            .toArray()
        ).map(({ _id }) => _id)
      assert.deepEqual(await read(indexed), await read(plain), JSON.stringify(condition))
    }
})
