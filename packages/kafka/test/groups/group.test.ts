import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Writer } from '@khlong/core/bytes'
import { FakeClock } from '@khlong/core/testing'
import { ErrorCode } from '@khlong/kafka-protocol'
import { encodeConsumerProtocolSubscription } from '@khlong/kafka-protocol/messages/consumer-protocol'
import { Group } from '../../src/groups/group.ts'
import type { JoinRequest, JoinResult, SyncResult } from '../../src/groups/group-member.ts'
import { partitionOf } from '../../src/state/coordinator-topic.ts'

const joinRequest = (change: Partial<JoinRequest> = {}): JoinRequest => ({
  memberId: '',
  groupInstanceId: null,
  generation: -1,
  clientId: 'client',
  clientHost: '/127.0.0.1',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 30_000,
  protocolType: 'consumer',
  protocols: [
    { name: 'range', metadata: Buffer.from('r') },
    { name: 'roundrobin', metadata: Buffer.from('rr') },
  ],
  isMemberIdRequired: false,
  canSkipAssignment: true,
  ...change,
})

interface Answer<Result> {
  result: Result | undefined
}

class Bench {
  readonly clock = new FakeClock()
  readonly saved: string[] = []
  readonly group: Group
  constructor(initialRebalanceDelayMs = 0, sizeMax = 100) {
    this.group = new Group('g', {
      clock: this.clock,
      initialRebalanceDelayMs,
      sizeMax,
      save: async (group) => {
        this.saved.push(group.state)
        return ErrorCode.none
      },
    })
  }
  join(change: Partial<JoinRequest> = {}): Answer<JoinResult> {
    const answer: Answer<JoinResult> = { result: undefined }
    this.group.join(joinRequest(change), (result) => {
      answer.result = result
    })
    return answer
  }
  sync(
    memberId: string,
    assignments: Record<string, string> = {},
    groupInstanceId: string | null = null,
  ): Answer<SyncResult> {
    const answer: Answer<SyncResult> = { result: undefined }
    this.group.sync(
      {
        memberId,
        groupInstanceId,
        generation: this.group.generation,
        protocolType: 'consumer',
        protocolName: this.group.protocolName,
        assignments: new Map(
          Object.entries(assignments).map(([id, text]) => [id, Buffer.from(text)]),
        ),
      },
      (result) => {
        answer.result = result
      },
    )
    return answer
  }
  heartbeat(memberId: string): number {
    return this.group.heartbeat({
      memberId,
      groupInstanceId: null,
      generation: this.group.generation,
    })
  }
  /** One member that is settled. */
  async settle(change: Partial<JoinRequest> = {}): Promise<string> {
    const { result } = this.join(change)
    const { memberId } = result!
    this.sync(memberId, { [memberId]: 'all' })
    await Promise.resolve()
    assert.equal(this.group.state, 'Stable')
    return memberId
  }
}

test('a first member leads, and gets what it assigned', async () => {
  const bench = new Bench()
  const { result } = bench.join()
  assert.equal(result?.errorCode, ErrorCode.none)
  assert.equal(result.leader, result.memberId)
  assert.equal(result.protocolName, 'range')
  assert.deepEqual(
    result.members.map(({ metadata }) => String(metadata)),
    ['r'],
  )
  const sync = bench.sync(result.memberId, { [result.memberId]: 'mine' })
  assert.equal(sync.result === undefined, true)
  await Promise.resolve()
  assert.equal(String(sync.result!.assignment), 'mine')
  assert.deepEqual([bench.group.state, bench.saved], ['Stable', ['CompletingRebalance']])
})

test('a dynamic member first gets its id, and must come back with it', () => {
  const bench = new Bench()
  const { result } = bench.join({ isMemberIdRequired: true })
  assert.equal(result?.errorCode, ErrorCode.memberIdRequired)
  const again = bench.join({ isMemberIdRequired: true, memberId: result.memberId })
  assert.equal(again.result?.errorCode, ErrorCode.none)
  assert.equal(bench.join({ memberId: 'nobody' }).result?.errorCode, ErrorCode.unknownMemberId)
})

test('a second member makes the group rebalance, and the first hears of it by its heartbeat', async () => {
  const bench = new Bench()
  const first = await bench.settle()
  const second = bench.join()
  assert.equal(second.result === undefined, true)
  assert.equal(bench.heartbeat(first), ErrorCode.rebalanceInProgress)
  const rejoined = bench.join({ memberId: first })
  assert.equal(rejoined.result?.generation, 2)
  assert.equal(rejoined.result.members.length, 2)
  assert.equal(second.result!.members.length, 0)
  assert.equal(bench.heartbeat(first), ErrorCode.none)
})

test('a member that does not come back within the rebalance timeout is left out', async () => {
  const bench = new Bench()
  await bench.settle({ sessionTimeoutMs: 60_000 })
  const second = bench.join({ sessionTimeoutMs: 60_000 })
  bench.clock.advance(29_999)
  assert.equal(second.result === undefined, true)
  bench.clock.advance(1)
  assert.equal(second.result?.generation, 2)
  assert.equal(bench.group.members.size, 1)
  assert.equal(second.result.leader, second.result.memberId)
})

test('a silent member is dropped at the end of its session, a heard one is not', async () => {
  const bench = new Bench()
  const first = await bench.settle()
  bench.clock.advance(9_000)
  assert.equal(bench.heartbeat(first), ErrorCode.none)
  bench.clock.advance(9_000)
  assert.equal(bench.group.state, 'Stable')
  bench.clock.advance(2_000)
  assert.equal(bench.group.state, 'Empty')
  assert.equal(bench.heartbeat(first), ErrorCode.unknownMemberId)
})

test('an empty group waits for more members, and longer while they come', () => {
  const bench = new Bench(3_000)
  const first = bench.join()
  bench.clock.advance(2_000)
  const second = bench.join()
  bench.clock.advance(2_000)
  assert.equal(first.result === undefined, true)
  bench.clock.advance(2_000)
  assert.equal(first.result?.generation, 1)
  assert.equal(second.result?.generation, 1)
  assert.equal(first.result.members.length, 2)
})

test('a static member that comes back keeps its assignment without a rebalance, and fences the old one', async () => {
  const bench = new Bench()
  const { result } = bench.join({ groupInstanceId: 'a' })
  bench.sync(result!.memberId, { [result!.memberId]: 'mine' }, 'a')
  await Promise.resolve()
  const again = bench.join({ groupInstanceId: 'a' })
  await Promise.resolve()
  assert.equal(again.result?.generation, 1)
  assert.equal(again.result.isAssignmentSkipped, true)
  const sync = bench.sync(again.result.memberId, {}, 'a')
  assert.equal(String(sync.result!.assignment), 'mine')
  const old = bench.sync(result!.memberId, {}, 'a')
  assert.equal(old.result?.errorCode, ErrorCode.fencedInstanceId)
})

test('a static member that comes back owns nothing yet, for which nobody is disturbed; for other topics, all are', async () => {
  const bench = new Bench()
  const subscription = (topics: string[], owned: number[]): JoinRequest['protocols'] => {
    const writer = new Writer().int16(1)
    const ownedPartitions = owned.length > 0 ? [{ topic: 'frames', partitions: owned }] : []
    encodeConsumerProtocolSubscription(writer, { topics, userData: null, ownedPartitions }, 1)
    return [{ name: 'range', metadata: writer.copy() }]
  }
  const member = { groupInstanceId: 'a' }
  const first = bench.join({ ...member, protocols: subscription(['frames'], [0, 1]) })
  bench.sync(first.result!.memberId, {}, 'a')
  await Promise.resolve()
  const back = bench.join({ ...member, protocols: subscription(['frames'], []) })
  await Promise.resolve()
  assert.deepEqual([back.result?.generation, back.result?.isAssignmentSkipped], [1, true])
  const old = bench.join({
    ...member,
    protocols: subscription(['frames'], []),
    canSkipAssignment: false,
  })
  await Promise.resolve()
  assert.equal(old.result?.generation, 1)
  assert.equal(old.result.leader, back.result!.memberId)
  assert.notEqual(old.result.leader, old.result.memberId)
  const other = bench.join({ ...member, protocols: subscription(['frames', 'alarms'], []) })
  await Promise.resolve()
  assert.deepEqual([other.result?.generation, other.result?.isAssignmentSkipped], [2, false])
})

test('members without a common protocol, of another type, or beyond the limit are refused', async () => {
  const bench = new Bench(0, 1)
  await bench.settle()
  const other = [{ name: 'sticky', metadata: Buffer.alloc(0) }]
  const code = (change: Partial<JoinRequest>) => bench.join(change).result?.errorCode
  assert.equal(code({ protocols: other }), ErrorCode.inconsistentGroupProtocol)
  assert.equal(code({ protocolType: 'connect' }), ErrorCode.inconsistentGroupProtocol)
  assert.equal(code({}), ErrorCode.groupMaxSizeReached)
})

test('the protocol is chosen by vote', () => {
  const bench = new Bench(1_000)
  const back = [
    { name: 'roundrobin', metadata: Buffer.from('rr') },
    { name: 'range', metadata: Buffer.from('r') },
  ]
  const answers = [bench.join(), bench.join({ protocols: back }), bench.join({ protocols: back })]
  bench.clock.advance(60_000)
  assert.deepEqual(
    answers.map(({ result }) => result?.protocolName),
    ['roundrobin', 'roundrobin', 'roundrobin'],
  )
})

test('one who leaves makes room at once, and the last one leaves an empty group', async () => {
  const bench = new Bench()
  const first = await bench.settle()
  const second = bench.join()
  bench.join({ memberId: first })
  const [left] = bench.group.leave([{ memberId: first, groupInstanceId: null }])
  assert.equal(left?.errorCode, ErrorCode.none)
  assert.equal(bench.group.state, 'PreparingRebalance')
  const { memberId } = second.result!
  bench.group.leave([{ memberId, groupInstanceId: null }])
  assert.equal(bench.group.state, 'Empty')
})

test('offsets are taken from members of the generation, and from anyone while nobody is there', async () => {
  const bench = new Bench()
  const anyone = { memberId: '', groupInstanceId: null, generation: -1 }
  assert.equal(bench.group.commitRefusal(anyone), ErrorCode.none)
  const memberId = await bench.settle()
  assert.equal(bench.group.commitRefusal(anyone), ErrorCode.unknownMemberId)
  const member = { memberId, groupInstanceId: null, generation: 1 }
  assert.equal(bench.group.commitRefusal(member), ErrorCode.none)
  assert.equal(bench.group.commitRefusal({ ...member, generation: 0 }), ErrorCode.illegalGeneration)
})

test('a group lies in the partition that Java chooses', () => {
  // ("my-group".hashCode() & 0x7fffffff) % 50, by Java 17.
  assert.equal(partitionOf('my-group', 50), 36)
  assert.equal(partitionOf('', 50), 0)
})
