import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { deserialize, serialize } from 'bson'
import fc from 'fast-check'
import { encodeDocument } from '../src/bson/encode.ts'
import { documentValue } from '../src/bson/value.ts'
import { planQuery } from '../src/query/plan.ts'
import { ScanStage } from '../src/query/scan.ts'
import { parseSort, sortKeyOf, sortStage } from '../src/query/sort.ts'
import { Catalog } from '../src/storage/catalog.ts'
import type { Collection } from '../src/storage/collection.ts'
import { StorageEngine } from '../src/storage/engine.ts'

const bson = (document: object): Buffer => Buffer.from(serialize(document))

const scalars = fc.constantFrom<unknown>(
  null,
  -1,
  0,
  1,
  1.5,
  2,
  3,
  '',
  'a',
  'ab',
  'b',
  true,
  new Date(1),
  Number.NaN,
)
const values = fc.oneof(
  { weight: 4, arbitrary: scalars },
  { weight: 1, arbitrary: fc.array(scalars, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.record({ x: scalars }, { requiredKeys: [] }) },
  {
    weight: 1,
    arbitrary: fc.array(fc.record({ x: scalars, y: scalars }, { requiredKeys: [] }), {
      maxLength: 3,
    }),
  },
)
const documents = fc.array(fc.record({ a: values, b: scalars, c: values }, { requiredKeys: [] }), {
  minLength: 1,
  maxLength: 25,
})

const paths = fc.constantFrom('a', 'b', 'c', 'a.x', 'a.y', 'c.x')
const conditions: fc.Arbitrary<unknown> = fc.oneof(
  scalars,
  fc
    .tuple(fc.constantFrom('$gt', '$gte', '$lt', '$lte', '$eq', '$ne'), scalars)
    .map(([operator, value]) => ({ [operator]: value })),
  fc.tuple(scalars, scalars).map(([low, high]) => ({ $gte: low, $lt: high })),
  fc.array(scalars, { maxLength: 3 }).map((list) => ({ $in: list })),
  fc.boolean().map((exists) => ({ $exists: exists })),
  fc.tuple(scalars, scalars).map(([low, high]) => ({ $elemMatch: { $gt: low, $lt: high } })),
  fc.constant({ $regex: '^a' }),
  fc.constantFrom([1, 2], []).map((list) => list),
)
const simple = fc
  .uniqueArray(fc.tuple(paths, conditions), { maxLength: 3, selector: ([path]) => path })
  .map((entries) => Object.fromEntries(entries))
const filters = fc.oneof(
  { weight: 4, arbitrary: simple },
  {
    weight: 1,
    arbitrary: fc
      .array(simple, { minLength: 1, maxLength: 3 })
      .map((branches) => ({ $or: branches })),
  },
  {
    weight: 1,
    arbitrary: fc
      .array(simple, { minLength: 1, maxLength: 2 })
      .map((branches) => ({ $and: branches })),
  },
)
const keys = fc.constantFrom<Record<string, 1 | -1>[]>(
  [{ a: 1 }],
  [{ a: -1, b: 1 }],
  [{ b: 1, a: 1 }],
  [{ 'a.x': 1, 'a.y': -1 }],
  [{ 'c.x': 1 }, { b: -1 }],
  [{ c: 1, b: -1 }],
)
const sorts = fc.constantFrom<Record<string, 1 | -1>>(
  { a: 1 },
  { a: -1, b: 1 },
  { b: 1 },
  { b: -1, a: 1 },
  { 'c.x': -1 },
  { b: 1, a: -1 },
)

function read(
  collection: Collection,
  filter: Buffer,
  sort: Record<string, 1 | -1>,
): { ids: number[]; keys: Buffer[] } {
  const fields = parseSort(documentValue(encodeDocument(sort)))
  const plan = planQuery(collection, { filter: documentValue(filter), sort: fields })
  const scan = new ScanStage(collection, plan, false)
  const stage = plan.sort.length > 0 ? sortStage(scan, plan.sort) : scan
  const found: Buffer[] = []
  for (let doc = stage.next(); Buffer.isBuffer(doc); doc = stage.next()) found.push(doc)
  stage.suspend()
  return {
    ids: found.map((doc) => Number(deserialize(doc)._id)),
    keys: found.map(sortKeyOf(fields)),
  }
}

test('an index changes how documents are found, never which ones or their order', async (t) => {
  let catalog: Catalog | undefined
  const engine = await StorageEngine.open(await temporaryFolder(t), {
    beforeCommit: () => catalog?.saveSizes() ?? (() => {}),
    onAbort: () => catalog?.reload(),
    onFailure: () => {},
  })
  t.after(() => engine.close())
  const state = new Catalog(engine)
  catalog = state
  await fc.assert(
    fc.asyncProperty(
      documents,
      fc.array(filters, { minLength: 8, maxLength: 8 }),
      keys,
      sorts,
      async (docs, queries, indexes, sort) => {
        await engine.write(() => {
          const [plain, indexed] = ['t.plain', 't.indexed'].map((name) => {
            const old = state.get(name)
            if (old) state.drop(old)
            return state.create(name)
          })
          for (const key of indexes) {
            const pattern = encodeDocument(key)
            const index = state.beginIndex(indexed!, {
              name: Object.keys(key).join('_'),
              keyPattern: pattern,
              isUnique: false,
              isSparse: false,
              partialFilter: undefined,
              expireAfterSeconds: undefined,
            })
            state.finishIndex(indexed!, index)
          }
          for (const [_id, doc] of docs.entries()) {
            plain!.insert(bson({ _id, ...doc }))
            indexed!.insert(bson({ _id, ...doc }))
          }
          for (const query of queries) {
            const filter = bson(query)
            const expected = read(plain!, filter, sort)
            const actual = read(indexed!, filter, sort)
            assert.deepEqual(
              [...actual.ids].sort(),
              [...expected.ids].sort(),
              JSON.stringify({ query, indexes }),
            )
            for (let at = 0; at < actual.keys.length; at++)
              assert.ok(
                actual.keys[at]!.equals(expected.keys[at]!),
                JSON.stringify({ query, indexes, sort }),
              )
          }
        })
      },
    ),
    { numRuns: 150 },
  )
})
