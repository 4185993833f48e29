import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Admin,
  Consumer,
  FetchIsolationLevels,
  MessagesStreamModes,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { startBroker } from '../helpers.ts'

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)
  test(`@platformatic/kafka sends and reads ${compression} records with the newest versions`, async (t) => {
    const { address } = await startBroker(t)
    const base = { clientId: 'test', bootstrapBrokers: [address], retries: 1 }
    const admin = new Admin(base)
    await admin.createTopics({ topics: ['frames'], partitions: 2 })
    const producer = new Producer({
      ...base,
      idempotent: compression === 'none',
      serializers: stringSerializers,
      compression,
    })
    await producer.send({
      messages: Array.from({ length: 20 }, (_, index) => ({
        topic: 'frames',
        key: `${index}`,
        value: `value ${index}`.repeat(20),
      })),
    })
    const consumer = new Consumer({
      ...base,
      groupId: 'readers',
      deserializers: stringDeserializers,
    })
    const stream = await consumer.consume({
      topics: ['frames'],
      mode: MessagesStreamModes.EARLIEST,
      autocommit: true,
    })
    const keys = new Set<string>()
    for await (const message of stream) {
      keys.add(String(message.key))
      if (keys.size === 20) break
    }
    assert.equal(keys.size, 20)
    await consumer.close(true)
    await producer.close()
    await admin.close()
  })

test('@platformatic/kafka commits and aborts transactions, and reads what is committed', async (t) => {
  const { address } = await startBroker(t)
  const base = { clientId: 'test', bootstrapBrokers: [address], retries: 3 }
  const admin = new Admin(base)
  await admin.createTopics({ topics: ['out'], partitions: 1 })
  const producer = new Producer({
    ...base,
    idempotent: true,
    transactionalId: 'tx',
    serializers: stringSerializers,
  })
  // One that is aborted: of several in one answer this client forgets all but the last.
  for (let round = 0; round < 3; round++) {
    const transaction = await producer.beginTransaction()
    await transaction.send({ messages: [{ topic: 'out', key: `${round}`, value: `${round}` }] })
    if (round % 2 === 0) await transaction.commit()
    else await transaction.abort()
  }
  await producer.close()
  const consumer = new Consumer({
    ...base,
    groupId: 'readers',
    isolationLevel: FetchIsolationLevels.READ_COMMITTED,
    deserializers: stringDeserializers,
  })
  const stream = await consumer.consume({ topics: ['out'], mode: MessagesStreamModes.EARLIEST })
  const keys: string[] = []
  for await (const message of stream) {
    keys.push(String(message.key))
    if (keys.length === 2) break
  }
  assert.deepEqual(keys, ['0', '2'])
  await consumer.close(true)
  await admin.close()
})
