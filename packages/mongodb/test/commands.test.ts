import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Document, MongoClient } from 'mongodb'
import { MongodbServer, resolveMongodbOptions } from '../src/index.ts'
import { startServer } from './helpers.ts'

test('collections are made, listed, renamed and dropped', async (t) => {
  const { db, client } = await startServer(t)
  await db.createCollection('b')
  await db.collection('a').insertOne({ x: 1 })
  assert.deepEqual(
    (await db.listCollections().toArray()).map(({ name }) => name),
    ['a', 'b'],
  )
  assert.deepEqual(await db.listCollections({ name: 'b' }, { nameOnly: true }).toArray(), [
    { name: 'b', type: 'collection' },
  ])
  await db.renameCollection('a', 'c')
  assert.equal(await db.collection('c').estimatedDocumentCount(), 1)
  await assert.rejects(db.renameCollection('c', 'b'), { code: 48 })
  await assert.rejects(db.renameCollection('none', 'x'), { code: 26 })
  await db.collection('b').drop()
  assert.deepEqual(
    (await client.db().admin().listDatabases()).databases.map(({ name }) => name),
    ['test'],
  )
  await db.dropDatabase()
  assert.deepEqual((await client.db().admin().listDatabases()).databases, [])
  await assert.rejects(db.collection('a$b').insertOne({}), { code: 73 })
})

test('what is not supported is refused by name', async (t) => {
  const { db, client } = await startServer(t)
  const refused: readonly [Document, number, RegExp][] = [
    [{ atlasVersion: 1 }, 59, /no such command: 'atlasVersion'/],
    [{ create: 'x', capped: true, size: 10 }, 238, /capped is not supported yet/],
    [{ create: 'x', timeseries: { timeField: 't' } }, 238, /timeseries is not supported yet/],
    [{ find: 'x', filter: { $where: '1' } }, 2, /\$where is not supported yet/],
    [{ find: 'x', filter: { a: { $nope: 1 } } }, 2, /unknown operator: \$nope/],
    [{ find: 'x', filter: { $nope: 1 } }, 2, /unknown top level operator/],
    [{ find: 'x', nope: 1 }, 40415, /BSON field 'find.nope' is an unknown field/],
    [{ find: 'x', filter: 5 }, 14, /wrong type/],
    [{ find: 'x', collation: { locale: 'th' } }, 238, /collation is not supported yet/],
    [{ insert: 'x', documents: [{}], writeConcern: { w: 3 } }, 2, /not replicated/],
    [{ getMore: 5n, collection: 'x' }, 43, /cursor id 5 not found/],
  ]
  for (const [command, code, message] of refused)
    await assert.rejects(
      db.command(command, { useBigInt64: true }),
      (error: Error & { code: number }) => {
        assert.equal(error.code, code, error.message)
        assert.match(error.message, message)
        return true
      },
    )
  const session = client.startSession()
  session.startTransaction()
  // The driver words our IllegalOperation anew.
  await assert.rejects(
    db.collection('x').insertOne({}, { session }),
    /does not support retryable writes/,
  )
  await session.abortTransaction().catch(() => {})
  await session.endSession()
})

test('what shells and tools ask first is answered', async (t) => {
  const { db, client } = await startServer(t)
  const admin = client.db('admin')
  for (const command of [
    { ping: 1 },
    { buildInfo: 1 },
    { hostInfo: 1 },
    { connectionStatus: 1, showPrivileges: true },
    { getParameter: 1, featureCompatibilityVersion: 1 },
    { getLog: 'startupWarnings' },
    { getCmdLineOpts: 1 },
    { serverStatus: 1 },
    { currentOp: 1 },
    { whatsmyuri: 1 },
    { listDatabases: 1 },
  ])
    assert.equal((await admin.command(command)).ok, 1, JSON.stringify(command))
  await db.collection('x').insertOne({ a: 'text' })
  assert.equal((await db.command({ dbStats: 1 })).objects, 1)
  assert.equal((await db.command({ collStats: 'x' })).count, 1)
  const [stats] = await db
    .collection('x')
    .aggregate([{ $collStats: { storageStats: {} } }])
    .toArray()
  assert.equal(stats?.storageStats.count, 1)
})

test('cursors end with killCursors and with their collection', async (t) => {
  const { db } = await startServer(t)
  const items = db.collection<{ _id: number }>('items')
  await items.insertMany(Array.from({ length: 300 }, (_, _id) => ({ _id })))
  const cursor = items.find({}, { batchSize: 10 })
  await cursor.next()
  await cursor.close()
  assert.equal((await db.admin().serverStatus()).metrics.cursor.open.total, 0)
  const orphan = items.find({}, { batchSize: 10 })
  await orphan.next()
  await items.drop()
  await assert.rejects(orphan.toArray(), { code: 175 })
})

test('users log in by SCRAM-SHA-256, and others get nothing where authorization is on', async (t) => {
  const { url } = await startServer(t, {
    'security.authorization': 'enabled',
    users: [{ user: 'devroot', pwd: 'dev,root=' }],
  })
  const open = async (credentials: string): Promise<unknown> => {
    const client = new MongoClient(url.replace('//', `//${credentials}`), {
      serverSelectionTimeoutMS: 2_000,
    })
    try {
      return (await client.db('test').collection('x').insertOne({ a: 1 })).acknowledged
    } finally {
      await client.close()
    }
  }
  assert.equal(await open(`devroot:${encodeURIComponent('dev,root=')}@`), true)
  await assert.rejects(open('devroot:wrong@'), { code: 18 })
  await assert.rejects(open('nobody:x@'), { code: 18 })
  await assert.rejects(open(''), { code: 13 })
})

test('settings are checked by name', () => {
  assert.equal(resolveMongodbOptions({ 'net.port': 5 }).address.port, 5)
  assert.throws(
    () => resolveMongodbOptions({ 'net.maxIncomingConnection': 5 }),
    /net\.maxIncomingConnections/,
  )
  assert.throws(
    () => resolveMongodbOptions({ 'replication.replSetName': 'x' }),
    /not supported yet/,
  )
  assert.throws(() => resolveMongodbOptions({ listen: '0.0.0.0:27017' }), /security\.authorization/)
  assert.throws(() => resolveMongodbOptions({ 'security.authorization': 'enabled' }), /users/)
})

test('a data folder has one owner, and metrics and vitals tell what happened', async (t) => {
  const { server, db, folder } = await startServer(t)
  await assert.rejects(new MongodbServer({ listen: 0, data: folder }).start(), {
    code: 'DATA_FOLDER_IN_USE',
  })
  await db.collection('frames').insertMany([{}, {}])
  await db.collection('frames').updateMany({}, { $set: { a: 1 } })
  const { recordsIn, items } = server.vitals()
  assert.equal(recordsIn, 4)
  assert.equal(items[0]?.name, 'test.frames')
  assert.equal(items[0]?.recordsIn, 4)
  assert.match(server.metrics(), /^mongodb_ss_opcounters\{legacy_op_type="insert"\} 2$/m)
})

test('a server starts again after a stop, and one that cannot listen leaves nothing open', async (t) => {
  const { server, client, folder } = await startServer(t)
  await client.db('test').collection('x').insertOne({})
  await client.close()
  await server.stop()
  await server.start()
  const taken = server.addresses.mongodb!
  const other = await startServer(t)
  await other.server.stop()
  const late = new MongodbServer({ listen: taken, data: other.folder })
  await assert.rejects(late.start(), { code: 'LISTEN_TAKEN' })
  await server.stop()
  await late.start()
  await late.stop()
  assert.notEqual(other.folder, folder)
})
