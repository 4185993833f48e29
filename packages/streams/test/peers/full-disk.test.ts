import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { it, type TestContext } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { Admin, Producer } from '@khlong/kafka-client'
import { fillDisk, smallDisk } from '../../../../tools/small-disk.ts'
import { KafkaStreams, type StreamsSettings } from '../../src/index.ts'
import { StateFolder } from '../../src/state/state-folder.ts'
import { startBroker } from '../helpers/broker.ts'

/** Counts in stores of each kind. */
const topology = new URL('../child/counting-topology.ts', import.meta.url)
const startMs = 1_770_000_000_000
const sensors = 50
/** Of a sensor and round: readings one second apart, in windows of ten and one session. */
const readings = 40

/** A broker with the topic that is counted. */
async function startWithReadings(t: TestContext): Promise<string> {
  const servers = await startBroker(t)
  await using admin = new Admin({ 'bootstrap.servers': servers })
  await admin.createTopics([{ name: 'readings', partitions: 2 }])
  return servers
}

/** Sends one round of readings, whose sensors are those of all rounds and some of its own. */
async function send(producer: Producer, round: number): Promise<void> {
  for (let n = 0; n < sensors * readings; n++) {
    const sensor = n % sensors
    producer.enqueue({
      topic: 'readings',
      key: sensor < sensors / 2 ? `sensor-${sensor}` : `sensor-${sensor}-of-${round}`,
      value: 'x'.repeat(100),
      timestamp: startMs + (round * readings + Math.floor(n / sensors)) * 1_000,
    })
  }
  await producer.flush()
}

/** What each kind of store has counted of a sensor that is in all rounds, and of one of one round. */
async function counted(streams: KafkaStreams, round: number): Promise<Record<string, number[]>> {
  const [bySensor, byWindow, bySession] = [
    streams.store<string, number>('by-sensor', 'key-value'),
    streams.store<string, number, 'window'>('by-window', 'window'),
    streams.store<string, number, 'session'>('by-session', 'session'),
  ]
  const counts: Record<string, number[]> = {}
  for (const sensor of ['sensor-3', `sensor-30-of-${round}`]) {
    const last = startMs + ((round + 1) * readings - 1) * 1_000
    let inWindows = 0
    for await (const [, count] of byWindow.fetchRange(sensor, startMs, last)) inWindows += count
    let inSessions = 0
    for await (const [, count] of bySession.fetch(sensor)) inSessions += count
    counts[sensor] = [(await bySensor.get(sensor)) ?? 0, inWindows, inSessions]
  }
  return counts
}

for (const guarantee of ['at_least_once', 'exactly_once_v2'] as const)
  it(`stores on a disk that becomes full end the application, and nothing is lost (${guarantee})`, {
    timeout: 120_000,
  }, async (t) => {
    await using disk = await smallDisk(24)
    const servers = await startWithReadings(t)
    await using producer = new Producer({ 'bootstrap.servers': servers })
    const settings: Partial<StreamsSettings> = {
      'bootstrap.servers': servers,
      'processing.guarantee': guarantee,
    }
    const ended = Promise.withResolvers<unknown>()
    const first = await KafkaStreams.fromModule(topology, settings, {
      data: disk.folder,
      onError: ended.resolve,
    })
    t.after(() => first.stop())
    await first.start()
    await send(producer, 0)
    await eventually(async () => {
      const counts = Object.values(await counted(first, 0))
      assert.deepEqual(
        counts.flat(),
        Array.from({ length: 6 }, () => readings),
      )
    }, 30_000)
    const filler = await fillDisk(disk.folder)
    await send(producer, 1)

    const error = (await ended.promise) as Error & { readonly code: string }
    assert.equal(error.code, 'STREAMS_STATE_NOT_WRITTEN')
    assert.match(
      error.message,
      /store by-\w+ of task 0_\d.* could not be written in .*counter.*: .* of 24\.0 MiB are free.*; make room there/,
    )
    assert.equal(first.state, 'error')
    await first.stop()

    // Without room the next one says the same, and doesn't begin.
    const second = await KafkaStreams.fromModule(topology, settings, { data: disk.folder })
    await assert.rejects(second.start(), { code: 'STREAMS_STATE_NOT_WRITTEN' })
    await second.stop()

    await rm(filler)
    await using third = await KafkaStreams.fromModule(topology, settings, { data: disk.folder })
    await third.start()
    await send(producer, 2)
    const [all, one] = [3 * readings, readings]
    const isExact = guarantee === 'exactly_once_v2'
    await eventually(async () => {
      for (const round of [0, 1, 2]) {
        const counts = await counted(third, round)
        const [ofAll, ofOne] = Object.values(counts)
        // At least once, what was processed before the disk was full is processed again.
        const isRight = (count: number, sent: number): boolean =>
          isExact ? count === sent : count >= sent
        assert.ok(
          ofOne!.every((count) => isRight(count, one)),
          JSON.stringify(counts),
        )
        if (round === 2)
          assert.ok(
            ofAll!.every((count) => isRight(count, all)),
            JSON.stringify(counts),
          )
      }
    }, 30_000)
  })

it('threads that are replaced while the disk is full go on when there is room, and nothing is lost or doubled', {
  timeout: 120_000,
}, async (t) => {
  await using disk = await smallDisk(24)
  const servers = await startWithReadings(t)
  await using producer = new Producer({ 'bootstrap.servers': servers })
  const streams = await KafkaStreams.fromModule(
    topology,
    {
      'bootstrap.servers': servers,
      'processing.guarantee': 'exactly_once_v2',
      'num.stream.threads': 2,
    },
    { data: disk.folder },
  )
  t.after(() => streams.stop())
  const codes: unknown[] = []
  streams.setUncaughtExceptionHandler((error) => {
    codes.push((error as { readonly code?: unknown }).code)
    return 'replace-thread'
  })
  await streams.start()
  await send(producer, 0)
  const isCounted = async (rounds: number): Promise<void> => {
    const counts = Object.values(await counted(streams, rounds - 1))
    const all = rounds * readings
    assert.deepEqual(counts, [
      [all, all, all],
      [readings, readings, readings],
    ])
  }
  await eventually(() => isCounted(1), 30_000)
  const filler = await fillDisk(disk.folder)
  await send(producer, 1)
  // One has failed, and at least one in its place, which could not open the stores.
  await eventually(() => assert.ok(codes.length > 1), 30_000)
  await rm(filler)
  await send(producer, 2)
  await eventually(() => isCounted(3), 60_000)
  assert.deepEqual([...new Set(codes)], ['STREAMS_STATE_NOT_WRITTEN'])
})

it('the folder of stores writes nothing more after a commit that failed, until what is missing is read anew', async () => {
  await using disk = await smallDisk(6)
  const state = await StateFolder.open(`${disk.folder}/state`)
  const backing = state.backing('0_1', 'counts')
  const put = (count: number, text: string): void => {
    for (let n = 0; n < count; n++) backing.put(Buffer.from(`key-${n}`), Buffer.alloc(100, text), n)
  }
  const at = (offset: number) => [{ taskId: '0_1', storeName: 'counts', offset }]
  const letterOf = (n: number) =>
    backing.get(Buffer.from(`key-${n}`))?.value.toString('latin1', 0, 1)
  put(1_000, 'a')
  await state.commit(at(1_000))
  const filler = await fillDisk(disk.folder)
  put(20_000, 'b')
  const code = 'STREAMS_STATE_NOT_WRITTEN'
  await assert.rejects(state.commit(at(21_000)), { code, message: /store counts of task 0_1/ })
  await rm(filler)
  // The changes are gone: an offset behind them would hide it.
  await assert.rejects(state.commit(at(21_000)), { code })
  assert.equal(state.checkpoint('0_1', 'counts'), 1_000)
  assert.equal(letterOf(999), 'a')
  state.discard()
  put(2_000, 'c')
  await state.commit(at(3_000))
  assert.equal(letterOf(1_999), 'c')
  await state.close()
  const again = await StateFolder.open(`${disk.folder}/state`)
  assert.equal(again.checkpoint('0_1', 'counts'), 3_000)
  await fillDisk(disk.folder)
  put(20_000, 'd')
  await again.close()
  await assert.rejects(StateFolder.open(`${disk.folder}/state`), { code, message: /disk is full/ })
})
