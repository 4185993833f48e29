import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Receipt } from '../src/batch-receipts.ts'
import { ProducerBatch } from '../src/producer-batch.ts'

type Told = readonly [receipt: string, index: number, offset: number, timestamp: number]

/** Two receipts that tell their records apart, and two that only count them. */
function receipts(told: Told[], counted: Map<string, [count: number, lastOffset: number]>) {
  const listed = (name: string): Receipt => ({
    settle: (index, _outcome, offset, timestamp) => told.push([name, index, offset, timestamp]),
  })
  const counting = (name: string): Receipt => ({
    settle: () => assert.fail('told of one record'),
    settleMany: (count, _outcome, lastOffset) => {
      counted.set(name, [(counted.get(name)?.[0] ?? 0) + count, lastOffset])
    },
  })
  return new Map<string, Receipt | undefined>([
    ['a', listed('a')],
    ['b', listed('b')],
    ['c', counting('c')],
    ['d', counting('d')],
    ['none', undefined],
  ])
}

const batch = (): ProducerBatch =>
  new ProducerBatch({
    topic: 'readings',
    partition: 0,
    compression: 0,
    isTransactional: false,
    createdMs: 0,
    initialBytes: 1_024,
  })

it('each record of a batch is told to its receipt once, with its offset, whole or in halves', () => {
  const record = fc.record({
    to: fc.constantFrom('a', 'b', 'c', 'd', 'none'),
    index: fc.nat(1_000),
    timestamp: fc.nat(1_000_000),
  })
  fc.assert(
    fc.property(fc.array(record, { minLength: 2, maxLength: 40 }), fc.boolean(), (all, isSplit) => {
      const told: Told[] = []
      const counted = new Map<string, [number, number]>()
      const by = receipts(told, counted)
      const whole = batch()
      for (const { to, index, timestamp } of all)
        whole.append(null, 'x', undefined, timestamp, by.get(to), index)
      assert.equal(whole.recordCount, all.length)
      let baseOffset = 100
      for (const part of isSplit ? whole.split() : [whole]) {
        part.settle(undefined, baseOffset, -1)
        baseOffset += part.recordCount
      }
      assert.deepEqual(
        told,
        all.flatMap(({ to, index, timestamp }, at) =>
          to === 'a' || to === 'b' ? [[to, index, 100 + at, timestamp]] : [],
        ),
      )
      for (const name of ['c', 'd']) {
        const places = all.flatMap(({ to }, at) => (to === name ? [at] : []))
        const last = places.at(-1)
        assert.deepEqual(
          counted.get(name),
          last === undefined ? undefined : [places.length, 100 + last],
        )
      }
    }),
  )
})

it('an error is told with every record, and no offset', () => {
  const told: Told[] = []
  const counted = new Map<string, [number, number]>()
  const by = receipts(told, counted)
  const failing = batch()
  for (const [index, to] of ['a', 'c', 'c', 'none', 'b'].entries())
    failing.append(null, 'x', undefined, 7, by.get(to), index)
  failing.settle(new Error('refused') as never, -1, -1)
  assert.deepEqual(told, [
    ['a', 0, -1, 7],
    ['b', 4, -1, 7],
  ])
  assert.deepEqual([...counted], [['c', [2, -1]]])
})

it('who asks for it is told which records were not written, in whatever order they came', () => {
  const index = fc.oneof(fc.constant('next' as const), fc.constant('same' as const), fc.nat(1_000))
  const record = fc.record({ to: fc.constantFrom('k', 'l', 'c'), index, timestamp: fc.nat(9_000) })
  fc.assert(
    fc.property(fc.array(record, { minLength: 2, maxLength: 40 }), fc.boolean(), (all, isSplit) => {
      const told: (readonly [receipt: string, index: number, timestamp: number])[] = []
      const keeping = (name: string): Receipt => ({
        isKeeping: true,
        settle: () => assert.fail('told of one record'),
        settleMany: (count, { error }, _lastOffset, kept) => {
          assert.ok(error && kept)
          assert.equal(kept.indexes.length, count)
          for (const [at, one] of kept.indexes.entries())
            told.push([name, one, kept.timestamps[at]!])
        },
      })
      const counted = receipts([], new Map()).get('c')
      const by = new Map([...['k', 'l'].map((name) => [name, keeping(name)] as const)])
      const whole = batch()
      const expected: typeof told = []
      let last = -1
      for (const { to, index, timestamp } of all) {
        last = index === 'next' ? last + 1 : index === 'same' ? last : index
        whole.append(null, 'x', undefined, timestamp, by.get(to) ?? counted, last)
        if (to !== 'c') expected.push([to, last, timestamp])
      }
      for (const part of isSplit ? whole.split() : [whole])
        part.settle(new Error('refused') as never, -1, -1)
      assert.deepEqual(told, expected)
    }),
  )
})
