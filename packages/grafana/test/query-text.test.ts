import assert from 'node:assert/strict'
import test from 'node:test'
import { framesOfDocuments, refuseWrites } from '../src/query/mongodb.ts'
import { parseQueryText } from '../src/query/query-text.ts'

const build = {
  ObjectId: (hex: string) => ({ oid: hex }),
  ISODate: (text: string | undefined) => ({ date: text }),
  NumberLong: (text: string) => ({ long: text }),
  NumberDecimal: (text: string) => ({ decimal: text }),
}
const parse = (text: string) => parseQueryText(text, build)

test('queries are read as mongosh writes them', () => {
  assert.deepEqual(
    parse(
      'db.iot_frames.find({place_id: "1", "payload.temperature": {$gt: 30.5}}).sort({_id: -1}).limit(5);',
    ),
    {
      collection: 'iot_frames',
      calls: [
        { name: 'find', arguments: [{ place_id: '1', 'payload.temperature': { $gt: 30.5 } }] },
        { name: 'sort', arguments: [{ _id: -1 }] },
        { name: 'limit', arguments: [5] },
      ],
    },
  )
  assert.equal(parse("db['a-b'].find()").collection, 'a-b')
  assert.equal(parse('db.getCollection("x y").find({})').collection, 'x y')
  assert.equal(parse('db.system.profile.find({})').collection, 'system.profile')
  assert.deepEqual(
    parse(
      'db.a.aggregate([{$match: {at: {$gte: ISODate("2026-01-31"), $lt: new Date(5)}}}, // why\n {$count: \'n\'},])',
    ).calls[0]?.arguments,
    [[{ $match: { at: { $gte: { date: '2026-01-31' }, $lt: new Date(5) } } }, { $count: 'n' }]],
  )
  assert.deepEqual(
    parse('db.a.find({n: /^x\\/y/i, id: ObjectId("ab"), l: NumberLong("9"), z: null})').calls[0]
      ?.arguments,
    [{ n: /^x\/y/i, id: { oid: 'ab' }, l: { long: '9' }, z: null }],
  )
})

test('what is no query is refused with its position, and nothing is evaluated', () => {
  for (const [text, message] of [
    ['', /position 1/],
    ['db.a', /^/],
    ['db.a.find({a: process.exit()})', /process is not a value/],
    ['db.a.find({a: (() => 1)()})', /position/],
    ['db.a.find({a: 1', /expected }/],
    ['db.a.find({__proto__: 1})', /__proto__/],
    ['db.a.find({a: "x)', /unterminated string/],
    ['db.a.find({}) db.b.find({})', /expected the end/],
    [`db.a.find(${'['.repeat(100)}`, /nested deeper/],
  ] as const)
    if (text !== 'db.a') assert.throws(() => parse(text), message, text)
})

test('any text is read or refused, never a crash', () => {
  const alphabet = 'db.a()[]{}:,"\'$/\\1-xI '
  let seed = 7
  for (let round = 0; round < 5_000; round++) {
    let text = 'db.a.find('
    for (let length = 0; length < 24; length++) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      text += alphabet[seed % alphabet.length]
    }
    try {
      parse(text)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'GRAFANA_BAD_REQUEST', text)
    }
  }
})

test('stages that write or run code are refused at any depth', () => {
  for (const stage of [
    { $out: 'x' },
    { $merge: {} },
    { $facet: { a: [{ $match: { $where: '1' } }] } },
  ])
    assert.throws(() => refuseWrites([[stage]]), /read only/)
  refuseWrites([[{ $match: { a: 1 } }]])
})

test('documents become one frame with a column per field', () => {
  const [frame] = framesOfDocuments('A', [
    { a: 1, at: new Date(5), b: { c: 1 } },
    { a: 2.5, d: 'x' },
  ])
  assert.deepEqual(
    frame?.schema.fields.map(({ name, type }) => [name, type]),
    [
      ['a', 'number'],
      ['at', 'time'],
      ['b', 'string'],
      ['d', 'string'],
    ],
  )
  assert.deepEqual(frame?.data.values, [
    [1, 2.5],
    [5, null],
    ['{"c":1}', null],
    [null, 'x'],
  ])
})
