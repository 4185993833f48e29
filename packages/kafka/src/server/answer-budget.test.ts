import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock, SeededRandom } from '@khlong/core/testing'
import { AnswerBudget, AnswerRoom } from './answer-budget.ts'

const stalledMs = 30_000
const { signal } = new AbortController()
const nothing = (): void => {}
const turn = (): Promise<void> => new Promise(setImmediate)

function budgetOf(bytesMax: number): { clock: FakeClock; budget: AnswerBudget } {
  const clock = new FakeClock()
  return { clock, budget: new AnswerBudget({ clock, bytesMax, stalledMs }) }
}

test('answers get smaller while much is held, and none goes beyond the budget', () => {
  const { budget } = budgetOf(1_000_000)
  const first = new AnswerRoom(budget, nothing)
  assert.equal(first.readBytesMax, 250_000)
  assert.ok(first.ensure(600_000))
  const second = new AnswerRoom(budget, nothing)
  assert.equal(second.readBytesMax, 100_000)
  assert.ok(!second.ensure(400_001))
  assert.ok(second.ensure(400_000))
  assert.ok(budget.isSpent)
  first.close()
  assert.equal(budget.heldBytes, 400_000)
  second.close()
  assert.equal(budget.heldBytes, 0)
})

test('a batch larger than the budget is held alone', async () => {
  const { budget } = budgetOf(1_000)
  const small = new AnswerRoom(budget, nothing)
  assert.ok(small.ensure(10))
  const large = new AnswerRoom(budget, nothing)
  assert.ok(!large.ensure(5_000))
  const waiting = large.wait(5_000, 60_000, signal)
  // Nobody comes before the one who waits.
  assert.ok(!new AnswerRoom(budget, nothing).ensure(10))
  small.close()
  await waiting
  assert.equal(large.heldBytes, 5_000)
})

test('who waits is served in turn, gives up at his time, and at the end of his connection', async () => {
  const { clock, budget } = budgetOf(1_000)
  const holder = new AnswerRoom(budget, nothing)
  assert.ok(holder.ensure(1_000))
  const rooms = Array.from({ length: 4 }, () => new AnswerRoom(budget, nothing))
  const connection = new AbortController()
  const order: number[] = []
  const waits = rooms.map(async (room, index) => {
    await room.wait(500, index === 1 ? 5_000 : 60_000, index === 0 ? connection.signal : signal)
    order.push(index)
  })
  connection.abort()
  await turn()
  clock.advance(5_000)
  await turn()
  assert.deepEqual(order, [0, 1])
  assert.equal(rooms[0]!.heldBytes + rooms[1]!.heldBytes, 0)
  holder.close()
  await Promise.all(waits)
  assert.deepEqual(order, [0, 1, 2, 3])
  assert.equal(budget.heldBytes, 1_000)
})

test('an answer that is not taken ends its connection, when others wait for room', async () => {
  const { clock, budget } = budgetOf(1_000)
  const cut: string[] = []
  const holder = (name: string): AnswerRoom => {
    const room: AnswerRoom = new AnswerRoom(budget, () => {
      cut.push(name)
      room.close()
    })
    assert.ok(room.ensure(500))
    room.noteSent()
    return room
  }
  holder('old')
  clock.advance(20_000)
  holder('new')
  clock.advance(stalledMs)
  assert.deepEqual(cut, [], 'nobody waits')
  const room = new AnswerRoom(budget, nothing)
  await room.wait(400, 60_000, signal)
  assert.deepEqual(cut, ['old'])
  const next = new AnswerRoom(budget, nothing)
  await next.wait(600, 60_000, signal)
  assert.deepEqual(cut, ['old', 'new'])
})

for (const seed of [1, 2, 3, 4])
  test(`the budget holds whatever comes in which order, and all is given back, seed ${seed}`, async () => {
    const { clock, budget } = budgetOf(10_000)
    const random = new SeededRandom(seed)
    const below = (limit: number): number => Math.floor(random.next() * limit)
    const live = new Set<AnswerRoom>()
    const answer = async (): Promise<void> => {
      const connection = new AbortController()
      const room: AnswerRoom = new AnswerRoom(budget, () => {
        connection.abort()
        room.close()
        live.delete(room)
      })
      live.add(room)
      const wanted = 1 + below(12_000)
      for (let tries = 0; tries < 3 && !room.ensure(wanted); tries++) {
        if (random.next() < 0.1) connection.abort()
        await room.wait(wanted, 1 + below(20_000), connection.signal)
      }
      room.settle(Math.min(room.heldBytes, 1 + below(12_000)))
      if (random.next() < 0.7) room.noteSent()
    }
    const answers: Promise<void>[] = []
    for (let step = 0; step < 2_000; step++) {
      const kind = random.next()
      if (kind < 0.5) answers.push(answer())
      else if (kind < 0.8) {
        const taken = [...live][below(live.size)]
        taken?.close()
        if (taken) live.delete(taken)
      } else if (kind < 0.9) clock.advance(below(3_000))
      else await turn()
      let held = 0
      let most = 0
      for (const room of live) {
        held += room.heldBytes
        most = Math.max(most, room.heldBytes)
      }
      assert.equal(budget.heldBytes, held)
      assert.ok(held <= 10_000 || held === most, `${held} bytes are held`)
    }
    for (let round = 0; budget.waitingCount > 0 || live.size > 0; round++) {
      assert.ok(round < 10_000, 'somebody waits for ever')
      for (const room of live)
        if (random.next() < 0.5) {
          room.close()
          live.delete(room)
        }
      clock.advance(1_000)
      await turn()
    }
    await Promise.all(answers)
    assert.equal(budget.heldBytes, 0)
  })
