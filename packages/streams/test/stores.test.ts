import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { temporaryFolder } from '@khlong/core/testing'
import fc from 'fast-check'
import { serdes } from '../src/index.ts'
import { KeyValueStore } from '../src/state/key-value-store.ts'
import { StateFolder } from '../src/state/state-folder.ts'
import type { ChangelogWriter } from '../src/state/state-store.ts'
import { decodeBuffered, encodeBuffered } from '../src/state/suppress-codec.ts'
import { WindowStore } from '../src/state/window-store.ts'
import { storeEnvironment } from './helpers/store-environment.ts'

const options = { name: 'store', keySerde: serdes.string, valueSerde: serdes.json<number>() }

type Logged = Parameters<ChangelogWriter['log']>

const keys = fc.oneof(
  fc.constantFrom('a', 'b', 'ab', ''),
  fc.string({ minLength: 1_600, maxLength: 1_700 }),
)

describe('a key-value store on disk', () => {
  it('holds what a map holds, whatever is flushed, evicted or opened again in between', async (t) => {
    const folder = await temporaryFolder(t)
    let run = 0
    const cacheSizes = fc.constantFrom(0, 1, 1_000, 1_000_000)
    const step = fc.oneof(
      fc.record({ kind: fc.constant('put'), key: keys, value: fc.integer() }),
      fc.record({ kind: fc.constant('delete'), key: keys, value: fc.constant(0) }),
      fc.record({ kind: fc.constant('commit'), key: fc.constant(''), value: fc.constant(0) }),
      fc.record({ kind: fc.constant('reopen'), key: fc.constant(''), value: fc.constant(0) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), cacheSizes, async (steps, cacheBytes) => {
        const path = `${folder}/${run++}`
        let state = await StateFolder.open(path)
        const changelog: Logged[] = []
        const open = (): KeyValueStore<string, number> =>
          new KeyValueStore(
            { ...options, caching: cacheBytes > 0 },
            storeEnvironment({
              backing: state.backing('0_0', 'store'),
              cacheBytes,
              log: (...record) => changelog.push(record),
            }),
          )
        let store = open()
        const model = new Map<string, number>()
        for (const { kind, key, value } of steps) {
          if (kind === 'put') {
            store.put(key, value, 1)
            model.set(key, value)
          } else if (kind === 'delete') {
            store.put(key, null, 1)
            model.delete(key)
          } else {
            store.flush()
            await state.commit([])
            store.committed()
          }
          if (kind === 'reopen') {
            await state.close()
            state = await StateFolder.open(path)
            store = open()
          }
          for (const [known, expected] of model) assert.equal(store.get(known), expected)
          if (kind === 'delete') assert.equal(store.get(key), undefined)
        }
        assert.deepEqual(new Map(store.all()), model)
        store.flush()
        const restored = new KeyValueStore(options, storeEnvironment({}))
        for (const [key, value, timestampMs] of changelog)
          restored.restore(key, value, timestampMs ?? -1)
        assert.deepEqual(new Map(restored.all()), model)
        await state.close()
      }),
      { numRuns: 12 },
    )
  })

  it('gives its changelog offset back after a restart, and forgets it when it is wiped', async (t) => {
    const folder = await temporaryFolder(t)
    let state = await StateFolder.open(folder)
    const { processId } = state
    state.backing('1_0', 'counts').put(Buffer.from('k'), Buffer.from('v'), 5)
    await state.commit([{ taskId: '1_0', storeName: 'counts', offset: 42 }])
    await state.close()
    state = await StateFolder.open(folder)
    assert.equal(state.processId, processId)
    assert.equal(state.checkpoint('1_0', 'counts'), 42)
    assert.deepEqual(state.taskIds(), ['1_0'])
    const stored = state.backing('1_0', 'counts').get(Buffer.from('k'))
    assert.equal(String(stored?.value), 'v')
    assert.equal(stored?.timestampMs, 5)
    await state.wipe('1_0', 'counts')
    assert.equal(state.checkpoint('1_0', 'counts'), undefined)
    assert.equal(state.backing('1_0', 'counts').get(Buffer.from('k')), undefined)
    await state.close()
  })
})

describe('the folder of stores', () => {
  it('makes changes in their order, whatever their sizes and whenever they are committed', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const size = fc.constantFrom(0, 3, 9_000, 262_144, 300_000)
    const step = fc.oneof(
      fc.record({ kind: fc.constant('put'), key, to: key, size }),
      fc.record({ kind: fc.constantFrom('remove', 'range', 'commit'), key, to: key, size }),
    )
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const backing = state.backing('0_0', `store-${run++}`)
        const model = new Map<string, number>()
        for (const { kind, key, to, size } of steps) {
          if (kind === 'put') {
            backing.put(Buffer.from(key), Buffer.alloc(size, key), size)
            model.set(key, size)
          } else if (kind === 'remove') {
            backing.remove(Buffer.from(key))
            model.delete(key)
          } else if (kind === 'range') {
            backing.removeRange(Buffer.from(key), Buffer.from(to))
            for (const one of [...model.keys()]) if (one >= key && one < to) model.delete(one)
          } else await state.commit([])
        }
        await state.commit([])
        const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
        const found = [...backing.entries()].map(({ key, value, timestampMs }) => {
          assert.ok(value.equals(Buffer.alloc(timestampMs, key)))
          return [String(key), timestampMs]
        })
        assert.deepEqual(found, expected)
      }),
      { numRuns: 20 },
    )
    await state.close()
  })
})

describe('the folder of stores, commit after commit', () => {
  it('goes on, whether ranges are removed with other changes or not', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    const backing = state.backing('0_0', 'store')
    const model = new Map<string, number>()
    for (let round = 0; round < 60; round++) {
      for (let index = 0; index < 500; index++) {
        const key = `key-${(round * 37 + index) % 700}`
        backing.put(Buffer.from(key), Buffer.alloc(100), round)
        model.set(key, round)
      }
      if (round % 2 === 1) {
        backing.removeRange(Buffer.from('key-2'), Buffer.from('key-4'))
        for (const key of [...model.keys()]) if (key >= 'key-2' && key < 'key-4') model.delete(key)
      }
      await state.commit([{ taskId: '0_0', storeName: 'store', offset: round }])
      // LMDB's thread comes to rest.
      if (round % 3 === 0) await delay(2)
    }
    const found = [...backing.entries()].map(({ key, timestampMs }) => [String(key), timestampMs])
    assert.deepEqual(
      found,
      [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    assert.equal(state.checkpoint('0_0', 'store'), 59)
    await state.close()
  })
})

describe('a window store', () => {
  it('drops windows that are too old, in memory and on disk', async (t) => {
    const state = await StateFolder.open(await temporaryFolder(t))
    const backing = state.backing('0_0', 'store')
    for (const each of [undefined, backing]) {
      const store = new WindowStore(
        { ...options, windowSizeMs: 10, retentionMs: 20 },
        storeEnvironment({ backing: each }),
      )
      const flush = async (): Promise<void> => {
        store.flush()
        await state.commit([])
        store.committed()
      }
      store.put('a', 1, 0, 1)
      store.put('b', 2, 10, 11)
      await flush()
      assert.equal(store.fetch('a', 0), 1)
      store.put('a', 3, 20, 21)
      await flush()
      assert.equal(store.fetch('a', 0), undefined)
      store.put('a', 9, 0, 2)
      assert.equal(store.fetch('a', 0), undefined)
      await flush()
      assert.deepEqual(
        [...store.all()].map(([key, value]) => [String(key), value]),
        [
          ['[b@10/20]', 2],
          ['[a@20/30]', 3],
        ],
      )
      assert.deepEqual([...store.fetchRange('a', 0, 30)], [[20, 3]])
    }
    assert.equal([...backing.entries()].length, 2)
    await state.close()
  })
})

describe('the changelog of a suppress buffer', () => {
  const bytes = fc.option(fc.uint8Array({ maxLength: 20 }).map((each) => Buffer.from(each)))
  it('reads what it writes', () => {
    const context = fc.record(
      {
        timestampMs: fc.integer(),
        offset: fc.nat(),
        topic: fc.string(),
        partition: fc.nat(100),
        headers: fc.array(fc.tuple(fc.string(), bytes), { maxLength: 3 }),
      },
      { noNullPrototype: true },
    )
    fc.assert(
      fc.property(
        context,
        bytes,
        bytes,
        bytes,
        fc.nat(),
        (from, priorValue, oldValue, newValue, timeMs) => {
          const buffered = { context: from, priorValue, oldValue, newValue, timeMs }
          assert.deepEqual(
            decodeBuffered(encodeBuffered(buffered), [['v', Buffer.of(3)]]),
            buffered,
          )
        },
      ),
    )
  })

  it('refuses bytes that are none, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (raw) => {
        try {
          decodeBuffered(Buffer.from(raw), [['v', Buffer.of(3)]])
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'STREAMS_CHANGELOG_INVALID')
        }
      }),
    )
    assert.throws(() => decodeBuffered(Buffer.alloc(8), []), { code: 'STREAMS_CHANGELOG_INVALID' })
  })
})
