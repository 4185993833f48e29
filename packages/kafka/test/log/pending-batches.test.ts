import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchBuilder, readBatchHeader } from '@khlong/kafka-protocol/records'
import type { PendingBatch } from '../../src/log/pending-batch.ts'
import { PendingBatches } from '../../src/log/pending-batches.ts'

const full = new Error('ENOSPC')

function batch(order: number, isOwed = false): PendingBatch {
  const builder = new BatchBuilder({})
  builder.append(null, `value ${order}`, [], 0)
  const bytes = builder.build()
  const header = readBatchHeader(bytes)
  return { header, bytes, order, snapshot: undefined, ended: undefined, isOwed }
}

const ordersOf = (batches: readonly PendingBatch[]): number[] => batches.map(({ order }) => order)

test('what the journal holds goes first the next time, in memory of its own', () => {
  const pending = new PendingBatches()
  const lent = batch(1, true)
  const text = lent.bytes.toString('hex')
  pending.add(lent)
  const taken = pending.take()
  assert.equal(pending.byteCount, 0)
  pending.add(batch(2))
  pending.putBack(taken, full)
  lent.bytes.fill(0)
  assert.equal(pending.failure, undefined)
  assert.ok(pending.isOwing)
  const again = pending.take()
  assert.deepEqual(ordersOf(again), [1, 2])
  assert.equal(again[0]!.bytes.toString('hex'), text)
  assert.ok(!pending.isOwing)
})

test('a log that lost a batch has nothing pending until it is read again, and then what the journal holds', () => {
  const pending = new PendingBatches()
  for (const one of [batch(1, true), batch(2)]) pending.add(one)
  const taken = pending.take()
  pending.add(batch(3))
  pending.putBack(taken, full)
  assert.equal(pending.failure, full)
  assert.equal(pending.byteCount, 0)
  assert.ok(pending.isOwing)
  assert.throws(() => pending.take(), full)
  pending.failAgain(new Error('EIO'))
  assert.throws(() => pending.take(), /EIO/)
  assert.deepEqual(ordersOf(pending.recover()), [1])
  assert.equal(pending.failure, undefined)
  assert.deepEqual(pending.take(), [])
})
