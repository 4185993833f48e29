import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongodbServer } from '@khlong/mongodb'
import { type Document, Double, Long, MongoClient } from 'mongodb'
import { startMongodbRelay } from '../../../tools/mongodb-relay.ts'
import { mapUriHosts } from '../src/connectors/mongodb/uri.ts'
import { stopsOf } from './helpers/stops.ts'
import { startWorker, type TestWorker } from './helpers/worker.ts'

const ids = 'com.mongodb.kafka.connect.sink.processor.id.strategy.'
const models = 'com.mongodb.kafka.connect.sink.writemodel.strategy.'

interface Started extends TestWorker {
  readonly uri: string
  readonly client: MongoClient
  sink(name: string, config?: Record<string, unknown>): Promise<void>
  /** Stops a connector once it took `count` records, so that they are written. */
  drain(name: string, count: number): Promise<void>
}

async function start(t: TestContext): Promise<Started> {
  const stops = stopsOf(t)
  const server = new MongodbServer({ listen: 0, data: await temporaryFolder(t) })
  stops.push(() => server.stop())
  await server.start()
  const uri = `mongodb://${server.addresses.mongodb}`
  const client = new MongoClient(uri)
  stops.push(() => client.close())
  const started = await startWorker(t, { hosts: { mongo: server.addresses.mongodb! } })
  return {
    ...started,
    uri,
    client,
    sink: (name, config = {}) =>
      started.create(name, {
        'connector.class': 'com.mongodb.kafka.connect.MongoSinkConnector',
        topics: 'frames',
        'connection.uri': 'mongodb://mongo:27017',
        database: 'iot',
        'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
        'value.converter.schemas.enable': false,
        ...config,
      }),
    drain: async (name, count) => {
      await eventually(() => assert.ok((started.worker.vitals().items[0]?.recordsIn ?? 0) >= count))
      await started.call('PUT', `/connectors/${name}/stop`)
    },
  }
}

/** Stands between a driver and a server, and cuts connections that write, or answers writes in its stead. */
class Cutter {
  address = ''
  cutsWrites = 0
  /** What writes are answered, one after another: a document, or nothing for ever. */
  readonly answers: (Document | 'nothing')[] = []

  static async start(t: TestContext, server: string): Promise<Cutter> {
    const cutter = new Cutter()
    const relay = await startMongodbRelay(server, (request) => {
      if (!request.includes('insert\0') && !request.includes('update\0')) return 'pass'
      const answer = cutter.answers.shift()
      if (answer !== undefined) return answer
      if (cutter.cutsWrites === 0) return 'pass'
      cutter.cutsWrites--
      return 'cut'
    })
    stopsOf(t).push(async () => relay.close())
    cutter.address = relay.address
    return cutter
  }
}

describe('the MongoDB sink', () => {
  test('ids of topic, partition and offset make a second delivery overwrite the first', async (t) => {
    const { call, client, drain, kafka, sink } = await start(t)
    kafka.put('frames', '{"id":"777","n":1,"x":1.5,"big":9007199254740993}', '{"id":"a"}')
    await sink('s', { 'document.id.strategy': `${ids}KafkaMetaDataStrategy`, collection: 'c' })
    await drain('s', 2)
    kafka.committed.clear()
    await call('PUT', '/connectors/s/resume')
    await drain('s', 4)
    const found = await client
      .db('iot')
      .collection('c')
      .find({}, { promoteValues: false })
      .sort({ _id: 1 })
      .toArray()
    assert.equal(found.length, 2)
    const [first] = found
    assert.equal(String(first?._id), 'frames#0#0')
    assert.ok(first?.n instanceof Long)
    assert.ok(first?.x instanceof Double)
    assert.equal(String(first?.big), '9007199254740993')
  })

  test('the default id is an ObjectId and the collection is named after the topic', async (t) => {
    const { client, drain, kafka, sink } = await start(t)
    kafka.put('frames', '{"n":1}', '{"_id":"own","n":2}')
    await sink('s')
    await drain('s', 2)
    const found = await client.db('iot').collection('frames').find().sort({ n: 1 }).toArray()
    assert.match(String(found[0]?._id), /^[0-9a-f]{24}$/)
    assert.equal(String(found[1]?._id), 'own')
  })

  test('options can be overridden for a topic', async (t) => {
    const { client, drain, kafka, sink } = await start(t)
    kafka.put('frames', '{"n":1}')
    kafka.put('other', '{"n":2}')
    await sink('s', {
      topics: 'frames,other',
      collection: 'all',
      'topic.override.other.collection': 'apart',
    })
    await drain('s', 2)
    assert.equal(await client.db('iot').collection('all').countDocuments(), 1)
    assert.equal(await client.db('iot').collection('apart').countDocuments(), 1)
  })

  test('a business key of the value decides what is replaced', async (t) => {
    const { client, drain, kafka, sink } = await start(t)
    kafka.put('frames', '{"id":"a","n":1}', '{"id":"a","n":2}', '{"id":"b","n":3}')
    await sink('s', {
      'document.id.strategy': `${ids}PartialValueStrategy`,
      'document.id.strategy.partial.value.projection.list': 'id',
      'document.id.strategy.partial.value.projection.type': 'AllowList',
      'writemodel.strategy': `${models}ReplaceOneBusinessKeyStrategy`,
    })
    await drain('s', 3)
    const found = await client.db('iot').collection('frames').find().sort({ id: 1 }).toArray()
    assert.deepEqual(
      found.map(({ id, n }) => [id, n]),
      [
        ['a', 2],
        ['b', 3],
      ],
    )
  })

  test('a null value deletes what the key names where that is asked for', async (t) => {
    const { call, client, drain, kafka, sink } = await start(t)
    const put = (value: string | null): void =>
      kafka.append({
        topic: 'frames',
        key: Buffer.from('{"_id":"a"}'),
        value: value === null ? null : Buffer.from(value),
        headers: [],
      })
    const count = (): Promise<number> => client.db('iot').collection('frames').countDocuments()
    put('{"n":1}')
    await sink('s', {
      'document.id.strategy': `${ids}ProvidedInKeyStrategy`,
      'delete.on.null.values': true,
      'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'key.converter.schemas.enable': false,
    })
    await drain('s', 1)
    assert.equal(await count(), 1)
    put(null)
    await call('PUT', '/connectors/s/resume')
    await drain('s', 2)
    assert.equal(await count(), 0)
  })

  test('a document that cannot be one becomes a dead letter, the others are written', async (t) => {
    const { client, drain, kafka, sink } = await start(t)
    kafka.put('frames', '{"n":1}', '"text"', '[1]', '{"n":2}')
    await sink('s', {
      'errors.tolerance': 'all',
      'errors.deadletterqueue.topic.name': 'letters',
      'errors.deadletterqueue.context.headers.enable': true,
    })
    await drain('s', 4)
    assert.equal(await client.db('iot').collection('frames').countDocuments(), 2)
    assert.deepEqual(
      kafka.records('letters').map(({ value }) => String(value)),
      ['"text"', '[1]'],
    )
  })

  test('a server that is away is waited for, and the connector says so', async (t) => {
    const stops = stopsOf(t)
    const folder = await temporaryFolder(t)
    const server = new MongodbServer({ listen: 0, data: folder })
    await server.start()
    const address = server.addresses.mongodb!
    await server.stop()
    const { create, kafka, worker } = await startWorker(t)
    kafka.put('frames', '{"n":1}')
    await create('s', {
      'connector.class': 'MongoSink',
      topics: 'frames',
      'connection.uri': `mongodb://${address}/?serverSelectionTimeoutMS=100`,
      database: 'iot',
    })
    await eventually(() => assert.match(worker.vitals().items[0]?.note ?? '', /ECONNREFUSED/))
    const again = new MongodbServer({ listen: address, data: folder })
    stops.push(() => again.stop())
    await again.start()
    await eventually(() => assert.equal(worker.vitals().items[0]?.recordsOut, 1))
    assert.equal(worker.vitals().items[0]?.state, 'running')
    assert.equal(worker.vitals().items[0]?.note, undefined)
  })

  test('a server that goes while it writes is waited for', async (t) => {
    const { client, sink, kafka, worker, uri } = await start(t)
    const cutter = await Cutter.start(t, new URL(uri).host)
    await sink('s', {
      'connection.uri': `mongodb://${cutter.address}/?serverSelectionTimeoutMS=1000`,
      collection: 'c',
    })
    kafka.put('frames', '{"n":1}')
    await eventually(() => assert.equal(worker.vitals().items[0]?.recordsOut, 1))
    cutter.cutsWrites = 3
    kafka.put('frames', '{"n":2}')
    await eventually(() => {
      assert.equal(worker.vitals().items[0]?.recordsOut, 2, worker.vitals().items[0]?.note)
    })
    assert.equal(cutter.cutsWrites, 0)
    assert.equal(await client.db('iot').collection('c').countDocuments({ n: 2 }), 1)
  })

  const troubles: Readonly<Record<string, Document>> = {
    'of no code': { ok: 0, errmsg: 'Unknown error: null' },
    'of its own inside': { ok: 0, errmsg: 'broken', code: 1 },
    'that it does not know': { ok: 0, errmsg: 'unknown', code: 8 },
    'of its end, by document': {
      ok: 1,
      n: 0,
      writeErrors: [{ index: 0, code: 11_600, errmsg: 'interrupted at shutdown' }],
    },
  }
  for (const [trouble, answer] of Object.entries(troubles))
    test(`a server that answers a write with an error ${trouble} is asked again`, async (t) => {
      const { client, sink, kafka, worker, uri } = await start(t)
      const cutter = await Cutter.start(t, new URL(uri).host)
      cutter.answers.push(answer, answer)
      await sink('s', { 'connection.uri': `mongodb://${cutter.address}/`, collection: 'c' })
      kafka.put('frames', '{"n":1}')
      await eventually(() => {
        const [item] = worker.vitals().items
        assert.equal(item?.recordsOut, 1, item?.note)
      })
      assert.equal(cutter.answers.length, 0)
      assert.equal(await client.db('iot').collection('c').countDocuments(), 1)
    })

  test('a server that takes a write and never answers is asked again on another connection', async (t) => {
    const { client, sink, kafka, worker, uri } = await start(t)
    const cutter = await Cutter.start(t, new URL(uri).host)
    cutter.answers.push('nothing')
    await sink('s', {
      'connection.uri': `mongodb://${cutter.address}/?socketTimeoutMS=200`,
      collection: 'c',
    })
    kafka.put('frames', '{"n":1}')
    await eventually(() => {
      const [item] = worker.vitals().items
      assert.equal(item?.recordsOut, 1, item?.note)
    })
    assert.equal(await client.db('iot').collection('c').countDocuments(), 1)
  })

  for (const isOrdered of [true, false])
    test(`of a batch${isOrdered ? ' in order' : ''} only the documents that the server refuses become dead letters`, async (t) => {
      const { client, drain, kafka, sink } = await start(t)
      const collection = client.db('iot').collection('c')
      await collection.createIndex({ serial: 1 }, { unique: true })
      const refused = ['{"serial":1,"n":2}', '{"serial":3,"n":5}']
      const written = ['{"serial":1,"n":1}', '{"serial":3,"n":3}', '{"serial":4,"n":4}']
      const last = '{"serial":6,"n":6}'
      kafka.put('frames', written[0]!, refused[0]!, written[1]!, written[2]!, refused[1]!, last)
      await sink('s', {
        collection: 'c',
        'bulk.write.ordered': isOrdered,
        'errors.tolerance': 'all',
        'errors.deadletterqueue.topic.name': 'letters',
      })
      await drain('s', 6)
      const found = await collection.find().sort({ n: 1 }).toArray()
      assert.deepEqual(
        found.map(({ n }) => n as number),
        [1, 3, 4, 6],
      )
      assert.deepEqual(
        kafka.records('letters').map(({ value }) => String(value)),
        refused,
      )
    })

  test('post processors change documents in the order of the chain', async (t) => {
    const { kafka, client, sink } = await start(t)
    const processor = 'com.mongodb.kafka.connect.sink.processor'
    kafka.append({
      topic: 'frames',
      key: Buffer.from('{"id":"a","secret":1}'),
      value: Buffer.from(
        '{"keep":{"in":1,"out":2},"list":[{"in":1,"out":2}],"drop":3,"empty":null}',
      ),
      headers: [],
      timestamp: 1_769_846_400_000,
    })
    await sink('s', {
      'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'key.converter.schemas.enable': false,
      collection: 'c',
      'document.id.strategy': `${processor}.id.strategy.FullKeyStrategy`,
      'post.processor.chain': [
        `${processor}.BlockListKeyProjector`,
        `${processor}.DocumentIdAdder`,
        `${processor}.NullFieldValueRemover`,
        `${processor}.AllowListValueProjector`,
        `${processor}.KafkaMetaAdder`,
        `${processor}.field.renaming.RenameByMapping`,
        `${processor}.field.renaming.RenameByRegex`,
      ].join(','),
      'key.projection.type': 'BlockList',
      'key.projection.list': 'secret',
      'value.projection.type': 'AllowList',
      'value.projection.list': 'keep.in,list.*',
      'field.renamer.mapping': '[{"oldName":"value.keep.in","newName":"within"}]',
      'field.renamer.regexp': '[{"regexp":"value\\\\.l.*","pattern":"^l","replace":"L"}]',
    })
    await eventually(async () =>
      assert.deepEqual(await client.db('iot').collection('c').find().toArray(), [
        {
          _id: { id: 'a' },
          keep: { within: 1 },
          'topic-partition-offset': 'frames-0-0',
          CREATE_TIME: 1_769_846_400_000,
          List: [{ in: 1, out: 2 }],
        },
      ]),
    )
  })

  test('a post processor that nobody knows, and a list that is none, are refused', async (t) => {
    const { call } = await startWorker(t)
    const { body } = await call('POST', '/connectors', {
      name: 's',
      config: {
        'connector.class': 'MongoSink',
        topics: 't',
        database: 'd',
        'post.processor.chain': 'com.example.Mine',
        'field.renamer.mapping': '[{"oldName":"a"}]',
      },
    })
    const { message } = body as { message: string }
    assert.match(message, /Class not found: com\.example\.Mine/)
    assert.match(message, /expected a JSON list of objects with oldName, newName/)
  })

  test('options of the Java connector that are not supported are refused by name', async (t) => {
    const { call } = await startWorker(t)
    const { status, body } = await call('POST', '/connectors', {
      name: 's',
      config: {
        'connector.class': 'MongoSink',
        topics: 't',
        database: 'd',
        'change.data.capture.handler': 'com.mongodb.X',
        'delete.on.null.values': true,
        'key.projection.type': 'none',
      },
    })
    assert.equal(status, 400)
    const { message } = body as { message: string }
    assert.match(message, /change\.data\.capture\.handler: not supported yet/)
    assert.match(message, /contains the following 1 error/)
    const deletes = await call('POST', '/connectors', {
      name: 's',
      config: {
        'connector.class': 'MongoSink',
        topics: 't',
        database: 'd',
        'delete.on.null.values': true,
      },
    })
    assert.match((deletes.body as { message: string }).message, /FullKeyStrategy or Partial/)
  })

  test('hosts of the address book replace those of a URI, one by one', () => {
    const resolve = (host: string): string => (host === 'mongo:27017' ? '127.0.0.1:1' : host)
    assert.equal(
      mapUriHosts('mongodb://u:p@mongo:27017,b:2/iot?x=1', resolve),
      'mongodb://u:p@127.0.0.1:1,b:2/iot?x=1',
    )
    assert.equal(mapUriHosts('mongodb+srv://x/y', resolve), 'mongodb+srv://x/y')
  })
})
