import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { peer } from '../../../../tools/peers.ts'
import { startServer } from '../helpers.ts'

const run = promisify(execFile)

const python = `
import sys, datetime, pymongo
from bson.decimal128 import Decimal128
from bson.int64 import Int64
client = pymongo.MongoClient(sys.argv[1], serverSelectionTimeoutMS=3000)
c = client.test.things
at = datetime.datetime(2026, 1, 31, 8)
assert c.insert_many([{'_id': i, 'long': Int64(i), 'd': Decimal128(str(i)), 'at': at} for i in range(1000)]).acknowledged
assert c.count_documents({'long': {'$gt': 499.5}}) == 500
assert c.find_one({'d': 7})['_id'] == 7
assert type(c.find_one({'_id': 7})['long']) is Int64
assert len(list(c.find(batch_size=99))) == 1000
r = c.bulk_write([pymongo.ReplaceOne({'_id': i}, {'y': i}, upsert=True) for i in range(995, 1005)])
assert (r.upserted_count, r.modified_count) == (5, 5), r
c.create_index([('long', 1), ('at', -1)])
plan = c.find({'long': 5}).sort('at', -1).explain()['queryPlanner']['winningPlan']
assert plan['inputStage']['indexName'] == 'long_1_at_-1', plan
assert list(c.aggregate([{'$group': {'_id': None, 'm': {'$max': '$long'}}}]))[0]['m'] == 994
try:
    c.insert_one({'_id': 1})
    raise AssertionError('a duplicate was taken')
except pymongo.errors.DuplicateKeyError as e:
    assert e.details['keyValue'] == {'_id': 1}
with client.start_session() as s:
    assert c.find_one({'_id': 1}, session=s)
assert c.with_options(write_concern=pymongo.WriteConcern(w=0)).insert_one({'_id': 'w0'}).acknowledged is False
assert c.find_one({'_id': 'w0'}) is not None
print('done', client.server_info()['version'])
`

test('PyMongo writes, reads, indexes and aggregates', async (t) => {
  const { url } = await startServer(t)
  const { stdout } = await run(peer('python'), ['-c', python, url], { timeout: 30_000 })
  assert.match(stdout, /^done/)
})

const shell = `
const c = db.getSiblingDB('test').things
c.insertMany([{_id: 1, x: Long('5')}, {_id: 2, x: Decimal128('5.5')}])
c.createIndex({x: 1})
c.updateOne({_id: 1}, {$set: {y: new Date(0)}})
print(EJSON.stringify({
  found: c.find({x: {$gte: 5}}).sort({x: -1}).toArray(),
  stage: c.find({x: 5}).explain().queryPlanner.winningPlan.inputStage.stage,
  count: c.stats().count,
  names: db.getSiblingDB('test').getCollectionNames(),
  databases: db.adminCommand({listDatabases: 1}).databases.map((d) => d.name),
  indexes: c.getIndexes().length,
  dropped: c.drop(),
}))
`

test('mongosh works on collections, indexes and statistics', async (t) => {
  const { url } = await startServer(t)
  const { stdout } = await run(peer('mongosh'), ['--quiet', '--norc', url, '--eval', shell], {
    timeout: 60_000,
  })
  assert.deepEqual(JSON.parse(stdout.trim().split('\n').at(-1)!), {
    found: [
      { _id: 2, x: { $numberDecimal: '5.5' } },
      { _id: 1, x: 5, y: { $date: '1970-01-01T00:00:00Z' } },
    ],
    stage: 'IXSCAN',
    count: 2,
    names: ['things'],
    databases: ['test'],
    indexes: 2,
    dropped: true,
  })
})
