import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '@khlong/kafka-client'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import type { FetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import { clientError } from '../src/errors.ts'
import { ScriptedBroker } from './scripted-broker.ts'
import { ScriptedGroup } from './scripted-group.ts'

const committed = 20

/** One record at every offset. */
async function startConsumer(
  t: { after(cleanUp: () => Promise<void>): void },
  assignor: string,
): Promise<{
  broker: ScriptedBroker
  consumer: Consumer
}> {
  const broker = await new ScriptedBroker().start(t as never)
  new ScriptedGroup(broker)
  broker.answers.set(ApiKey.offsetFetch, () => offsetsWith(0))
  broker.answers.set(ApiKey.fetch, (request: FetchRequest) => {
    const { fetchOffset } = request.topics[0]!.partitions[0]!
    const builder = new BatchBuilder({ baseOffset: fetchOffset })
    builder.append(null, `value ${fetchOffset}`)
    const high = { highWatermark: 1_000, lastStableOffset: 1_000, logStartOffset: 0 }
    const found = { partitionIndex: 0, ...high, abortedTransactions: [], records: builder.build() }
    return { responses: [{ topic: 't', partitions: [found] }] }
  })
  const consumer = new Consumer({
    'bootstrap.servers': broker.bootstrapServers,
    'group.id': 'g',
    'partition.assignment.strategy': assignor,
    'heartbeat.interval.ms': 5,
    'retry.backoff.ms': 1,
    'default.api.timeout.ms': 100,
  })
  t.after(() => consumer.close())
  return { broker, consumer }
}

const offsetsWith = (errorCode: number): object => ({
  groups: [
    {
      groupId: 'g',
      topics: [
        {
          name: 't',
          partitions: [{ partitionIndex: 0, committedOffset: committed, metadata: '', errorCode }],
        },
      ],
    },
  ],
})

async function firstOffset(consumer: Consumer, isReady: () => boolean): Promise<number> {
  for (;;)
    for (const { records } of await consumer.poll(1_000))
      if (isReady() && records[0]) return records[0].offset
}

for (const assignor of ['range', 'cooperative-sticky']) {
  test(`${assignor}: a partition whose listener failed is told of again, and read from where the group has committed`, async (t) => {
    const { consumer } = await startConsumer(t, assignor)
    const told: string[] = []
    consumer.subscribe(['t'], {
      onPartitionsAssigned: (partitions) => {
        told.push(partitions.map(({ topic, partition }) => `${topic}-${partition}`).join())
        if (told.length === 1)
          throw clientError('KAFKA_CLIENT_TIMEOUT', 'restoring took too long', { retriable: true })
      },
    })
    // What is read before the listener has taken the partition does not count.
    assert.equal(await firstOffset(consumer, () => told.length === 2), committed)
    assert.deepEqual(told, ['t-0', 't-0'])
  })

  test(`${assignor}: a partition whose committed offset could not be had is not read from elsewhere`, async (t) => {
    const { broker, consumer } = await startConsumer(t, assignor)
    const told: number[] = []
    let asked = 0
    const unstableUntilMs = performance.now() + 300
    broker.answers.set(ApiKey.offsetFetch, () => {
      asked++
      return offsetsWith(performance.now() < unstableUntilMs ? ErrorCode.unstableOffsetCommit : 0)
    })
    consumer.subscribe(['t'], {
      onPartitionsAssigned: (partitions) => {
        told.push(partitions.length)
      },
    })
    assert.equal(await firstOffset(consumer, () => true), committed)
    assert.deepEqual(told, [1])
    assert.ok(asked > 2, `${asked} times`)
  })
}
