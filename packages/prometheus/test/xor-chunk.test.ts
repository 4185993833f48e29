import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { decodeXorChunk, XorChunk } from '../src/storage/xor-chunk.ts'

test('samples survive compression bit for bit, end marks included', () => {
  const sample = fc.record({
    afterMs: fc.oneof(fc.constant(1_000), fc.integer({ min: 1, max: 2 ** 40 })),
    value: fc.oneof(fc.double(), fc.integer(), fc.constant(0), fc.constant(-0)),
    stale: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 120 }), (samples) => {
      const chunk = new XorChunk()
      let timeMs = 1_769_846_400_000
      const expected: { timeMs: number; value: number; stale: boolean }[] = []
      for (const { afterMs, value, stale } of samples) {
        timeMs += afterMs
        chunk.append(timeMs, value, stale)
        expected.push({ timeMs, value: stale ? Number.NaN : value, stale })
      }
      const decoded = decodeXorChunk(chunk.bytes(), chunk.count)
      expected.forEach((sample, index) => {
        assert.equal(decoded.timesMs[index], sample.timeMs)
        assert.ok(Object.is(decoded.values[index], sample.value))
        assert.equal(decoded.stale[index] === 1, sample.stale)
      })
    }),
  )
})

test('a value each second that changes little takes a few bytes', () => {
  const chunk = new XorChunk()
  for (let index = 0; index < 120; index++) chunk.append(index * 1_000, 20 + (index % 5), false)
  assert.ok(chunk.byteLength / 120 < 3, `${chunk.byteLength / 120} bytes a sample`)
})
