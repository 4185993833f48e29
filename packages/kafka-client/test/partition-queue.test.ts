import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Compression, decodeRecords, readBatchHeader } from '@khlong/kafka-protocol/records'
import { PartitionQueue } from '../src/partition-queue.ts'
import { ProducerBatch } from '../src/producer-batch.ts'

function batchOf(values: readonly string[], settled: string[] = []): ProducerBatch {
  const batch = new ProducerBatch({
    topic: 't',
    partition: 0,
    compression: Compression.none,
    isTransactional: false,
    createdMs: 0,
    initialBytes: 256,
  })
  const receipt = {
    settle: (index: number, outcome: { error?: Error }, offset: number): void => {
      settled.push(`${values[index]} ${outcome.error ? 'failed' : offset}`)
    },
  }
  for (const [index, value] of values.entries())
    batch.append(null, value, undefined, 1_000 + index, receipt, index)
  return batch
}

test('batches that came back are sent again in the order of their sequences, one at a time', () => {
  const queue = new PartitionQueue('t', 0)
  for (const name of ['a', 'b', 'c']) {
    queue.open = batchOf([name])
    queue.roll()
  }
  const sent: ProducerBatch[] = []
  for (let sequence = 0; sequence < 3; sequence++) {
    const batch = queue.next(0, 5)!
    batch.stamp(1n, 0, sequence)
    queue.send(batch)
    sent.push(batch)
  }
  assert.equal(queue.next(0, 5), undefined)
  const [a, b, c] = sent as [ProducerBatch, ProducerBatch, ProducerBatch]
  for (const batch of [b, a, c]) {
    queue.land(batch)
    batch.attempts++
    queue.requeue(batch)
    assert.equal(queue.hasEarlier(c), true)
  }
  assert.deepEqual(queue.waiting, [a, b, c])
  assert.equal(queue.next(0, 5), a)
  queue.send(a)
  assert.equal(queue.next(0, 5), undefined, 'b waits until a is through')
  queue.land(a)
  assert.equal(queue.next(0, 5), b)
  queue.pausedUntilMs = 10
  assert.equal(queue.next(9, 5), undefined)
  assert.equal(queue.next(10, 5), b)
})

test('a stamp changes who sent the batch and keeps its checksum right', () => {
  const batch = batchOf(['a', 'b'])
  batch.stamp(77n, 3, 12)
  const header = readBatchHeader(batch.close())
  assert.equal(header.producerId, 77n)
  assert.equal(header.producerEpoch, 3)
  assert.equal(header.baseSequence, 12)
  assert.deepEqual(
    decodeRecords(batch.close()).map((record) => record.value?.toString()),
    ['a', 'b'],
  )
})

test('a batch that is split keeps order, receipts and the alignment of sequences', async () => {
  const settled: string[] = []
  const batch = batchOf(['a', 'b', 'c', 'd', 'e'], settled)
  batch.stamp(1n, 0, 40)
  let isDone = false
  const done = batch.done().then(() => {
    isDone = true
  })
  const [first, second] = batch.split()
  assert.deepEqual([first.sequence, second.sequence], [40, 43])
  assert.deepEqual([first.recordCount, second.recordCount], [3, 2])
  first.settle(undefined, 100, -1)
  await Promise.resolve()
  assert.equal(isDone, false)
  second.settle(new Error('no') as never, -1, -1)
  await done
  assert.deepEqual(settled, ['a 100', 'b 101', 'c 102', 'd failed', 'e failed'])
  second.settle(undefined, 5, -1)
  assert.equal(settled.length, 5)
})

test('sequences go on from 0 behind the last one, also in what is sent again', () => {
  const queue = new PartitionQueue('t', 0)
  for (const values of [['a', 'b'], ['c']]) {
    queue.open = batchOf(values)
    queue.roll()
    queue.send(queue.next(0, 5)!)
  }
  const [before, behind] = queue.inFlight as [ProducerBatch, ProducerBatch]
  before.stamp(1n, 0, 2 ** 31 - 1)
  behind.stamp(1n, 0, 1)
  assert.equal(queue.hasEarlier(behind), true)
  assert.equal(queue.hasEarlier(before), false)
  for (const batch of [behind, before]) {
    queue.land(batch)
    queue.requeue(batch)
  }
  assert.deepEqual(queue.waiting, [before, behind])
  const halves = before.split()
  assert.deepEqual(
    halves.map((half) => half.sequence),
    [2 ** 31 - 1, 0],
  )
  halves[1].stamp(1n, 0, halves[1].sequence)
  assert.equal(readBatchHeader(halves[1].close()).baseSequence, 0)
})
