import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool, LentBytes } from '../src/bytes/index.ts'

const poolOf = (keptBytesMax: number): BufferPool =>
  new BufferPool({ keptBytesMax, stepBytes: 65_536, largeStepBytes: 524_288, pooledBytesMin: 0 })

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
  t.mock.timers.tick(500)
  memory.give(memory.take(100_000))
  t.mock.timers.tick(500)
  // It was wanted meanwhile, for the last time.
  assert.ok(memory.freeBytes > 1_000_000)
  memory.take(100)
  t.mock.timers.tick(1_000)
  assert.equal(memory.freeBytes, 65_536)
})

test('what is small is not kept', () => {
  const memory = new BufferPool({
    keptBytesMax: 1 << 20,
    stepBytes: 1_024,
    largeStepBytes: 4_096,
    pooledBytesMin: 1_000,
  })
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

test('lent bytes are another’s when the last of those who hold them has given them back', async () => {
  const memory = poolOf(1 << 20)
  const lent = new LentBytes(memory, 100_000)
  assert.equal(lent.bytes.byteLength, 100_000)
  const { buffer } = lent.bytes
  const done = Promise.withResolvers<void>()
  const held = lent.hold().holdUntil(done.promise)
  lent.release()
  assert.notEqual(new LentBytes(memory, 100_000).bytes.buffer, buffer)
  lent.release()
  assert.equal(memory.freeBytes, 0, 'something is under way')
  done.resolve()
  await held
  assert.equal(new LentBytes(memory, 90_000).bytes.buffer, buffer)
  assert.throws(() => lent.release(), /given back twice/)
  assert.throws(() => lent.hold(), /was given back/)
})

test('what is not kept is freed at once', () => {
  const memory = poolOf(65_536)
  const [first, second] = [memory.take(65_536), memory.take(65_536)]
  memory.give(first)
  memory.give(second)
  assert.equal(memory.freeBytes, 65_536)
  assert.equal(first.byteLength, 0)
})
