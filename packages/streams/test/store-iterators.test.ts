import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import fc from 'fast-check'
import { serdes } from '../src/index.ts'
import { KeyValueStore } from '../src/state/key-value-store.ts'
import { SessionStore } from '../src/state/session-store.ts'
import { StateFolder } from '../src/state/state-folder.ts'
import type { BackingLimits, BackingRange, StoreBacking } from '../src/state/state-store.ts'
import { WindowStore } from '../src/state/window-store.ts'
import { MemoryBacking, storeEnvironment } from './helpers/store-environment.ts'

const options = { name: 'store', keySerde: serdes.string, valueSerde: serdes.json<number>() }

/** Keys of which LMDB keeps the beginning and a hash begin alike, and one that is shorter lies among them. */
const long = 'k'.repeat(1_400)
const keys = [
  ...['', 'a', 'ab', 'b', 'ba', 'c', 'é', 'k', 'l', '\u{10ffff}'],
  ...[long, `${long}a`, `${long}b${'x'.repeat(200)}`, `${long}a${'z'.repeat(300)}`, `${long}~`],
]
const anyKey = fc.constantFrom(...keys)
const bytesOf = (text: string): Buffer => Buffer.from(text)
const byBytes = (a: string, b: string): number => bytesOf(a).compare(bytesOf(b))

const change = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key: anyKey, value: fc.nat(9) }),
  fc.record({ kind: fc.constantFrom('delete' as const, 'read' as const), key: anyKey }),
  fc.constant({ kind: 'commit' as const }),
)

const range = fc.record({
  from: fc.option(anyKey),
  to: fc.option(anyKey),
  prefix: fc.option(fc.constantFrom('', 'a', 'b', 'k', long, `${long}a`)),
  isReverse: fc.boolean(),
})
type Range = typeof range extends fc.Arbitrary<infer T> ? T : never

/** A store and what it has to hold. */
class Modelled {
  readonly model = new Map<string, number>()
  readonly store: KeyValueStore<string, number>
  readonly #state: StateFolder | undefined

  constructor(state: StateFolder | undefined, name: string, cacheBytes: number) {
    const backing = state?.backing('0_0', name)
    this.store = new KeyValueStore(
      { ...options, caching: cacheBytes > 0 },
      storeEnvironment({ backing, cacheBytes }),
    )
    this.#state = state
  }

  async change(one: typeof change extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
    const { store, model } = this
    if (one.kind === 'put') {
      store.put(one.key, one.value, 1)
      model.set(one.key, one.value)
    } else if (one.kind === 'delete') {
      store.delete(one.key, 1)
      model.delete(one.key)
    } else if (one.kind === 'read') assert.equal(store.get(one.key), model.get(one.key))
    else {
      store.flush()
      await this.#state?.commit([])
      store.committed()
    }
  }

  open({ from, to, prefix, isReverse }: Range): Iterator<readonly [string, number]> {
    const { store } = this
    if (prefix !== null && !isReverse) return store.prefixScan(prefix, serdes.string)
    if (from === null && to === null) return isReverse ? store.reverseAll() : store.all()
    return isReverse ? store.reverseRange(from, to) : store.range(from, to)
  }

  /** What lies in a range, in its order. */
  within({ from, to, prefix, isReverse }: Range): [string, number][] {
    const isPrefix = prefix !== null && !isReverse
    const wanted = [...this.model].filter(([key]) =>
      isPrefix
        ? bytesOf(key).subarray(0, bytesOf(prefix).byteLength).equals(bytesOf(prefix))
        : (from === null || byBytes(key, from) >= 0) && (to === null || byBytes(key, to) <= 0),
    )
    wanted.sort(([a], [b]) => (isReverse ? byBytes(b, a) : byBytes(a, b)))
    return wanted
  }
}

describe('an iterator over a key-value store', () => {
  it('gives what lies in its range, in order, on disk and in memory', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    let run = 0
    const caches = fc.constantFrom(0, 1, 1_000, 1_000_000)
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 40 }),
        fc.array(range, { minLength: 1, maxLength: 8 }),
        caches,
        fc.boolean(),
        async (changes, ranges, cacheBytes, isOnDisk) => {
          const one = new Modelled(isOnDisk ? state : undefined, `store-${run++}`, cacheBytes)
          for (const [index, next] of changes.entries()) {
            await one.change(next)
            const each = ranges[index % ranges.length]!
            const found = [...{ [Symbol.iterator]: () => one.open(each) }]
            assert.deepEqual(found, one.within(each))
          }
          assert.equal(one.store.entryCount, one.model.size)
        },
      ),
      { numRuns: 60 },
    )
    await state.close()
  })

  it('orders long keys that begin alike, of which the disk has hashes', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    const backing = state.backing('0_0', 'store')
    const tails = ['', ...Array.from({ length: 40 }, (_, index) => `${index}`.repeat(90)), 'a', '~']
    const written = ['a', ...tails.map((tail) => long + tail), 'l'].sort(byBytes)
    for (const key of written.toSorted()) backing.put(bytesOf(key), bytesOf('1'), 1)
    await state.commit([])
    const store = new KeyValueStore(options, storeEnvironment({ backing }))
    const given = (all: Iterable<readonly [string, number]>): string[] =>
      [...all].map(([key]) => key)
    assert.deepEqual(given(store.all()), written)
    assert.deepEqual(given(store.reverseAll()), written.toReversed())
    const from = written[7]!
    assert.deepEqual(given(store.range(from, 'kz')), written.slice(7, -1))
    assert.deepEqual(given(store.reverseRange(null, from)), written.slice(0, 8).reverse())
    assert.deepEqual(
      given(store.prefixScan(`${long}1`, serdes.string)),
      written.filter((key) => key.startsWith(`${long}1`)),
    )
    await state.close()
  })

  it('gives each key that is there all the time once, whatever is written and committed meanwhile', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    let run = 0
    const meanwhile = fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 30 }),
        meanwhile,
        range,
        fc.constantFrom(0, 1, 400, 1_000_000),
        fc.boolean(),
        async (changes, steps, wanted, cacheBytes, isOnDisk) => {
          const one = new Modelled(isOnDisk ? state : undefined, `other-${run++}`, cacheBytes)
          for (const next of changes) await one.change(next)
          const constant = new Set(one.within(wanted).map(([key]) => key))
          const iterator = one.open(wanted)
          const given: string[] = []
          for (let index = 0; ; index++) {
            const { done, value } = iterator.next()
            if (done) break
            const [key, number] = value
            assert.equal(number, one.model.get(key))
            given.push(key)
            for (const next of steps[index] ?? []) {
              await one.change(next)
              if (next.kind === 'delete') constant.delete(next.key)
            }
          }
          assert.deepEqual(
            given,
            [...new Set(given)].sort(wanted.isReverse ? (a, b) => byBytes(b, a) : byBytes),
          )
          for (const key of constant) assert.ok(given.includes(key), key)
        },
      ),
      { numRuns: 200 },
    )
    await state.close()
  })

  it('has an end for who puts what it reads under other keys', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    for (const backing of [undefined, state.backing('0_0', 'store')]) {
      const store = new KeyValueStore(options, storeEnvironment({ backing }))
      store.put('a', 1, 1)
      store.put('b', 2, 1)
      store.flush()
      await state.commit([])
      store.committed()
      for (const [key, value] of store.all()) store.put(`${key}-copy`, value, 1)
      assert.deepEqual(
        [...store.all()],
        [
          ['a', 1],
          ['a-copy', 1],
          ['b', 2],
          ['b-copy', 2],
        ],
      )
    }
    await state.close()
  })

  it('reads of a large store only what is asked for', () => {
    const backing = new MemoryBacking()
    for (let index = 0; index < 3_000; index++)
      backing.put(bytesOf(`key-${index + 10_000}`), bytesOf(String(index)), 1)
    const counted = new CountedBacking(backing)
    const store = new KeyValueStore(options, storeEnvironment({ backing: counted }))
    const iterator = store.all()
    assert.deepEqual(iterator.next().value, ['key-10000', 0])
    assert.ok(counted.entryCount < 100, `${counted.entryCount} entries for one`)
    assert.equal([...iterator].length, 2_999)
    assert.ok(counted.largest <= 256, `${counted.largest} entries at once`)
  })
})

/** Counts what is read of another one. */
class CountedBacking implements StoreBacking {
  readonly #backing: StoreBacking
  entryCount = 0
  largest = 0

  constructor(backing: StoreBacking) {
    this.#backing = backing
  }
  get commitCount(): number {
    return this.#backing.commitCount
  }
  get(key: Buffer): ReturnType<StoreBacking['get']> {
    return this.#backing.get(key)
  }
  put(key: Buffer, value: Buffer, timestampMs: number): void {
    this.#backing.put(key, value, timestampMs)
  }
  remove(key: Buffer): void {
    this.#backing.remove(key)
  }
  removeRange(from: Buffer, to: Buffer): void {
    this.#backing.removeRange(from, to)
  }
  entries(range?: BackingRange, limits?: BackingLimits): ReturnType<StoreBacking['entries']> {
    const found = this.#backing.entries(range, limits)
    this.entryCount += found.length
    this.largest = Math.max(this.largest, found.length)
    return found
  }
}

const windowChange = fc.oneof(
  fc.record({
    kind: fc.constantFrom('put' as const, 'delete' as const),
    key: fc.constantFrom('a', 'b', 'ab', ''),
    startMs: fc.nat(12).map((each) => each * 5),
    value: fc.nat(9),
  }),
  fc.record({ kind: fc.constant('commit' as const) }),
)

describe('an iterator over a window store', () => {
  it('gives the windows of its times and keys, in order, on disk and in memory', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(windowChange, { maxLength: 40 }),
        fc.nat(70),
        fc.nat(70),
        fc.boolean(),
        fc.constantFrom(0, 1_000_000),
        async (changes, fromMs, toMs, isOnDisk, cacheBytes) => {
          const backing = isOnDisk ? state.backing('0_0', `store-${run++}`) : undefined
          const store = new WindowStore(
            { ...options, windowSizeMs: 5, retentionMs: 30, caching: cacheBytes > 0 },
            storeEnvironment({ backing, cacheBytes }),
          )
          let model: { key: string; startMs: number; value: number }[] = []
          let newestMs = -1
          for (const one of changes) {
            if (one.kind === 'commit') {
              store.flush()
              await state.commit([])
              store.committed()
            } else {
              const { kind, key, startMs, value } = one
              store.put(key, kind === 'put' ? value : null, startMs, 1)
              newestMs = Math.max(newestMs, startMs)
              model = model.filter((each) => each.key !== key || each.startMs !== startMs)
              if (kind === 'put') model.push({ key, startMs, value })
              model = model.filter((each) => each.startMs > newestMs - 30)
            }
            model.sort((a, b) => a.startMs - b.startMs || byBytes(a.key, b.key))
            const within = model.filter(({ startMs }) => startMs >= fromMs && startMs <= toMs)
            const shown = (all: typeof model): unknown[] =>
              all.map(({ key, startMs, value }) => [`[${key}@${startMs}/${startMs + 5}]`, value])
            const given = (all: Iterable<readonly [unknown, number]>): unknown[] =>
              [...all].map(([key, value]) => [String(key), value])
            assert.deepEqual(given(store.all()), shown(model))
            assert.deepEqual(given(store.backwardAll()), shown(model).reverse())
            assert.deepEqual(given(store.fetchAll(fromMs, toMs)), shown(within))
            assert.deepEqual(given(store.backwardFetchAll(fromMs, toMs)), shown(within).reverse())
            const some = within.filter(({ key }) => key >= 'a' && key <= 'ab')
            assert.deepEqual(given(store.fetchKeyRange('a', 'ab', fromMs, toMs)), shown(some))
            for (const wanted of ['a', 'b', '']) {
              const ofKey = within
                .filter(({ key }) => key === wanted)
                .map(({ startMs, value }) => [startMs, value])
              assert.deepEqual([...store.fetchRange(wanted, fromMs, toMs)], ofKey)
              const backward = [...store.backwardFetchRange(wanted, fromMs, toMs)]
              assert.deepEqual(backward, ofKey.toReversed())
            }
            assert.equal(
              store.firstStartMs(fromMs),
              model.find(({ startMs }) => startMs >= fromMs)?.startMs,
            )
          }
        },
      ),
      { numRuns: 60 },
    )
    await state.close()
  })
})

describe('an iterator over the sessions of several keys', () => {
  it('goes by the keys, while they come and go', () => {
    const store = new SessionStore({ ...options, retentionMs: 100_000 }, storeEnvironment({}))
    for (const key of ['c', 'a', 'd', 'b']) store.put(key, 1, 2, 7)
    const seen: string[] = []
    for (const [{ key }] of store.fetchKeyRange(null, 'c')) {
      seen.push(key)
      if (key === 'a') {
        store.remove('b', 1, 2)
        store.put('bb', 1, 2, 8)
        store.flush()
      }
    }
    assert.deepEqual(seen, ['a', 'c'])
    const backward = [...store.backwardFetchKeyRange('a', 'c')].map(([{ key }]) => key)
    assert.deepEqual(backward, ['c', 'bb', 'a'])
  })
})
