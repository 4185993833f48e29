import assert from 'node:assert/strict'
import test from 'node:test'
import { Reader, Writer } from '@khlong/core/bytes'
import fc from 'fast-check'
import { ErrorCode, EventType, OpCode } from '../src/protocol/codes.ts'
import { readMulti, readMultiRead, readSetWatches, type WriteOp } from '../src/protocol/requests.ts'
import { digestId, isAllowed, openAcl, resolveAcl } from '../src/state/acl.ts'
import { isValidPath, parentOf } from '../src/state/path.ts'
import { State } from '../src/state/state.ts'
import type { Transaction } from '../src/state/transaction.ts'
import { type Watcher, WatchMode, WatchTable } from '../src/state/watches.ts'
import { statOf } from '../src/state/znode.ts'
import { readTransaction, writeTransaction } from '../src/storage/transaction-codec.ts'

const nowMs = 1_769_846_400_000

const path = fc
  .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join('/')}`)
const version = fc.constantFrom(-1, 0, 1)
const op: fc.Arbitrary<WriteOp> = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    type: fc.constant(OpCode.create),
    path,
    data: fc.constantFrom(null, Buffer.from('x')),
    acl: fc.constant(openAcl),
    flags: fc.integer({ min: 0, max: 3 }),
    ttlMs: fc.constant(-1),
  }),
  fc.record({ kind: fc.constant('delete' as const), path, version }),
  fc.record({
    kind: fc.constant('setData' as const),
    path,
    data: fc.constant(Buffer.from('y')),
    version,
  }),
  fc.record({ kind: fc.constant('check' as const), path, version }),
)

/** What a znode is to the naive model: everything is looked for anew, nothing is counted along. */
interface Naive {
  version: number
  created: number
  owner: bigint
}

/** One operation on a copy; undefined where it fails. */
function applyNaively(
  nodes: Map<string, Naive>,
  one: WriteOp,
  owner: bigint,
): Map<string, Naive> | undefined {
  const next = new Map([...nodes].map(([name, node]) => [name, { ...node }]))
  const node = next.get(one.path)
  if (one.kind === 'create') {
    const parent = next.get(parentOf(one.path) || '/')
    if (parent?.owner !== 0n) return undefined
    const name = one.flags >= 2 ? one.path + String(parent.created).padStart(10, '0') : one.path
    if (next.has(name)) return undefined
    parent.created++
    next.set(name, { version: 0, created: 0, owner: one.flags % 2 === 1 ? owner : 0n })
    return next
  }
  if (!node || one.kind === 'setAcl') return undefined
  if (one.version !== -1 && one.version !== node.version) return undefined
  if (one.kind === 'setData') node.version++
  if (one.kind === 'delete') {
    for (const name of next.keys()) if (name.startsWith(`${one.path}/`)) return undefined
    next.delete(one.path)
  }
  return next
}

function newState(log: Transaction[] = []): State {
  return new State({
    onTransaction: (transaction) => log.push(transaction),
    extendedTypesEnabled: true,
    skipAcl: false,
  })
}

const digest = (state: State): unknown =>
  [...state.tree.entries()]
    .map(([name, node]) => [name, statOf(node), node.data?.toString()])
    .sort()

test('the tree agrees with a naive model over multis, ends of sessions and a replay of the log', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(op, { minLength: 1, maxLength: 4 }), { maxLength: 30 }),
      (multis) => {
        const log: Transaction[] = []
        const state = newState(log)
        const { id } = state.createSession(10_000, nowMs, 0)
        let naive = new Map<string, Naive>([['/', { version: 0, created: 0, owner: 0n }]])
        for (const ops of multis) {
          const results = state.multi({ sessionId: id, ids: [] }, ops, nowMs)
          let after: Map<string, Naive> | undefined = naive
          for (const one of ops) after = after && applyNaively(after, one, id)
          assert.equal(
            results.every(({ code }) => code === ErrorCode.ok),
            after !== undefined,
          )
          naive = after ?? naive
          assert.equal(state.lastZxid, log.length)
        }
        const check = (found: State): void => {
          for (const [name, node] of naive) {
            const stat = statOf(found.tree.get(name)!)
            const prefix = name === '/' ? '' : name
            let children = name === '/' ? 1 : 0
            for (const other of naive.keys())
              if (other !== '/' && parentOf(other) === prefix) children++
            assert.deepEqual(
              [stat.version, stat.numChildren, stat.cversion, stat.ephemeralOwner],
              [node.version, children, node.created * 2 - children, node.owner],
            )
          }
          assert.equal(found.tree.size, naive.size + 3)
        }
        check(state)
        naive = new Map([...naive].filter(([, node]) => node.owner === 0n))
        state.closeSession(id, nowMs)
        check(state)
        const replayed = newState()
        const writer = new Writer()
        for (const transaction of log) writeTransaction(writer, transaction)
        const reader = new Reader(writer.bytes())
        while (reader.remaining > 0) replayed.replay(readTransaction(reader), 0)
        reader.finish()
        assert.deepEqual(digest(replayed), digest(state))
        assert.deepEqual(
          [replayed.lastZxid, replayed.lastSessionId, replayed.sessions.count],
          [state.lastZxid, id, 0],
        )
        assert.equal(replayed.tree.dataBytes, state.tree.dataBytes)
      },
    ),
    { numRuns: 150 },
  )
})

test('watch tables keep their counts, tell each watcher once, and forget those who leave', () => {
  const heard: string[] = []
  const watcher = (name: string): Watcher => ({
    notify: (type, where) => heard.push(`${name} ${type} ${where}`),
  })
  const [one, two] = [watcher('one'), watcher('two')]
  const table = new WatchTable()
  table.add('/a', one, WatchMode.once)
  table.add('/a', one, WatchMode.persistent)
  table.add('/', two, WatchMode.recursive)
  assert.deepEqual([table.count, table.pathCount, table.watcherCount], [2, 2, 2])
  for (let times = 0; times < 2; times++)
    table.trigger('/a', EventType.nodeDataChanged, 1, openAcl, false)
  assert.deepEqual(heard.splice(0), ['one 3 /a', 'two 3 /a', 'one 3 /a', 'two 3 /a'])
  table.trigger('/a', EventType.nodeChildrenChanged, 1, openAcl, true)
  assert.deepEqual(heard.splice(0), ['one 4 /a'], 'recursive watches do not hear of children')
  table.trigger('/a/b', EventType.nodeCreated, 1, openAcl, false)
  assert.deepEqual(heard.splice(0), ['two 1 /a/b'])
  table.removeWatcher(two)
  table.removeWatcher(one)
  table.trigger('/a', EventType.nodeDataChanged, 1, openAcl, false)
  assert.deepEqual([heard, table.count, table.pathCount], [[], 0, 0])
})

test('paths are taken as ZooKeeper takes them', () => {
  for (const good of ['/', '/a', '/a/b.c', '/a/..b', '/ก', '/a b'])
    assert.ok(isValidPath(good), good)
  for (const bad of [
    '',
    'a',
    '/a/',
    '//',
    '/a//b',
    '/.',
    '/../a',
    '/a/./b',
    '/a\0',
    '/\u007f',
    '/\ud800',
    '/\ufff1',
  ])
    assert.ok(!isValidPath(bad), JSON.stringify(bad))
})

test('ACL entries match by address and mask, and auth means the caller', () => {
  const acl = [{ perms: 1, scheme: 'ip', id: '10.1.0.0/15' }]
  assert.ok(isAllowed(acl, 1, [{ scheme: 'ip', id: '10.0.255.1' }]))
  assert.ok(!isAllowed(acl, 1, [{ scheme: 'ip', id: '10.2.0.1' }]))
  assert.ok(!isAllowed(acl, 2, [{ scheme: 'ip', id: '10.1.0.1' }]))
  assert.ok(
    isAllowed([{ perms: 1, scheme: 'ip', id: '::1' }], 1, [
      { scheme: 'ip', id: '0:0:0:0:0:0:0:1' },
    ]),
  )
  const me = { scheme: 'digest', id: digestId('me:pw') }
  assert.deepEqual(resolveAcl([{ perms: 3, scheme: 'auth', id: '' }], [me]), [{ perms: 3, ...me }])
  assert.equal(resolveAcl([{ perms: 3, scheme: 'auth', id: '' }], []), undefined)
  for (const id of ['10.0.0.1/33', 'x', '10.0.0.1/', '1.2.3'])
    assert.equal(resolveAcl([{ perms: 1, scheme: 'ip', id }], []), undefined, id)
})

test('decoders take any bytes without harm', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const decode of [readMulti, readMultiRead, readTransaction]) {
        const reader = new Reader(bytes)
        decode(reader)
        assert.ok(reader.failed || reader.position <= bytes.byteLength)
      }
      readSetWatches(new Reader(bytes), OpCode.setWatches2)
    }),
  )
})
