import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { test } from 'node:test'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeProducersResponse,
  encodeDescribeProducersRequest,
} from '@khlong/kafka-protocol/messages/describe-producers'
import {
  decodeDescribeTransactionsResponse,
  encodeDescribeTransactionsRequest,
} from '@khlong/kafka-protocol/messages/describe-transactions'
import {
  decodeListOffsetsResponse,
  encodeListOffsetsRequest,
} from '@khlong/kafka-protocol/messages/list-offsets'
import {
  decodeListTransactionsResponse,
  encodeListTransactionsRequest,
} from '@khlong/kafka-protocol/messages/list-transactions'
import {
  decodeWriteTxnMarkersResponse,
  encodeWriteTxnMarkersRequest,
} from '@khlong/kafka-protocol/messages/write-txn-markers'
import { dataFolder, startBroker } from '../helpers.ts'
import {
  committedOffset,
  createTopic,
  readAll,
  TransactionalClient,
} from '../transactional-client.ts'
import { Wire } from '../wire.ts'

test('a transaction is seen when it is committed, in all of its partitions, and never when it is aborted', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'out', 3)
  const client = new TransactionalClient(wire, 'tx')
  assert.equal(await client.init(), 0)
  assert.deepEqual(await client.add('out', [0, 1]), [0, 0])
  assert.deepEqual(
    await client.produce('out', [
      [0, ['a', 'b']],
      [1, ['c']],
    ]),
    [0, 0],
  )
  for (const partition of [0, 1])
    assert.deepEqual(await readAll(wire, 'out', partition), {
      values: [],
      offset: 0,
      lastStableOffset: 0,
    })
  assert.deepEqual((await readAll(wire, 'out', 0, false)).values, ['a', 'b'])
  assert.equal(await client.end(true), 0)
  assert.deepEqual((await readAll(wire, 'out', 0)).values, ['a', 'b'])
  assert.deepEqual((await readAll(wire, 'out', 1)).values, ['c'])
  assert.equal(await client.end(true), 0)
  assert.equal(await client.end(false), ErrorCode.invalidTxnState)
  assert.deepEqual(await client.add('out', [1, 2]), [0, 0])
  assert.deepEqual(
    await client.produce('out', [
      [1, ['x']],
      [2, ['y']],
    ]),
    [0, 0],
  )
  assert.equal(await client.end(false), 0)
  assert.deepEqual((await readAll(wire, 'out', 1)).values, ['c'])
  assert.deepEqual((await readAll(wire, 'out', 2)).values, [])
  assert.deepEqual((await readAll(wire, 'out', 1, false)).values, ['c', 'x'])
  wire.close()
})

test('every version of the transactional requests is understood', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'out', 1)
  for (let version = 0; version <= 5; version++) {
    const client = new TransactionalClient(wire, `tx-${version}`)
    assert.equal(await client.init({ version }), 0)
    assert.deepEqual(await client.add('out', [0], version), [0])
    assert.deepEqual(await client.produce('out', [[0, [`v${version}`]]]), [0])
    assert.equal(await client.addOffsets('group', Math.min(version, 4)), 0)
    const at = { version: Math.min(version, 4) }
    assert.equal(await client.commitOffset('group', 'out', 0, version, at), 0)
    assert.equal(await client.end(true, Math.min(version, 4)), 0)
    assert.equal(await committedOffset(wire, 'group', 'out', true), version)
  }
  assert.equal((await readAll(wire, 'out', 0)).values.length, 6)
  wire.close()
})

test('a producer of version 12 need not add its partitions, an older one must', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'out', 1)
  const client = new TransactionalClient(wire, 'tx')
  await client.init()
  const missing = [ErrorCode.invalidTxnState]
  assert.deepEqual(await client.produce('out', [[0, ['a']]], { version: 11 }), missing)
  assert.deepEqual(await client.produce('out', [[0, ['b']]], { version: 12 }), [0])
  assert.equal(await client.end(true), 0)
  assert.deepEqual((await readAll(wire, 'out', 0)).values, ['b'])
  const unnamed = [ErrorCode.transactionalIdAuthorizationFailed]
  assert.deepEqual(await client.produce('out', [[0, ['c']]], { transactionalId: null }), unnamed)
  await client.add('out', [0])
  assert.deepEqual(await client.produce('out', [[0, ['d']]]), [0])
  const outside = [ErrorCode.invalidTxnState]
  assert.deepEqual(await client.produce('out', [[0, ['e']]], { isTransactional: false }), outside)
  wire.close()
})

test('who says an id before there is one gets one all the same, as on Kafka', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'out', 1)
  const client = new TransactionalClient(wire, 'new')
  client.producerId = 0n
  client.producerEpoch = 0
  assert.equal(await client.init({ isExpected: true }), 0)
  assert.equal(client.producerEpoch, 0)
})

test('a newer producer aborts what the older one left open, and fences it', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'out', 1)
  const old = new TransactionalClient(wire, 'tx')
  await old.init()
  await old.add('out', [0])
  await old.produce('out', [[0, ['old']]])
  const young = new TransactionalClient(wire, 'tx')
  assert.equal(await young.init(), 0)
  assert.equal(young.producerId, old.producerId)
  assert.ok(young.producerEpoch > old.producerEpoch)
  assert.deepEqual(await old.produce('out', [[0, ['late']]]), [ErrorCode.invalidProducerEpoch])
  assert.deepEqual(await old.add('out', [0]), [ErrorCode.producerFenced])
  assert.deepEqual(await old.add('out', [0], 1), [ErrorCode.invalidProducerEpoch])
  assert.equal(await old.end(true), ErrorCode.producerFenced)
  assert.equal(await old.addOffsets('group'), ErrorCode.producerFenced)
  assert.equal(await old.init({ isExpected: true }), ErrorCode.producerFenced)
  await young.add('out', [0])
  await young.produce('out', [[0, ['young']]])
  assert.equal(await young.end(true), 0)
  assert.deepEqual((await readAll(wire, 'out', 0)).values, ['young'])
  // One that says who it is gets the next epoch; asked again, the same.
  const { producerEpoch } = young
  assert.equal(await young.init({ isExpected: true }), 0)
  assert.equal(young.producerEpoch, producerEpoch + 1)
  young.producerEpoch = producerEpoch
  assert.equal(await young.init({ isExpected: true }), 0)
  assert.equal(young.producerEpoch, producerEpoch + 1)
  wire.close()
})

test('while a producer is being replaced, what it writes is refused for its epoch', async (t) => {
  const { broker, address } = await startBroker(t)
  const wire = await Wire.open(address)
  const other = await Wire.open(address)
  t.after(() => {
    wire.close()
    other.close()
  })
  await createTopic(wire, 'a', 1)
  const older = new TransactionalClient(wire, 'id')
  assert.equal(await older.init(), 0)
  assert.deepEqual(await older.add('a', [0]), [0])
  assert.deepEqual(await older.produce('a', [[0, ['one']]]), [0])
  // No end of the older one's transaction can be written while the broker holds.
  await broker.hold(60_000)
  const replaced = new TransactionalClient(other, 'id').init()
  while ((await older.add('a', [0]))[0] !== ErrorCode.concurrentTransactions);
  const written = await older.produce('a', [[0, ['two']]])
  await broker.release()
  assert.deepEqual(written, [ErrorCode.invalidProducerEpoch])
  assert.equal(await replaced, 0)
})

test('offsets of a transaction count when it is committed, and are said to be unstable until then', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  await createTopic(wire, 'in', 1)
  const client = new TransactionalClient(wire, 'tx')
  await client.init()
  const notAdded = await client.commitOffset('group', 'in', 0, 1)
  assert.equal(notAdded, ErrorCode.invalidTxnState)
  for (const [offset, isCommit] of [
    [5, true],
    [9, false],
    [7, true],
  ] as const) {
    const before = await committedOffset(wire, 'group', 'in', true)
    assert.equal(await client.addOffsets('group'), 0)
    assert.equal(await client.commitOffset('group', 'in', 0, offset), 0)
    const unstable = await committedOffset(wire, 'group', 'in', true)
    assert.equal(unstable, -ErrorCode.unstableOffsetCommit)
    assert.equal(await committedOffset(wire, 'group', 'in', false), before)
    assert.equal(await client.end(isCommit), 0)
    assert.equal(await committedOffset(wire, 'group', 'in', true), isCommit ? offset : before)
  }
  const member = { memberId: 'gone', generationId: 3 }
  await client.addOffsets('group')
  const code = await client.commitOffset('group', 'in', 0, 1, member)
  assert.equal(code, ErrorCode.unknownMemberId)
  wire.close()
})

test('an open transaction, its offsets and its producer go on after a stop, and after a crash', async (t) => {
  const started = await startBroker(t)
  const wire = await Wire.open(started.address)
  await createTopic(wire, 'out', 2)
  const client = new TransactionalClient(wire, 'tx')
  await client.init()
  for (const isCommit of [true, false]) {
    await client.add('out', [0])
    await client.produce('out', [[0, [`${isCommit}`]]])
    await client.end(isCommit)
  }
  await client.add('out', [0, 1])
  await client.produce('out', [
    [0, ['open']],
    [1, ['open']],
  ])
  await client.addOffsets('group')
  await client.commitOffset('group', 'out', 0, 3)
  const crashed = dataFolder()
  cpSync(started.data, crashed, {
    recursive: true,
    filter: (file) => !/\.lock|owner/.test(file),
  })
  await started.broker.stop()
  wire.close()
  for (const data of [started.data, crashed]) {
    const again = await Wire.open((await startBroker(t, { data })).address)
    const same = new TransactionalClient(again, 'tx')
    same.producerId = client.producerId
    same.producerEpoch = client.producerEpoch
    same.sequences.set('out-0', 3).set('out-1', 1)
    assert.deepEqual((await readAll(again, 'out', 0)).values, ['true'])
    assert.deepEqual((await readAll(again, 'out', 1)).values, [])
    const unstable = await committedOffset(again, 'group', 'out', true)
    assert.equal(unstable, -ErrorCode.unstableOffsetCommit)
    assert.deepEqual(await same.produce('out', [[1, ['more']]]), [0])
    assert.equal(await same.end(true), 0)
    assert.deepEqual((await readAll(again, 'out', 0)).values, ['true', 'open'])
    assert.deepEqual((await readAll(again, 'out', 1)).values, ['open', 'more'])
    assert.equal(await committedOffset(again, 'group', 'out', true), 3)
    again.close()
  }
})

test('a transaction that takes too long is aborted, and its producer fenced', async (t) => {
  const { address } = await startBroker(t, {
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 20,
    'transaction.max.timeout.ms': 5_000,
  })
  const wire = await Wire.open(address)
  await createTopic(wire, 'out', 1)
  const client = new TransactionalClient(wire, 'tx')
  assert.equal(await client.init({ timeoutMs: 5_001 }), ErrorCode.invalidTransactionTimeout)
  assert.equal(await client.init({ timeoutMs: 1 }), 0)
  await client.add('out', [0])
  await client.produce('out', [[0, ['late']]])
  const deadline = Date.now() + 5_000
  for (
    let read = await readAll(wire, 'out', 0);
    read.offset < 2;
    read = await readAll(wire, 'out', 0)
  )
    assert.ok(Date.now() < deadline)
  assert.deepEqual((await readAll(wire, 'out', 0)).values, [])
  assert.equal(await client.end(true), ErrorCode.producerFenced)
  wire.close()
})

test('transactions and producers are listed and described, and a hanging one is aborted by an admin', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'out', 1)
  const client = new TransactionalClient(wire, 'tx')
  await client.init()
  await client.add('out', [0])
  await client.produce('out', [[0, ['a']]])
  const list = async (stateFilters: readonly string[], version = 1) => {
    const filters = { stateFilters, producerIdFilters: [], durationFilter: -1 }
    const reader = await wire.send(ApiKey.listTransactions, version, (writer) =>
      encodeListTransactionsRequest(writer, filters, version),
    )
    return decodeListTransactionsResponse(reader, version)
  }
  assert.deepEqual((await list([])).transactionStates, [
    { transactionalId: 'tx', producerId: client.producerId, transactionState: 'Ongoing' },
  ])
  assert.deepEqual((await list(['Empty'], 0)).transactionStates, [])
  assert.deepEqual((await list(['Odd'])).unknownStateFilters, ['Odd'])
  const reader = await wire.send(ApiKey.describeTransactions, 0, (writer) =>
    encodeDescribeTransactionsRequest(writer, { transactionalIds: ['tx', 'no'] }, 0),
  )
  const [known, unknown] = decodeDescribeTransactionsResponse(reader, 0).transactionStates
  assert.equal(known?.transactionState, 'Ongoing')
  assert.deepEqual(known?.topics, [{ topic: 'out', partitions: [0] }])
  assert.equal(unknown?.errorCode, ErrorCode.transactionalIdNotFound)
  const producers = async () => {
    const topics = [{ name: 'out', partitionIndexes: [0] }]
    const answer = await wire.send(ApiKey.describeProducers, 0, (writer) =>
      encodeDescribeProducersRequest(writer, { topics }, 0),
    )
    return decodeDescribeProducersResponse(answer, 0).topics[0]?.partitions[0]?.activeProducers[0]
  }
  const active = await producers()
  assert.deepEqual([active?.producerId, active?.currentTxnStartOffset], [client.producerId, 0])
  const answer = await wire.send(ApiKey.writeTxnMarkers, 1, (writer) =>
    encodeWriteTxnMarkersRequest(
      writer,
      {
        markers: [
          {
            producerId: client.producerId,
            producerEpoch: client.producerEpoch,
            transactionResult: false,
            coordinatorEpoch: 0,
            topics: [{ name: 'out', partitionIndexes: [0, 5] }],
          },
        ],
      },
      1,
    ),
  )
  const written = decodeWriteTxnMarkersResponse(answer, 1).markers[0]?.topics[0]?.partitions
  assert.deepEqual(
    written?.map(({ errorCode }) => errorCode),
    [0, ErrorCode.unknownTopicOrPartition],
  )
  assert.equal((await producers())?.currentTxnStartOffset, -1)
  assert.deepEqual((await readAll(wire, 'out', 0)).offset, 2)
  wire.close()
})

test('who reads committed records is told the last stable offset as the latest', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'out', 1)
  const client = new TransactionalClient(wire, 'tx')
  await client.init()
  await client.add('out', [0])
  await client.produce('out', [[0, ['a', 'b']]])
  const latest = async (isolationLevel: number, timestamp = -1): Promise<number | undefined> => {
    const topics = [{ name: 'out', partitions: [{ partitionIndex: 0, timestamp }] }]
    const reader = await wire.send(ApiKey.listOffsets, 7, (writer) =>
      encodeListOffsetsRequest(writer, { replicaId: -1, isolationLevel, topics }, 7),
    )
    return decodeListOffsetsResponse(reader, 7).topics[0]?.partitions[0]?.offset
  }
  assert.deepEqual([await latest(0), await latest(1)], [2, 0])
  assert.deepEqual([await latest(0, 0), await latest(1, 0)], [0, -1])
  await client.end(true)
  assert.deepEqual([await latest(0), await latest(1)], [3, 3])
  wire.close()
})

test('a transactional id that nobody uses is forgotten, and its producer is not known any more', async (t) => {
  const { broker, address, data } = await startBroker(t, {
    'transactional.id.expiration.ms': 1,
    'transaction.remove.expired.transaction.cleanup.interval.ms': 20,
  })
  const wire = await Wire.open(address)
  await createTopic(wire, 'out', 1)
  const used = new TransactionalClient(wire, 'used')
  await used.init()
  await used.add('out', [0])
  const unused = new TransactionalClient(wire, 'unused')
  await unused.init()
  const deadline = Date.now() + 5_000
  const gone = [ErrorCode.invalidProducerIdMapping]
  while ((await unused.end(true)) !== gone[0]) assert.ok(Date.now() < deadline)
  assert.deepEqual(await unused.add('out', [0]), gone)
  assert.deepEqual(await used.produce('out', [[0, ['a']]]), [0])
  wire.close()
  await broker.stop()
  const again = await Wire.open((await startBroker(t, { data })).address)
  const later = new TransactionalClient(again, 'unused')
  later.producerId = unused.producerId
  later.producerEpoch = unused.producerEpoch
  assert.equal(await later.end(true), gone[0])
  again.close()
})
