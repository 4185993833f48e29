import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger, systemClock } from '@khlong/core'
import fc from 'fast-check'
import { resolveStreamsSettings, taskSettings } from '../src/config.ts'
import {
  type KTable,
  type Materialized,
  StreamsBuilder,
  type StreamsSettings,
  Suppressed,
  serdes,
  TimeWindows,
} from '../src/index.ts'
import { headersOf, type RecordHeaders } from '../src/record.ts'
import { newTaskCounts, StreamTask } from '../src/runtime/task.ts'
import type { StoreBacking } from '../src/state/state-store.ts'
import { MemoryBacking } from './helpers/store-environment.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }

interface Sent {
  readonly topic: string
  readonly key: string
  readonly value: string | null
  readonly timestampMs: number | undefined
  readonly headers: RecordHeaders
}

/** A task between two commits, which the driver for users does not show: it commits every record. */
class TaskUnderTest {
  readonly task: StreamTask
  #sent: Sent[] = []
  #offset = 0

  constructor(
    builder: StreamsBuilder,
    settings: Partial<StreamsSettings> = {},
    openBacking: () => StoreBacking | undefined = () => undefined,
  ) {
    const resolved = resolveStreamsSettings({ 'application.id': 'app', ...settings })
    const ports = { logger: silentLogger, clock: systemClock, counts: newTaskCounts() }
    const [subTopology] = builder.build().subTopologies()
    this.task = new StreamTask({
      subTopology: subTopology!,
      partition: 0,
      settings: taskSettings(resolved, ports, resolved['statestore.cache.max.bytes']),
      collector: {
        send: (topic, _partition, key, value, timestampMs, headers) => {
          this.#sent.push({
            topic: topic.replace(/^app-(.*)-changelog$/, 'log of $1'),
            key: String(key),
            value: value && String(value),
            timestampMs,
            headers: headersOf(headers),
          })
        },
        partitionCount: () => 1,
      },
      realTopic: (topic) => topic,
      openBacking,
    })
    this.task.start()
  }

  put(key: string, value: string | null, timestamp: number, headers: RecordHeaders = []): void {
    this.task.process('in', 0, {
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      timestamp,
      headers,
      offset: this.#offset++,
    })
  }

  /** What has been sent since the last time: topic, key and value. */
  sent(): string[] {
    return this.records().map(({ topic, key, value }) => `${topic}: ${key}=${value}`)
  }
  records(): Sent[] {
    const sent = this.#sent
    this.#sent = []
    return sent
  }
}

/** The texts of each key, one behind the other. */
function joined(
  builder: StreamsBuilder,
  materialized: Materialized<string, string> = {},
): KTable<string, string> {
  return builder
    .stream('in', text)
    .groupByKey()
    .reduce((a, b) => a + b, { storeName: 'joined', ...text, ...materialized })
}

function written(
  build: (builder: StreamsBuilder) => KTable<string, string>,
  settings: Partial<StreamsSettings> = {},
  openBacking?: () => StoreBacking | undefined,
): TaskUnderTest {
  const builder = new StreamsBuilder()
  build(builder).toStream().to('out', text)
  return new TaskUnderTest(builder, settings, openBacking)
}

describe('the record cache', () => {
  it('holds results and changelog back until a commit, and gives the last of each key', () => {
    const one = written(joined)
    one.put('a', '1', 10, [['h', Buffer.from('first')]])
    one.put('b', '2', 20)
    one.put('a', '3', 15, [['h', Buffer.from('last')]])
    assert.deepEqual(one.sent(), [])
    one.task.flush()
    const records = one.records()
    assert.deepEqual(
      records.map(({ topic, key, value, timestampMs }) => [topic, key, value, timestampMs]),
      [
        ['log of joined', 'b', '2', 20],
        ['out', 'b', '2', 20],
        ['log of joined', 'a', '13', 15],
        ['out', 'a', '13', 15],
      ],
      'in the order of their last changes',
    )
    assert.deepEqual(
      records.map(({ headers }) => headers.map(([, value]) => String(value))),
      [[], [], [], ['last']],
      'with the headers of the record that made it',
    )
    one.task.flush()
    assert.deepEqual(one.sent(), [])
  })

  it('gives old values as they were at the last commit', () => {
    const builder = new StreamsBuilder()
    joined(builder)
      .groupBy((_key, value) => ['all', value], text)
      .reduce(
        (sum, value) => `${sum}+${value}`,
        (sum, value) => `${sum}-${value}`,
        text,
      )
    const one = new TaskUnderTest(builder)
    const changes = (): string[] =>
      one.sent().filter((sent) => sent.includes('KTABLE-AGGREGATE') || sent.includes('repartition'))
    for (const value of ['1', '2']) one.put('a', value, 1)
    one.task.flush()
    assert.equal(changes().length, 1)
    for (const value of ['3', '4']) one.put('a', value, 2)
    one.task.flush()
    const [change] = changes()
    assert.match(change!, /1234/)
    assert.match(change!, /12/)
  })

  it('leaves out what came and went between two commits', () => {
    const one = written((builder) => builder.table('in', text, { storeName: 'table' }))
    one.put('a', '1', 1)
    one.put('a', null, 2)
    one.task.flush()
    assert.deepEqual(one.sent(), [])
    one.put('a', '1', 3)
    one.task.flush()
    one.put('a', '2', 4)
    one.put('a', null, 5)
    one.task.flush()
    assert.deepEqual(one.sent(), [
      'log of table: a=1',
      'out: a=1',
      'log of table: a=null',
      'out: a=null',
    ])
  })

  it('flushes one store into the next', () => {
    const one = written((builder) =>
      joined(builder).mapValues((value) => `<${value}>`, { storeName: 'mapped', ...text }),
    )
    one.put('a', '1', 1)
    one.put('a', '2', 2)
    one.task.flush()
    assert.deepEqual(one.sent(), ['log of joined: a=12', 'log of mapped: a=<12>', 'out: a=<12>'])
  })

  it('holds nothing back without caching, and where the cache has no bytes', () => {
    for (const one of [
      written((builder) => joined(builder, { caching: false })),
      written(joined, { 'statestore.cache.max.bytes': 0 }),
      written(joined, { 'cache.max.bytes.buffering': 0 }),
    ]) {
      one.put('a', '1', 1)
      one.put('a', '2', 2)
      assert.deepEqual(one.sent(), ['out: a=1', 'out: a=12'])
      one.task.flush()
      assert.deepEqual(one.sent(), ['log of joined: a=12'])
    }
    const settings = { 'statestore.cache.max.bytes': 7, 'cache.max.bytes.buffering': 9 }
    const resolved = resolveStreamsSettings({ 'application.id': 'app', ...settings })
    assert.equal(resolved['statestore.cache.max.bytes'], 7)
  })

  it('lets a store go of all that it holds back when it is full', () => {
    const one = written(joined, { 'statestore.cache.max.bytes': 2_000 })
    const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`)
    for (const key of keys) one.put(key, 'x'.repeat(50), 1)
    const early = one.sent()
    assert.ok(early.length > 0 && early.length < 40, `${early.length} of 40 before the commit`)
    one.task.flush()
    const all = [...early, ...one.sent()].filter((sent) => sent.startsWith('out'))
    assert.deepEqual(
      all,
      keys.map((key) => `out: ${key}=${'x'.repeat(50)}`),
    )
  })

  it('bounds values that grow by themselves', () => {
    const one = written(joined, { 'statestore.cache.max.bytes': 100_000 })
    for (let count = 0; count < 4_000; count++) one.put('a', 'x'.repeat(100), 1)
    const early = one.sent().filter((sent) => sent.startsWith('out'))
    assert.ok(early.length > 0)
  })

  it('keeps windows final: what is held back comes before windows are closed by the clock', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', text)
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .reduce((a, b) => a + b, { storeName: 'windows', ...text })
      .suppress(Suppressed.untilWindowCloses())
      .toStream(({ key }) => key)
      .to('out', text)
    const one = new TaskUnderTest(builder)
    const finals = (): string[] => one.sent().filter((sent) => sent.startsWith('out'))
    one.put('a', '1', 1)
    one.task.flush()
    one.put('a', '2', 2)
    one.task.closeWindowsUntil(10)
    one.task.flush()
    assert.deepEqual(finals(), ['out: a=12'])
    one.put('a', '3', 11)
    one.put('a', '4', 22)
    assert.deepEqual(finals(), [], 'a window closes with the commit')
    one.task.flush()
    assert.deepEqual(finals(), ['out: a=3'])
  })

  it('gives at each commit what no cache has given by then, whatever its size', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd')
    const step = fc.option(fc.tuple(key, fc.option(fc.constantFrom('x', 'y'))), { freq: 4 })
    const sizes = fc.constantFrom(1, 700, 1_500, 10_000_000)
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        sizes,
        fc.boolean(),
        (steps, cacheBytes, isOnDisk) => {
          const disks: MemoryBacking[] = []
          const openDisk = (): MemoryBacking => {
            const disk = new MemoryBacking({ waits: true })
            disks.push(disk)
            return disk
          }
          const tables = [cacheBytes, 0].map((bytes) =>
            written(
              (builder) =>
                builder
                  .table('in', text, { storeName: 'table' })
                  .filter((_key, value) => value === 'x', { storeName: 'filtered', ...text }),
              { 'statestore.cache.max.bytes': bytes },
              isOnDisk ? openDisk : undefined,
            ),
          )
          const given = tables.map(() => new Map<string, Map<string, string | null>>())
          const commit = (): void => {
            for (const [index, one] of tables.entries()) {
              one.task.flush()
              for (const disk of disks) disk.commit()
              one.task.committed()
              for (const { topic, key, value } of one.records()) {
                const newest = given[index]!.get(topic) ?? new Map<string, string | null>()
                given[index]!.set(topic, newest)
                if (value === null) newest.delete(key)
                else newest.set(key, value)
              }
            }
            const [cached, uncached] = given
            for (const topic of ['out', 'log of table', 'log of filtered'])
              assert.deepEqual(new Map(cached!.get(topic)), new Map(uncached!.get(topic)))
          }
          for (const [index, one] of steps.entries())
            if (one === null) commit()
            else for (const table of tables) table.put(one[0], one[1], index)
          commit()
        },
      ),
    )
  })
})
