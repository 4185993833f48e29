import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { GroupMember, type JoinedMember } from '@khlong/kafka-client'
import { ErrorCode } from '@khlong/kafka-protocol'
import { ScriptedBroker } from './scripted-broker.ts'
import { ScriptedGroup } from './scripted-group.ts'

interface Harness {
  readonly group: ScriptedGroup
  readonly member: GroupMember
  /** Resolves when `event` was noted for the `count`th time. */
  until(event: RegExp, count?: number): Promise<void>
}

async function startMember(
  t: { after(cleanUp: () => Promise<void>): void },
  handlers: { onPrepare?: () => Promise<void> } = {},
): Promise<Harness> {
  const broker = await new ScriptedBroker().start(t as never)
  const group = new ScriptedGroup(broker)
  const { events } = group
  const member = new GroupMember(
    {
      'bootstrap.servers': broker.bootstrapServers,
      'group.id': 'g',
      'heartbeat.interval.ms': 5,
      'retry.backoff.ms': 5,
    },
    {
      protocols: () => [{ name: 'sessioned', metadata: Buffer.from('worker-1') }],
      assign: (protocol, members: readonly JoinedMember[]) => {
        events.push(`assign ${protocol} ${members.map((one) => one.metadata).join()}`)
        return new Map(members.map((one) => [one.memberId, Buffer.from(`part of ${one.memberId}`)]))
      },
      onPrepare: async (generation) => {
        events.push(`prepare ${generation.generationId}`)
        await handlers.onPrepare?.()
        events.push('prepared')
      },
      onAssigned: (assignment, generation) => {
        events.push(`assigned ${assignment} in ${generation.generationId}`)
      },
      onLost: (error) => {
        events.push(`lost ${error.code}`)
      },
      onFailure: (error) => {
        events.push(`failed ${error.code}`)
      },
    },
    { protocolType: 'connect' },
  )
  t.after(() => member.leave())
  const until = (event: RegExp, count = 1): Promise<void> =>
    eventually(() => {
      const isThere = events.filter((one) => event.test(one)).length >= count
      assert.ok(isThere, `${event} in ${events.join('; ')}`)
    })
  member.start()
  return { group, member, until }
}

test('a member gets its id, leads, and is told its part', async (t) => {
  const { group, member, until } = await startMember(t)
  await until(/^assigned/)
  assert.deepEqual(group.events, [
    'join - connect',
    'join m0 connect',
    'assign sessioned worker-1',
    'assigned part of m0 in 1',
  ])
  assert.equal(member.isLeader, true)
  assert.deepEqual(member.generation, {
    groupId: 'g',
    generationId: 1,
    memberId: 'm0',
    groupInstanceId: null,
    protocol: 'sessioned',
    leaderId: 'm0',
  })
  await member.leave()
  assert.equal(group.events.at(-1), 'leave')
  assert.equal(member.generation, undefined)
})

test('giving back is awaited before the member joins again, and heartbeats go on meanwhile', async (t) => {
  let finish!: () => void
  const gate = new Promise<void>((resolve) => {
    finish = resolve
  })
  const { group, member, until } = await startMember(t, { onPrepare: () => gate })
  await until(/^assigned/)
  group.heartbeatError = ErrorCode.rebalanceInProgress
  await until(/^prepare 1/)
  assert.equal(member.generation?.generationId, 1)
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(!group.events.includes('join m0 connect', 3))
  finish()
  await until(/^assigned .* in 2/)
  assert.deepEqual(group.events.slice(4), [
    'prepare 1',
    'prepared',
    'join m0 connect',
    'assign sessioned worker-1',
    'assigned part of m0 in 2',
  ])
})

test('a member that the coordinator does not know any more loses its part and joins as a new one', async (t) => {
  const { group, until } = await startMember(t)
  await until(/^assigned/)
  group.heartbeatError = ErrorCode.unknownMemberId
  await until(/^assigned .* in 2/)
  assert.deepEqual(group.events.slice(4), [
    'lost KAFKA_CLIENT_MEMBER_LOST',
    'join - connect',
    'join m1 connect',
    'assign sessioned worker-1',
    'assigned part of m1 in 2',
  ])
})

test('a member that changes what it offers asks for a new round', async (t) => {
  const { group, member, until } = await startMember(t)
  await until(/^assigned/)
  member.rejoin()
  await until(/^assigned .* in 2/)
  assert.ok(group.events.includes('prepare 1'))
})

test('a member that is evicted leaves, is told that its part is lost, and joins again', async (t) => {
  const { group, member, until } = await startMember(t)
  await until(/^assigned/)
  await member.evict('it was asleep')
  await until(/^assigned .* in 2/)
  assert.ok(group.events.includes('leave'))
  assert.ok(group.events.includes('lost KAFKA_CLIENT_MEMBER_LOST'))
})
