import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decimal128, type Document, Long } from 'mongodb'
import { startServer } from './helpers.ts'

// An object with a field of this name looks like a promise to linters.
const THEN = 'then'

const frames: Document[] = Array.from({ length: 6 }, (_, index) => ({
  _id: index as never,
  sensor: `s${index % 2}`,
  at: new Date(Date.UTC(2026, 0, 31, 8, index * 3, 5)),
  payload: { temperature: index * 1.5, humidity: index },
  tags: ['a', 'b', 'c'].slice(0, index % 3),
}))

/** A pipeline and what comes of it, or the code of the error. */
const pipelines: readonly [Document[], unknown][] = [
  [
    [
      {
        $group: {
          _id: '$sensor',
          n: { $sum: 1 },
          avg: { $avg: '$payload.temperature' },
          least: { $min: '$_id' },
          most: { $max: '$_id' },
        },
      },
      { $sort: { _id: 1 } },
    ],
    [
      { _id: 's0', n: 3, avg: 3, least: 0, most: 4 },
      { _id: 's1', n: 3, avg: 4.5, least: 1, most: 5 },
    ],
  ],
  [[{ $match: { sensor: 's1' } }, { $count: 'n' }], [{ n: 3 }]],
  [
    [{ $unwind: '$tags' }, { $sortByCount: '$tags' }],
    [
      { _id: 'a', count: 4 },
      { _id: 'b', count: 2 },
    ],
  ],
  [
    [
      { $match: { _id: { $lt: 2 } } },
      { $unwind: { path: '$tags', preserveNullAndEmptyArrays: true, includeArrayIndex: 'i' } },
      { $project: { tags: 1, i: 1 } },
    ],
    [
      { _id: 0, i: null },
      { _id: 1, tags: 'a', i: 0 },
    ],
  ],
  [
    [{ $sort: { _id: -1 } }, { $skip: 1 }, { $limit: 2 }, { $project: { _id: 1 } }],
    [{ _id: 4 }, { _id: 3 }],
  ],
  [
    [
      { $match: { _id: 1 } },
      { $addFields: { 'payload.x': { $add: ['$payload.humidity', 1] } } },
      { $replaceRoot: { newRoot: '$payload' } },
    ],
    [{ temperature: 1.5, humidity: 1, x: 2 }],
  ],
  [
    [
      {
        $group: {
          _id: { $dateTrunc: { date: '$at', unit: 'minute', binSize: 5 } },
          ids: { $push: '$_id' },
        },
      },
      { $project: { _id: 0, ids: 1 } },
    ],
    [{ ids: [0, 1] }, { ids: [2, 3] }, { ids: [4] }, { ids: [5] }],
  ],
  [
    [
      { $match: { _id: 0 } },
      { $lookup: { from: 'frames', localField: 'sensor', foreignField: 'sensor', as: 'same' } },
      { $project: { n: { $size: '$same' } } },
    ],
    [{ _id: 0, n: 3 }],
  ],
  [
    [
      {
        $facet: {
          count: [{ $count: 'n' }],
          last: [{ $sort: { _id: -1 } }, { $limit: 1 }, { $project: { _id: 1 } }],
        },
      },
    ],
    [{ count: [{ n: 6 }], last: [{ _id: 5 }] }],
  ],
  [
    [
      {
        $group: {
          _id: null,
          first: { $first: '$_id' },
          last: { $last: '$_id' },
          set: { $addToSet: '$sensor' },
        },
      },
    ],
    [{ _id: null, first: 0, last: 5, set: ['s0', 's1'] }],
  ],
  [
    [
      { $match: { _id: { $lt: 2 } } },
      {
        $lookup: {
          from: 'frames',
          let: { id: '$_id' },
          pipeline: [{ $match: { $expr: { $lt: ['$_id', '$$id'] } } }, { $project: { _id: 1 } }],
          as: 'before',
        },
      },
      { $project: { before: 1 } },
    ],
    [
      { _id: 0, before: [] },
      { _id: 1, before: [{ _id: 0 }] },
    ],
  ],
  [
    [
      { $match: { _id: 1 } },
      {
        $lookup: {
          from: 'frames',
          localField: 'sensor',
          foreignField: 'sensor',
          pipeline: [{ $count: 'n' }],
          as: 'same',
        },
      },
      { $project: { same: 1 } },
    ],
    [{ _id: 1, same: [{ n: 3 }] }],
  ],
  [[{ $lookup: { from: 'x', as: 'y', pipeline: [{ $nope: 1 }] } }], 40324],
  [[{ $lookup: { from: 'x', as: 'y' } }], 9],
  [[{ $sample: { size: 4 } }, { $count: 'n' }], [{ n: 4 }]],
  [[{ $nope: 1 }], 40324],
  [[{ $project: { a: { $nope: 1 } } }], 168],
  [[{ $match: 5 }], 15959],
  [[{ $limit: 0 }], 15958],
  [[{ $group: { n: { $sum: 1 } } }], 15955],
  [[{ $group: { _id: 1, n: { $nope: 1 } } }], 15952],
  [[{ $out: 'x' }], 238],
  [[{ $changeStream: {} }], 40573],
]

test('pipelines give what MongoDB gives', async (t) => {
  const { db } = await startServer(t)
  await db.collection('frames').insertMany(frames)
  for (const [pipeline, expected] of pipelines) {
    const run = () => db.collection('frames').aggregate(pipeline).toArray()
    if (typeof expected === 'number')
      await assert.rejects(run, { code: expected }, JSON.stringify(pipeline))
    else assert.deepEqual(await run(), expected, JSON.stringify(pipeline))
  }
})

/** An expression over `{n: 5, long: 7, text: 'Hello', at: …, list: [3, 1, 2]}` and its value. */
const expressions: readonly [unknown, unknown][] = [
  [{ $add: ['$n', 1.5] }, 6.5],
  [{ $subtract: ['$at', 1_000] }, new Date(Date.UTC(2026, 0, 31, 8, 0, 4))],
  [{ $divide: ['$n', 2] }, 2.5],
  [{ $mod: [-7, 3] }, -1],
  [{ $multiply: ['$long', 2] }, 14],
  [{ $round: [2.5, 0] }, 2],
  [{ $trunc: 2.7 }, 2],
  [{ $abs: -4 }, 4],
  [{ $pow: [2, 10] }, 1024],
  [{ $cmp: ['$n', 7] }, -1],
  [{ $and: [1, '$missing'] }, false],
  [{ $ifNull: ['$missing', 'x'] }, 'x'],
  [
    { $switch: { branches: [{ case: { $gt: ['$n', 9] }, [THEN]: 'big' }], default: 'small' } },
    'small',
  ],
  [{ $concat: ['$text', '!'] }, 'Hello!'],
  [{ $toUpper: '$text' }, 'HELLO'],
  [{ $substrCP: ['$text', 1, 3] }, 'ell'],
  [{ $split: ['a-b', '-'] }, ['a', 'b']],
  [{ $trim: { input: '  x ' } }, 'x'],
  [{ $regexMatch: { input: '$text', regex: '^h', options: 'i' } }, true],
  [{ $year: '$at' }, 2026],
  [{ $dayOfWeek: '$at' }, 7],
  [{ $hour: { date: '$at', timezone: 'Asia/Bangkok' } }, 15],
  [{ $dateToString: { date: '$at', format: '%Y-%m-%dT%H:%M:%S.%LZ' } }, '2026-01-31T08:00:05.000Z'],
  [
    { $dateAdd: { startDate: '$at', unit: 'month', amount: 1 } },
    new Date(Date.UTC(2026, 1, 28, 8, 0, 5)),
  ],
  [{ $dateDiff: { startDate: '$at', endDate: new Date(Date.UTC(2026, 1, 2)), unit: 'day' } }, 2],
  [{ $size: '$list' }, 3],
  [{ $arrayElemAt: ['$list', -1] }, 2],
  [{ $in: [2, '$list'] }, true],
  [{ $map: { input: '$list', in: { $multiply: ['$$this', 2] } } }, [6, 2, 4]],
  [{ $filter: { input: '$list', as: 'x', cond: { $gt: ['$$x', 1] } } }, [3, 2]],
  [{ $reduce: { input: '$list', initialValue: 0, in: { $add: ['$$value', '$$this'] } } }, 6],
  [{ $sum: '$list' }, 6],
  [{ $max: '$list' }, 3],
  [{ $slice: ['$list', 1, 1] }, [1]],
  [{ $range: [0, 3] }, [0, 1, 2]],
  [{ $mergeObjects: [{ a: 1 }, { b: 2 }] }, { a: 1, b: 2 }],
  [{ $objectToArray: { a: 1 } }, [{ k: 'a', v: 1 }]],
  [{ $toInt: '12' }, 12],
  [{ $toString: '$n' }, '5'],
  [{ $toDate: '2026-01-31T08:00:05Z' }, new Date(Date.UTC(2026, 0, 31, 8, 0, 5))],
  [{ $type: '$long' }, 'long'],
  [{ $convert: { input: 'x', to: 'int', onError: 0 } }, 0],
  [{ $literal: '$n' }, '$n'],
  [{ $let: { vars: { x: 2 }, in: { $multiply: ['$$x', '$n'] } } }, 10],
]

test('expressions give what MongoDB gives', async (t) => {
  const { db } = await startServer(t)
  await db.collection('one').insertOne({
    n: 5,
    long: Long.fromNumber(7),
    text: 'Hello',
    at: new Date(Date.UTC(2026, 0, 31, 8, 0, 5)),
    list: [3, 1, 2],
  })
  for (const [expression, expected] of expressions) {
    const [result] = await db
      .collection('one')
      .aggregate([{ $project: { _id: 0, result: expression } }])
      .toArray()
    assert.deepEqual(result, { result: expected }, JSON.stringify(expression))
  }
})

test('sums take the widest type', async (t) => {
  const { db } = await startServer(t)
  const sums = db.collection('sums')
  await sums.insertMany([
    { a: 2_147_483_647, b: 0.1, c: 1 },
    { a: 1, b: 0.2, c: Decimal128.fromString('1.10') },
  ])
  const [sum] = await sums
    .aggregate(
      [{ $group: { _id: null, a: { $sum: '$a' }, b: { $sum: '$b' }, c: { $sum: '$c' } } }],
      { promoteLongs: false },
    )
    .toArray()
  assert.deepEqual(sum?.a, Long.fromNumber(2_147_483_648))
  assert.equal(sum?.c.toString(), '2.10')
})

test('variables of let are seen in filters and pipelines', async (t) => {
  const { db } = await startServer(t)
  await db.collection('frames').insertMany(frames)
  const found = db
    .collection('frames')
    .find({ $expr: { $gt: ['$payload.humidity', '$$least'] } }, { let: { least: 3 } })
  assert.deepEqual(
    (await found.toArray()).map(({ _id }) => Number(_id)),
    [4, 5],
  )
  const [count] = await db
    .collection('frames')
    .aggregate([{ $match: { $expr: { $eq: ['$sensor', '$$name'] } } }, { $count: 'n' }], {
      let: { name: 's0' },
    })
    .toArray()
  assert.deepEqual(count, { n: 3 })
})
