import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from '../src/buffer-pool.ts'
import { FetchLease } from '../src/fetch-lease.ts'

const poolOf = (keptBytesMax: number): BufferPool =>
  new BufferPool({ keptBytesMax, stepBytes: 65_536, pooledBytesMin: 0 })

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

test('a response has a buffer that fits: a large one does not wait behind a few bytes', () => {
  const memory = poolOf(8 << 20)
  const large = memory.take(2 << 20)
  memory.give(large)
  assert.notEqual(memory.take(100), large)
  assert.equal(memory.take(1 << 20), large)
})

test('no more is kept than was said, and hardly anything when nothing has come for a second', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const memory = poolOf(1 << 20)
  const buffers = Array.from({ length: 40 }, () => memory.take(65_536))
  for (const buffer of buffers) memory.give(buffer)
  assert.equal(memory.freeBytes, 1 << 20)
  memory.rest()
  t.mock.timers.tick(500)
  memory.give(memory.take(100_000))
  t.mock.timers.tick(500)
  // It was wanted meanwhile.
  assert.ok(memory.freeBytes > 1_000_000)
  memory.rest()
  memory.take(100)
  t.mock.timers.tick(1_000)
  assert.equal(memory.freeBytes, 65_536)
})

test('what is small is not kept', () => {
  const memory = new BufferPool({ keptBytesMax: 1 << 20, stepBytes: 1_024, pooledBytesMin: 1_000 })
  const small = memory.take(999)
  assert.equal(small.byteLength, 999)
  memory.give(small)
  assert.equal(memory.freeBytes, 0)
  memory.give(memory.take(1_000))
  assert.equal(memory.freeBytes, 1_024)
})

test('full responses of many lengths share a buffer, and what was not wanted for longest goes first', () => {
  const memory = poolOf(3 << 20)
  const first = memory.take(2_100_000)
  memory.give(first)
  for (const byteCount of [2_000_000, 2_200_000, 2_580_000]) {
    const found = memory.take(byteCount)
    assert.equal(found, first)
    memory.give(found)
  }
  const second = memory.take(3_000_000)
  memory.give(second)
  assert.equal(memory.freeBytes, second.byteLength)
  assert.equal(memory.take(1_000_000), second)
})
