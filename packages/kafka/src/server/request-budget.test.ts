import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock, SeededRandom } from '@khlong/core/testing'
import { RequestBudget, RequestRoom } from './request-budget.ts'

const stalledMs = 30_000

class Client {
  readonly room: RequestRoom
  admittedCount = 0
  isCut = false

  constructor(budget: RequestBudget) {
    this.room = new RequestRoom(budget, {
      onAdmitted: () => {
        this.admittedCount++
      },
      onStalled: () => {
        this.isCut = true
        this.room.close()
      },
    })
  }
}

function budgetOf(bytesMax: number): { clock: FakeClock; budget: RequestBudget } {
  const clock = new FakeClock()
  return { clock, budget: new RequestBudget({ clock, bytesMax, stalledMs }) }
}

test('large frames are let in while something is left, and the others in the order of coming', () => {
  const { budget } = budgetOf(1_000_000)
  const clients = Array.from({ length: 4 }, () => new Client(budget))
  for (const { room } of clients) room.expect(600_000, 65_536)
  assert.deepEqual(
    clients.map(({ room }) => room.mustWait),
    [false, false, true, true],
  )
  assert.equal(budget.heldBytes, 1_200_000)
  const [first, second, third, fourth] = clients as [Client, Client, Client, Client]
  // A frame holds the same while it is read and while its request is under way.
  first.room.enter(600_000)
  assert.equal(budget.heldBytes, 1_200_000)
  first.room.leave(600_000)
  assert.equal(third.admittedCount, 1)
  assert.ok(!third.room.mustWait)
  assert.ok(fourth.room.mustWait)
  second.room.close()
  assert.equal(fourth.admittedCount, 1)
  third.room.close()
  fourth.room.close()
  assert.equal(budget.heldBytes, 0)
})

test('a frame larger than all of it is let in, and nothing beside it', () => {
  const { budget } = budgetOf(1_000_000)
  const large = new Client(budget)
  large.room.expect(50_000_000, 4)
  assert.ok(!large.room.mustWait)
  const next = new Client(budget)
  next.room.expect(100_000, 4)
  assert.ok(next.room.mustWait)
  large.room.enter(50_000_000)
  assert.ok(next.room.mustWait)
  large.room.leave(50_000_000)
  assert.equal(next.admittedCount, 1)
})

test('where memory is short everybody has one small request under way, and what was let in is read on', () => {
  const { budget } = budgetOf(1_000_000)
  const holder = new Client(budget)
  holder.room.expect(1_000_000, 4)
  const small = new Client(budget)
  small.room.expect(1_000, 4)
  assert.ok(!small.room.mustWait)
  small.room.enter(1_000)
  assert.ok(small.room.mustWait)
  small.room.leave(1_000)
  assert.ok(!small.room.mustWait)
  // Its earlier request does not keep it from the frame that holds memory.
  const reader = new Client(budget)
  holder.room.enter(1_000_000)
  holder.room.leave(1_000_000)
  reader.room.enter(1_000)
  reader.room.expect(1_000_000, 4)
  assert.ok(budget.isSpent)
  assert.ok(!reader.room.mustWait)
})

test('while others wait, who does not send the frame that he began is cut', () => {
  const { clock, budget } = budgetOf(1_000_000)
  const silent = new Client(budget)
  const busy = new Client(budget)
  silent.room.expect(500_000, 4)
  busy.room.expect(500_000, 4)
  clock.advance(10 * stalledMs)
  const waiting = new Client(budget)
  waiting.room.expect(900_000, 4)
  assert.ok(waiting.room.mustWait)
  for (let bytes = 100_000; bytes <= 300_000; bytes += 100_000) {
    assert.ok(!silent.isCut || bytes > 200_000)
    busy.room.expect(500_000, bytes)
    clock.advance(stalledMs)
  }
  assert.ok(silent.isCut)
  assert.ok(!busy.isCut)
  assert.equal(waiting.admittedCount, 1)
  // Nobody waits any more.
  clock.advance(10 * stalledMs)
  assert.ok(!busy.isCut)
})

test('who logged in counts with the others from then on', () => {
  const { budget: logins } = budgetOf(1_000)
  const { budget } = budgetOf(1_000_000)
  const { room } = new Client(logins)
  room.enter(800)
  room.moveTo(budget)
  assert.equal(logins.heldBytes, 0)
  assert.equal(budget.heldBytes, 800)
  room.expect(500_000, 4)
  assert.equal(budget.heldBytes, 500_800)
  room.close()
  room.leave(800)
  assert.equal(budget.heldBytes, 0)
})

test('without a limit nothing waits', () => {
  const { budget } = budgetOf(Number.POSITIVE_INFINITY)
  for (let index = 0; index < 100; index++) {
    const { room } = new Client(budget)
    room.expect(100_000_000, 4)
    assert.ok(!room.mustWait)
  }
})

test('whatever clients do, everybody is let in at last, and all is given back', () => {
  const random = new SeededRandom(7)
  const below = (count: number): number => Math.floor(random.next() * count)
  const bytesMax = 1_000_000
  const { budget } = budgetOf(bytesMax)
  const clients = Array.from({ length: 20 }, () => ({
    client: new Client(budget),
    frame: 0,
    received: 0,
    underWay: [] as number[],
    answeredCount: 0,
  }))
  for (let step = 0; step < 200_000; step++) {
    const one = clients[below(clients.length)]!
    const { room } = one.client
    if (one.underWay.length > 0 && below(2) === 0) {
      room.leave(one.underWay.shift()!)
      one.answeredCount++
    } else if (!room.mustWait) {
      if (one.frame === 0) one.frame = 1 + below(400_000)
      one.received = Math.min(one.frame, one.received + 65_536)
      if (one.received < one.frame) room.expect(one.frame, one.received)
      else {
        room.enter(one.frame)
        one.underWay.push(one.frame)
        one.frame = 0
        one.received = 0
      }
    }
    // The last that was let in, and a small one of each.
    assert.ok(budget.heldBytes <= bytesMax + 400_000 + clients.length * 65_536)
  }
  for (const { answeredCount } of clients) assert.ok(answeredCount > 100, `${answeredCount}`)
  for (const { client, underWay } of clients) {
    client.room.close()
    for (const bytes of underWay) client.room.leave(bytes)
  }
  assert.equal(budget.heldBytes, 0)
  assert.equal(budget.waitingCount, 0)
})
