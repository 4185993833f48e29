import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from '@khlong/core/bytes'
import { FetchLease } from '../src/fetch-lease.ts'

const poolOf = (keptBytesMax: number): BufferPool =>
  new BufferPool({ keptBytesMax, stepBytes: 65_536, largeStepBytes: 524_288, pooledBytesMin: 0 })

test('memory is used again when its last holder has given it back', () => {
  const memory = poolOf(1 << 20)
  const lease = new FetchLease(memory)
  const { buffer } = lease.take(100_000)
  const chunk = lease.hold()
  lease.release()
  assert.equal(memory.freeBytes, 0)
  assert.notEqual(new FetchLease(memory).take(100_000).buffer, buffer)
  chunk.release()
  assert.ok(memory.freeBytes >= 100_000)
  assert.equal(new FetchLease(memory).take(90_000).buffer, buffer)
  assert.equal(memory.freeBytes, 0)
})

test('what was given back cannot be held, taken or given back again', () => {
  const lease = new FetchLease(poolOf(1 << 20))
  lease.take(10)
  assert.throws(() => lease.take(10), /a lease is for one response/)
  lease.release()
  assert.throws(() => lease.release(), /given back twice/)
  assert.throws(() => lease.hold(), /was given back/)
  assert.throws(() => lease.take(10), /a lease is for one response/)
})
