import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SeededRandom } from '@khlong/core/testing'
import { Assignor, pieceKey } from '../../src/cluster/assignor.ts'
import type { WorkPiece } from '../../src/cluster/worker-protocol.ts'

const connectors = (...names: string[]): WorkPiece[] =>
  names.flatMap((connector) => [{ connector }, { connector, task: 0 }, { connector, task: 1 }])

/** Workers that do what they are told. */
class Workers {
  readonly running = new Map<string, Map<string, WorkPiece>>()
  readonly assignor: Assignor
  configured: WorkPiece[] = []
  nowMs = 0
  delayMs = 0
  moved = 0

  constructor(delayMsMax: number, ...ids: string[]) {
    this.assignor = new Assignor(delayMsMax)
    for (const id of ids) this.running.set(id, new Map())
  }

  /** One round; gives whether something was revoked, so that another one follows. */
  round(): boolean {
    const members = [...this.running].map(([id, running]) => ({
      id,
      running: [...running.values()],
    }))
    const { shares, delayMs } = this.assignor.assign({
      configured: this.configured,
      members,
      nowMs: this.nowMs,
    })
    this.delayMs = delayMs
    let hasRevoked = false
    for (const [id, { assigned, revoked }] of shares) {
      const running = this.running.get(id)!
      for (const piece of revoked) running.delete(pieceKey(piece))
      for (const piece of assigned) running.set(pieceKey(piece), piece)
      hasRevoked ||= revoked.length > 0
      this.moved += revoked.length
    }
    const all = [...this.running.values()].flatMap((running) => [...running.keys()])
    assert.equal(new Set(all).size, all.length, 'something runs twice')
    return hasRevoked
  }

  settle(): void {
    let rounds = 0
    while (this.round()) assert.ok(rounds++ < 5, 'it does not come to rest')
  }

  counts(): Record<string, number> {
    return Object.fromEntries([...this.running].map(([id, running]) => [id, running.size]))
  }
}

describe('sharing work among workers', () => {
  test('one worker runs all, and a second one takes half without anything running twice', () => {
    const workers = new Workers(1_000, 'a')
    workers.configured = connectors('x', 'y', 'z', 'w')
    workers.settle()
    assert.deepEqual(workers.counts(), { a: 12 })
    workers.running.set('b', new Map())
    assert.equal(workers.round(), true)
    assert.deepEqual(workers.counts(), { a: 6, b: 0 })
    assert.equal(workers.round(), false)
    assert.deepEqual(workers.counts(), { a: 6, b: 6 })
    assert.equal(workers.moved, 6)
  })

  test('what is new goes to who has least, and what is deleted is given back', () => {
    const workers = new Workers(1_000, 'a', 'b')
    workers.configured = connectors('x', 'y')
    workers.settle()
    assert.deepEqual(workers.counts(), { a: 3, b: 3 })
    workers.configured = connectors('x', 'y', 'z')
    workers.settle()
    assert.equal(workers.moved, 0)
    workers.configured = connectors('z')
    workers.settle()
    assert.deepEqual(workers.counts().a! + workers.counts().b!, 3)
  })

  test('work of a worker that is gone waits for it, and goes to others when the time is up', () => {
    const workers = new Workers(1_000, 'a', 'b')
    workers.configured = connectors('x', 'y')
    workers.settle()
    workers.running.delete('b')
    workers.settle()
    assert.deepEqual([workers.counts(), workers.delayMs], [{ a: 3 }, 1_000])
    workers.nowMs = 400
    workers.settle()
    assert.deepEqual([workers.counts(), workers.delayMs], [{ a: 3 }, 600])
    workers.nowMs = 1_000
    workers.settle()
    assert.deepEqual([workers.counts(), workers.delayMs], [{ a: 6 }, 0])
  })

  test('a worker that comes back in time gets its work at once', () => {
    const workers = new Workers(1_000, 'a', 'b')
    workers.configured = connectors('x', 'y')
    workers.settle()
    workers.running.delete('b')
    workers.settle()
    workers.running.set('b-again', new Map())
    workers.settle()
    assert.deepEqual(workers.counts(), { a: 3, 'b-again': 3 })
    assert.equal(workers.moved, 0)
  })

  test('without a delay others take over in the same round', () => {
    const workers = new Workers(0, 'a', 'b')
    workers.configured = connectors('x', 'y')
    workers.settle()
    workers.running.delete('a')
    assert.equal(workers.round(), false)
    assert.deepEqual(workers.counts(), { b: 6 })
  })

  test('what runs on two workers is stopped on both before one of them gets it', () => {
    const assignor = new Assignor(0)
    const running = [{ connector: 'x' }]
    const configured = running
    const both = [
      { id: 'a', running },
      { id: 'b', running },
    ]
    const first = assignor.assign({ configured, members: both, nowMs: 0 })
    for (const id of ['a', 'b'])
      assert.deepEqual(first.shares.get(id), { assigned: [], revoked: running })
    const members = both.map(({ id }) => ({ id, running: [] }))
    const { shares } = assignor.assign({ configured, members, nowMs: 0 })
    assert.equal([...shares.values()].flatMap(({ assigned }) => assigned).length, 1)
  })

  test('whatever happens, all runs once in the end, and evenly', () => {
    const seed = Date.now() % 1_000_000
    const random = new SeededRandom(seed)
    const workers = new Workers(500, 'w0')
    let next = 1
    for (let step = 0; step < 300; step++) {
      const dice = random.next()
      const ids = [...workers.running.keys()]
      if (dice < 0.2) workers.running.set(`w${next++}`, new Map())
      else if (dice < 0.4 && ids.length > 1)
        workers.running.delete(ids[Math.floor(random.next() * ids.length)]!)
      else if (dice < 0.5) workers.assignor.reset()
      else if (dice < 0.8)
        workers.configured = connectors(
          ...['p', 'q', 'r', 's', 't', 'u'].filter(() => random.next() < 0.6),
        )
      else workers.nowMs += 200
      workers.round()
    }
    workers.settle()
    workers.nowMs += 500
    workers.settle()
    const total = Object.values(workers.counts()).reduce((sum, count) => sum + count, 0)
    assert.equal(total, workers.configured.length, `seed ${seed}`)
    for (const side of [false, true]) {
      const sizes = [...workers.running.values()].map(
        (running) =>
          [...running.values()].filter(({ task }) => (task !== undefined) === side).length,
      )
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes} with seed ${seed}`)
    }
  })
})
