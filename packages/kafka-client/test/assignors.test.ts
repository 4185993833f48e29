import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '@khlong/core/testing'
import {
  type Assignor,
  cooperativeStickyAssignor,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  rangeAssignor,
  roundRobinAssignor,
  type SubscribedMember,
  type TopicPartition,
} from '@khlong/kafka-client'

const member = (
  memberId: string,
  topics: readonly string[],
  ownedPartitions: readonly TopicPartition[] = [],
  generationId = -1,
): SubscribedMember => ({
  memberId,
  groupInstanceId: null,
  topics,
  userData: null,
  ownedPartitions,
  generationId,
})

async function shares(
  assignor: Assignor,
  members: readonly SubscribedMember[],
  topics: Readonly<Record<string, number>>,
): Promise<Record<string, string[]>> {
  const parts = await assignor.assign(members, new Map(Object.entries(topics)))
  return Object.fromEntries(
    [...parts].map(([memberId, { partitions }]) => [
      memberId,
      partitions.map((one) => `${one.topic}${one.partition}`).sort(),
    ]),
  )
}

test('range gives neighbouring partitions of each topic, the first members one more', async () => {
  const members = [member('b', ['t', 'u']), member('a', ['t', 'u'])]
  assert.deepEqual(await shares(rangeAssignor, members, { t: 3, u: 3 }), {
    a: ['t0', 't1', 'u0', 'u1'],
    b: ['t2', 'u2'],
  })
})

test('round-robin deals all partitions out one by one, past those who did not subscribe', async () => {
  const members = [member('a', ['t', 'u']), member('b', ['t', 'u'])]
  assert.deepEqual(await shares(roundRobinAssignor, members, { t: 3, u: 3 }), {
    a: ['t0', 't2', 'u1'],
    b: ['t1', 'u0', 'u2'],
  })
  const mixed = [member('a', ['t']), member('b', ['t', 'u']), member('c', ['x'])]
  assert.deepEqual(await shares(roundRobinAssignor, mixed, { t: 2, u: 2 }), {
    a: ['t0'],
    b: ['t1', 'u0', 'u1'],
    c: [],
  })
})

test('a static member keeps its place in the order whatever member id it has', async () => {
  const first = { ...member('z', ['t']), groupInstanceId: 'i-1' }
  const second = { ...member('a', ['t']), groupInstanceId: 'i-2' }
  assert.deepEqual(await shares(rangeAssignor, [second, first], { t: 3 }), {
    z: ['t0', 't1'],
    a: ['t2'],
  })
})

test('cooperative-sticky takes a partition away in one round and gives it in the next', async () => {
  const owned = [0, 1, 2, 3].map((partition) => ({ topic: 't', partition }))
  const first = await shares(
    cooperativeStickyAssignor,
    [member('a', ['t'], owned, 1), member('b', ['t'])],
    { t: 4 },
  )
  assert.deepEqual(first, { a: ['t0', 't1'], b: [] })
  const second = await shares(
    cooperativeStickyAssignor,
    [member('a', ['t'], owned.slice(0, 2), 2), member('b', ['t'], [], 2)],
    { t: 4 },
  )
  assert.deepEqual(second, { a: ['t0', 't1'], b: ['t2', 't3'] })
})

test('of two members that claim a partition the one of the later generation owns it', async () => {
  const claim = [{ topic: 't', partition: 0 }]
  const parts = await shares(
    cooperativeStickyAssignor,
    [member('a', ['t'], claim, 3), member('b', ['t'], claim, 4)],
    { t: 1 },
  )
  assert.deepEqual(parts, { a: [], b: ['t0'] })
})

test('whoever comes and goes, every partition has one owner, counts stay even, and few move', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed)
    const topics = { t: 1 + Math.floor(random.next() * 20), u: 1 + Math.floor(random.next() * 9) }
    const total = topics.t + topics.u
    let members: SubscribedMember[] = []
    let name = 0
    for (let step = 0; step < 12; step++) {
      if (members.length > 1 && random.next() < 0.4)
        members.splice(Math.floor(random.next() * members.length), 1)
      else members.push(member(`m${name++}`, ['t', 'u']))
      for (let round = 0; round < 2; round++) {
        const before = new Map(members.map((one) => [one.memberId, one.ownedPartitions]))
        const parts = await cooperativeStickyAssignor.assign(
          members,
          new Map(Object.entries(topics)),
        )
        members = members.map((one) => ({
          ...one,
          ownedPartitions: parts.get(one.memberId)!.partitions,
          generationId: step * 2 + round,
        }))
        const least = Math.floor(total / members.length)
        for (const { memberId, ownedPartitions } of members) {
          const kept = before
            .get(memberId)!
            .filter((had) =>
              ownedPartitions.some(
                (has) => has.topic === had.topic && has.partition === had.partition,
              ),
            ).length
          // Nobody loses more than what makes the shares even.
          assert.ok(kept >= Math.min(least, before.get(memberId)!.length), `seed ${seed}`)
        }
      }
      const owned = members.flatMap((one) =>
        one.ownedPartitions.map((has) => `${has.topic}${has.partition}`),
      )
      assert.equal(owned.length, total, `seed ${seed} step ${step}`)
      assert.equal(new Set(owned).size, total)
      const counts = members.map((one) => one.ownedPartitions.length)
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `seed ${seed}: ${counts}`)
    }
  }
})

test('subscriptions and assignments come back, user data included', () => {
  const subscription = {
    topics: ['a', 'b'],
    userData: Buffer.from('per member'),
    ownedPartitions: [
      { topic: 'a', partition: 0 },
      { topic: 'a', partition: 2 },
      { topic: 'b', partition: 1 },
    ],
    generationId: 7,
  }
  assert.deepEqual(decodeSubscription(encodeSubscription(subscription)), subscription)
  const assignment = {
    partitions: [{ topic: 'a', partition: 5 }],
    userData: Buffer.from([1, 2, 3]),
  }
  assert.deepEqual(decodeAssignment(encodeAssignment(assignment)), assignment)
  assert.deepEqual(decodeAssignment(Buffer.alloc(0)), { partitions: [], userData: null })
})

test('a newer subscription with more fields is read as far as it is known', () => {
  const bytes = Buffer.concat([
    encodeSubscription({ topics: ['t'], userData: null, ownedPartitions: [], generationId: 2 }),
    Buffer.from('more fields'),
  ])
  bytes.writeInt16BE(9)
  assert.deepEqual(decodeSubscription(bytes).topics, ['t'])
})
