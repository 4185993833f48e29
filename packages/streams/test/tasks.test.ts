import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import iotProcessor from '../../../pipelines/iot/streams/iot-processor.ts'
import { StreamsBuilder, serdes } from '../src/index.ts'
import { shareTasks, type TaskMember } from '../src/runtime/assignor.ts'
import {
  enqueue,
  headOf,
  PartitionGroup,
  type PolledRecords,
  shiftHead,
} from '../src/runtime/partition-group.ts'
import { RunningTask } from '../src/runtime/running-task.ts'
import { decodePartitionTime, encodePartitionTime } from '../src/runtime/stream-time.ts'
import type { StreamTask } from '../src/runtime/task.ts'
import { type PlannedTask, planTasks, upstreamOf } from '../src/runtime/task-plan.ts'

describe('the tasks of a topology', () => {
  const topology = iotProcessor.build()
  const plan = planTasks(topology, 'iot-processor', () => 6, 86_400_000)

  it('are one per partition of each sub-topology; repartition topics are as wide as what feeds them', () => {
    assert.equal(plan.tasks.length, 18)
    assert.deepEqual(plan.tasks.at(-1)?.sources, [
      { topic: 'iot-processor-aggregate-metrics-by-place-tmp-repartition', partition: 5 },
    ])
    assert.deepEqual(
      plan.repartitionTopics.map(({ name, partitions }) => [name, partitions]),
      [
        ['iot-processor-aggregate-metrics-by-sensor-tmp-repartition', 6],
        ['iot-processor-aggregate-metrics-by-place-tmp-repartition', 6],
      ],
    )
  })

  it('have changelogs with the settings that Java gives them', () => {
    const configs = Object.fromEntries(
      plan.changelogTopics.map(({ name, config }) => [name, config]),
    )
    assert.deepEqual(configs['iot-processor-aggregate-metrics-by-sensor-tmp-changelog'], {
      'cleanup.policy': 'compact,delete',
      'message.timestamp.type': 'CreateTime',
      'retention.ms': String(300_000 + 86_400_000),
    })
    assert.deepEqual(configs['iot-processor-KTABLE-SUPPRESS-STATE-STORE-0000000008-changelog'], {
      'cleanup.policy': 'compact',
      'message.timestamp.type': 'CreateTime',
    })
    assert.equal(plan.repartitionTopics[0]?.config['retention.ms'], '-1')
    const own = { 'min.insync.replicas': '2' }
    const other = planTasks(topology, 'iot-processor', () => 6, 86_400_000, own)
    for (const { config } of [...other.repartitionTopics, ...other.changelogTopics])
      assert.equal(config['min.insync.replicas'], '2')
  })

  it('know which tasks feed them', () => {
    const [first, second, third] = topology.subTopologies()
    assert.deepEqual([...upstreamOf(third!, [first!, second!, third!])], [third, first])
  })

  it('cannot be found for a repartition topic that feeds only itself', () => {
    const builder = new StreamsBuilder()
    const loop = builder.stream('in', { keySerde: serdes.string, valueSerde: serdes.string })
    loop.repartition({ name: 'x' }).repartition({ name: 'y' })
    assert.equal(planTasks(builder.build(), 'app', () => 3, 0).tasks.length, 9)
  })

  it('are shared out evenly with who comes anew, also where all others could keep theirs', () => {
    const share = (
      count: number,
      before?: Map<string, PlannedTask[]>,
    ): Map<string, PlannedTask[]> =>
      shareTasks(
        plan.tasks,
        Array.from({ length: count }, (_, index) => ({
          memberId: `m${index}`,
          running: new Set(before?.get(`m${index}`)?.map(({ id }) => id)),
          stored: new Set<string>(),
        })),
      )
    for (let count = 1; count < 20; count++)
      for (let more = 1; more < 5; more++) {
        const counts = [...share(count + more, share(count)).values()].map((one) => one.length)
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join())
      }
  })

  it('are shared out whole, evenly, and stay where they are', () => {
    const members = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(members, members, (before, after) => {
        const fresh = (id: number): TaskMember => ({
          memberId: `m${id}`,
          running: new Set(),
          stored: new Set(),
        })
        const first = shareTasks(plan.tasks, before.map(fresh))
        const second = shareTasks(
          plan.tasks,
          after.map((id) => ({
            ...fresh(id),
            running: new Set(first.get(`m${id}`)?.map((task) => task.id)),
          })),
        )
        const all = [...second.values()].flat().map(({ id }) => id)
        assert.deepEqual(all.sort(), plan.tasks.map(({ id }) => id).sort())
        for (const share of second.values())
          assert.ok(
            share.length >= Math.floor(plan.tasks.length / after.length) &&
              share.length <= Math.ceil(plan.tasks.length / after.length),
            `${share.length} of ${plan.tasks.length} tasks for one of ${after.length}`,
          )
        if (before.length !== after.length || before.some((id) => !after.includes(id))) return
        for (const [memberId, share] of first)
          assert.deepEqual(
            second
              .get(memberId)
              ?.map(({ id }) => id)
              .sort(),
            share.map(({ id }) => id).sort(),
          )
      }),
    )
  })
})

describe('partitions that are processed together', () => {
  const planned = { id: '0_0' } as PlannedTask
  const running = (): RunningTask =>
    new RunningTask({ id: '0_0', stores: new Map() } as unknown as StreamTask, planned, 0)
  const polled = (partition: number, ...times: number[]): PolledRecords => {
    const records = times.map((timestamp, offset) => ({
      offset,
      timestamp,
      key: null,
      value: null,
      headers: [],
    }))
    return {
      topic: 't',
      partition,
      nextOffset: times.length,
      get head() {
        return records[0]
      },
      get count() {
        return records.length
      },
      shift: () => {
        records.shift()
      },
    }
  }

  it('give their records in the order of time', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat(50)), { minLength: 1, maxLength: 4 }), (lists) => {
        const group = new PartitionGroup(0)
        const task = running()
        for (const [partition, times] of lists.entries()) {
          const queue = group.addPartition({ topic: 't', partition }, task)
          if (times.length > 0) enqueue(queue, polled(partition, ...times.sort((a, b) => a - b)))
        }
        const order: number[] = []
        for (let next = group.next(); next; next = group.next())
          for (
            let record = headOf(next.queue);
            record && record.timestamp <= next.untilMs;
            record = headOf(next.queue)
          ) {
            order.push(record.timestamp)
            shiftHead(next.queue)
          }
        assert.deepEqual(
          order,
          lists.flat().sort((a, b) => a - b),
        )
      }),
    )
  })

  it('wait for nothing with max.task.idle.ms -1, also not for what is at the broker', () => {
    const group = new PartitionGroup(-1)
    const task = running()
    const queue = group.addPartition({ topic: 't', partition: 0 }, task)
    group.addPartition({ topic: 't', partition: 1 }, task)
    assert.equal(
      group.isReady(1_000, () => 3),
      false,
    )
    enqueue(queue, polled(0, 1, 2))
    assert.equal(
      group.isReady(1_000, () => 3),
      true,
    )
  })

  it('wait for one that has more to come, and for the idle time where none is known', () => {
    const group = new PartitionGroup(100)
    const task = running()
    const queue = group.addPartition({ topic: 't', partition: 0 }, task)
    group.addPartition({ topic: 't', partition: 1 }, task)
    enqueue(queue, polled(0, 1, 2))
    assert.equal(
      group.isReady(1_000, () => 3),
      false,
    )
    assert.equal(
      group.isReady(1_050, () => undefined),
      false,
    )
    assert.equal(
      group.isReady(1_099, () => 0),
      false,
    )
    assert.equal(
      group.isReady(1_100, () => 0),
      true,
    )
    assert.equal(
      group.isReady(1_101, () => 0),
      false,
    )
    assert.equal(
      group.isReady(6_101, () => 3),
      true,
    )
    enqueue(queue, polled(0, ...Array.from({ length: 1_000 }, (_, index) => index)))
    assert.equal(
      group.isReady(7_000, () => 0),
      true,
    )
  })
})

describe('what Java keeps', () => {
  it('is the time of a partition beside its offset', () => {
    const time = { timeMs: 1_769_846_400_000, processorTimes: new Map([['windows', 5]]) }
    const metadata = encodePartitionTime(time)
    assert.equal(
      Buffer.from(metadata, 'base64').toString('hex'),
      '020000019c1310e400000000010000000777696e646f77730000000000000005',
    )
    assert.deepEqual(decodePartitionTime(metadata), time)
    const version1 = Buffer.from('010000019c1310e400', 'hex').toString('base64')
    assert.deepEqual(decodePartitionTime(version1), { ...time, processorTimes: new Map() })
    assert.equal(decodePartitionTime('').timeMs, -1)
    assert.equal(decodePartitionTime(metadata.slice(0, 20)).timeMs, -1)
  })
})
