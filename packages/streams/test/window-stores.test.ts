import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Change } from '../src/record.ts'
import { changeSerde } from '../src/serdes/change.ts'
import { serdes } from '../src/serdes/index.ts'
import { sessionStoreKey, splitSessionStoreKey } from '../src/serdes/windowed.ts'
import { type JoinWindowStore, joinWindowStore } from '../src/state/join-window-store.ts'
import { type OuterJoinStore, outerJoinStore } from '../src/state/outer-join-store.ts'
import { type SessionStore, sessionStore } from '../src/state/session-store.ts'
import type { ChangelogWriter, StateStore, StoreSpec } from '../src/state/state-store.ts'
import { type WindowStore, windowStore } from '../src/state/window-store.ts'
import { MemoryBacking, storeEnvironment } from './helpers/store-environment.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }

/** Opens a store on disk, and again what it has flushed. */
function onDisk<S extends StateStore>(spec: StoreSpec): { open: () => S; backing: MemoryBacking } {
  const backing = new MemoryBacking()
  return { open: () => spec.create(storeEnvironment({ backing })) as S, backing }
}

/** A store, and what makes a new one of its changelog. */
function logged<S extends StateStore>(spec: StoreSpec): { store: S; restored: () => S } {
  const changelog: Parameters<ChangelogWriter['log']>[] = []
  const log = (...record: Parameters<ChangelogWriter['log']>): unknown => changelog.push(record)
  const store = spec.create(storeEnvironment({ log })) as S
  return {
    store,
    restored() {
      store.flush()
      const copy = spec.create(storeEnvironment({})) as S
      for (const [key, value, timestampMs, headers] of changelog)
        copy.restore(Buffer.from(key), value && Buffer.from(value), timestampMs ?? -1, headers, 0)
      return copy
    },
  }
}

const moment = fc.record({
  key: fc.constantFrom('a', 'b', 'ab'),
  timeMs: fc.integer({ min: 0, max: 50 }),
  value: fc.option(fc.constantFrom('x', 'y', 'z')),
})

describe('the store of a side of a join', () => {
  const spec = joinWindowStore<string, string>({ name: 'join', retentionMs: 20, ...text })

  it('has what a list of all records has, also after a restart', () => {
    fc.assert(
      fc.property(fc.array(moment), (moments) => {
        const { store, restored } = logged<JoinWindowStore<string, string>>(spec)
        const model: { key: string; timeMs: number; value: string }[] = []
        let observedMs = -1
        for (const { key, timeMs, value } of moments) {
          store.put(key, value, timeMs, [])
          if (value === null) continue
          observedMs = Math.max(observedMs, timeMs)
          model.push({ key, timeMs, value })
        }
        const expected = model
          .filter(({ key, timeMs }) => key === 'a' && timeMs > observedMs - 20)
          .filter(({ timeMs }) => timeMs >= 5 && timeMs <= 45)
          .sort((a, b) => a.timeMs - b.timeMs)
          .map(({ timeMs, value }) => [timeMs, value])
        assert.deepEqual([...store.fetch('a', 5, 45)], expected)
        const copy = restored()
        assert.deepEqual([...copy.fetch('a', 5, 45)], expected)
      }),
    )
  })

  it('does not give a sequence number twice after a restart', () => {
    const { store, restored } = logged<JoinWindowStore<string, string>>(spec)
    store.put('a', 'one', 5, [])
    const copy = restored()
    copy.put('a', 'two', 5, [])
    assert.deepEqual(
      [...copy.fetch('a', 0, 9)],
      [
        [5, 'one'],
        [5, 'two'],
      ],
    )
  })
})

describe('the store of what waits for a partner', () => {
  const spec = outerJoinStore<string>({
    name: 'outer',
    keySerde: serdes.string,
    leftSerde: serdes.string as never,
    rightSerde: serdes.long as never,
  })

  it('orders by time, right before left, then by key, also after a restart', () => {
    const { store, restored } = logged<OuterJoinStore<string>>(spec)
    store.add('b', 5, true, 'one')
    store.add('a', 5, true, 'two')
    store.add('z', 5, false, 7)
    store.add('a', 4, true, 'three')
    store.add('a', 5, true, 'four')
    store.add('gone', 1, true, 'gone')
    store.remove('gone', 1, true, 9)
    const expected = [
      ['a', 4, true, ['three']],
      ['z', 5, false, [7]],
      ['a', 5, true, ['two', 'four']],
      ['b', 5, true, ['one']],
    ]
    const listed = (one: OuterJoinStore<string>): unknown[] =>
      [...one.all()].map(({ key, timestampMs, isLeft, values }) => [
        key,
        timestampMs,
        isLeft,
        values,
      ])
    assert.deepEqual(listed(store), expected)
    assert.deepEqual(listed(restored()), expected)
  })

  it('refuses what is no list', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const { store } = logged<OuterJoinStore<string>>(spec)
        try {
          store.restore(Buffer.from('0000000000000001016b', 'hex'), Buffer.from(bytes), 1)
        } catch (error) {
          assert.ok(error instanceof Error)
        }
      }),
    )
  })
})

describe('the store of sessions', () => {
  const spec = sessionStore<string, string>({ name: 'sessions', retentionMs: 20, ...text })

  it('finds those that touch a span, also after a restart', () => {
    const { store, restored } = logged<SessionStore<string, string>>(spec)
    store.put('a', 10, 15, 'one', 15)
    store.put('a', 20, 25, 'two', 25)
    store.put('b', 22, 22, 'other', 25)
    store.put('a', 12, 12, 'gone', 12)
    store.remove('a', 12, 12, 13)
    const copy = restored()
    for (const one of [store, copy]) {
      assert.deepEqual(
        one.find('a', 14, 20).map(({ value }) => value),
        ['one', 'two'],
      )
      assert.deepEqual(
        one.find('a', 16, 19).map(({ value }) => value),
        [],
      )
      assert.equal(one.fetchSession('b', 22, 22), 'other')
      assert.deepEqual(
        one.findByEnd(20, 30).map(({ value }) => value),
        ['other', 'two'],
      )
    }
  })

  it('has keys that can be taken apart', () => {
    const key = sessionStoreKey(Buffer.from('key'), 5, 9)
    assert.deepEqual(splitSessionStoreKey(key), { key: Buffer.from('key'), startMs: 5, endMs: 9 })
    assert.equal(splitSessionStoreKey(key.subarray(5)), undefined)
    const serde = serdes.sessionWindowed(serdes.string)
    const windowed = serde.deserialize(key)
    assert.deepEqual([windowed.key, windowed.window], ['key', { startMs: 5, endMs: 9 }])
    assert.deepEqual(serde.serialize(windowed), key)
  })
})

describe('a store of windows for final results', () => {
  it('holds windows that time has leapt over until they are given', () => {
    const spec = windowStore<string, string>({
      name: 'windows',
      windowSizeMs: 10,
      retentionMs: 10,
      isForFinalResults: true,
      isHeld: true,
      caching: true,
      ...text,
    })
    const store = spec.create(storeEnvironment({ cacheBytes: 1_000 })) as WindowStore<
      string,
      string
    >
    store.put('a', 'one', 0, 5)
    store.put('a', 'two', 100, 105)
    const values = (): string[] => [...store.fetchAll(0, 200)].map(([, value]) => value)
    assert.deepEqual(values(), ['one', 'two'])
    assert.equal(store.fetch('a', 0), undefined)
    store.drop(90)
    assert.deepEqual(values(), ['two'])
  })
})

describe('a change of a table', () => {
  it('is written and read with either value, or both', () => {
    const value = fc.option(fc.string())
    fc.assert(
      fc.property(value, value, (newValue, oldValue) => {
        fc.pre(newValue !== null || oldValue !== null)
        const serde = changeSerde(serdes.string)
        const change = new Change(newValue, oldValue)
        assert.deepEqual(serde.deserialize(serde.serialize(change)), change)
      }),
    )
  })

  it('of any bytes is read, or refused', () => {
    const serde = changeSerde(serdes.string)
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          serde.deserialize(Buffer.from(bytes))
        } catch (error) {
          assert.ok(error instanceof Error)
        }
      }),
    )
  })

  it('is refused where neither value is there, or the layout is an older one', () => {
    const serde = changeSerde(serdes.string)
    assert.throws(() => serde.serialize(new Change<string>(null, null)), /no value/)
    assert.throws(() => serde.deserialize(Buffer.of(1, 2, 9)), /before 3.5/)
  })
})

describe('stores that are in memory and on disk', () => {
  it('have after a restart what they had, and let go of what has expired', () => {
    const joins = onDisk<JoinWindowStore<string, string>>(
      joinWindowStore<string, string>({ name: 'join', retentionMs: 20, ...text }),
    )
    const store = joins.open()
    store.put('a', 'old', 1, [])
    store.put('a', 'one', 30, [])
    store.put('a', 'two', 30, [])
    store.put('b', null, 31, [])
    store.flush()
    assert.deepEqual(
      [...joins.open().fetch('a', 0, 99)],
      [
        [30, 'one'],
        [30, 'two'],
      ],
    )
    assert.equal(joins.backing.map.size, 2)
    const later = joins.open()
    later.put('a', 'three', 60, [])
    later.flush()
    assert.deepEqual([...joins.open().fetch('a', 0, 99)], [[60, 'three']])
    assert.equal(joins.backing.map.size, 1)

    const sessions = onDisk<SessionStore<string, string>>(
      sessionStore<string, string>({ name: 'sessions', retentionMs: 20, ...text }),
    )
    const session = sessions.open()
    session.put('a', 10, 15, 'one', 15)
    session.put('a', 12, 12, 'gone', 15)
    session.remove('a', 12, 12, 15)
    session.flush()
    assert.equal(sessions.open().fetchSession('a', 10, 15), 'one')
    assert.equal(sessions.backing.map.size, 1)
    const next = sessions.open()
    next.put('a', 1_000_000, 1_000_000, 'far', 1_000_000)
    next.flush()
    assert.equal(sessions.backing.map.size, 1)

    const outer = onDisk<OuterJoinStore<string>>(
      outerJoinStore<string>({
        name: 'outer',
        keySerde: serdes.string,
        leftSerde: serdes.string as never,
        rightSerde: serdes.string as never,
      }),
    )
    const waiting = outer.open()
    waiting.add('a', 5, true, 'one')
    waiting.add('b', 6, false, 'two')
    waiting.flush()
    const again = outer.open()
    again.remove('a', 5, true, 9)
    again.flush()
    assert.deepEqual(
      [...outer.open().all()].map(({ key, values }) => [key, values]),
      [['b', ['two']]],
    )
  })

  it('take what the changelog has beyond the disk before they are used', () => {
    const spec = sessionStore<string, string>({ name: 'sessions', retentionMs: 20, ...text })
    const { open, backing } = onDisk<SessionStore<string, string>>(spec)
    const store = open()
    store.put('a', 1, 2, 'one', 2)
    store.flush()
    const next = open()
    next.restore(sessionStoreKey(Buffer.from('a'), 1, 2), null, 3)
    next.restore(sessionStoreKey(Buffer.from('a'), 1, 3), Buffer.from('two'), 3)
    assert.deepEqual(
      [...next.fetch('a')].map(([, value]) => value),
      ['two'],
    )
    assert.equal(backing.map.size, 1)
  })
})
