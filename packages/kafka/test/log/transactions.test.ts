import assert from 'node:assert/strict'
import { cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { BatchBuilder, batchHeaders, decodeRecordsOf } from '@khlong/kafka-protocol/records'
import type { LogStore } from '../../src/log/log-store.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { abortedTransactions } from '../../src/log/segment-read.ts'
import { append, clock, open, range, read, topicId } from './store.ts'

/** A producer with its own sequence. */
class Producer {
  readonly id: bigint
  #sequence = 0

  constructor(id: bigint) {
    this.id = id
  }

  batch(values: readonly string[], isTransactional = true): Buffer {
    const builder = new BatchBuilder({
      producerId: this.id,
      producerEpoch: 0,
      baseSequence: this.#sequence,
      isTransactional,
    })
    for (const value of values) builder.append(value, value, [], clock.nowMs())
    this.#sequence += values.length
    return builder.build()
  }
}

const marker = (producerId: bigint, isCommit: boolean) => ({
  producerId,
  producerEpoch: 0,
  coordinatorEpoch: 0,
  isCommit,
})

async function end(
  store: LogStore,
  log: PartitionLog,
  producer: Producer,
  isCommit: boolean,
): Promise<void> {
  log.appendMarker(marker(producer.id, isCommit))
  await store.committer.enqueueOrdered([log]).flushed
}

/** What a consumer with read_committed makes of its fetches. */
async function committed(log: PartitionLog, from: number, byteCount: number): Promise<string[]> {
  const values: string[] = []
  for (let offset = from; offset < log.lastStableOffset; ) {
    const bytes = await read(log, offset, byteCount, { limitOffset: log.lastStableOffset })
    assert.ok(bytes.byteLength > 0, `nothing at offset ${offset}`)
    const headers = [...batchHeaders(bytes)]
    const aborted = abortedTransactions(log, offset, headers.at(-1)!.lastOffset + 1)
    for (const header of headers) {
      const isAborted = aborted.some(
        ({ producerId, firstOffset, lastOffset }) =>
          producerId === header.producerId &&
          firstOffset <= header.baseOffset &&
          header.baseOffset < lastOffset,
      )
      if (!header.isControl && !(header.isTransactional && isAborted))
        for (const record of decodeRecordsOf(bytes, header))
          if (record.offset >= from) values.push(String(record.value))
      offset = header.lastOffset + 1
    }
  }
  return values
}

test('readers of committed records stop at the first open transaction, until its marker is flushed', async (t) => {
  const store = await open(await temporaryFolder(t))
  const log = await store.create({ topic: 't', partition: 0, topicId })
  const [one, two] = [new Producer(1n), new Producer(2n)]
  await append(store, log, new Producer(9n).batch(['plain'], false))
  await append(store, log, one.batch(['a', 'b']))
  await append(store, log, two.batch(['c']))
  assert.deepEqual([log.highWatermark, log.lastStableOffset], [4, 1])
  log.appendMarker(marker(2n, true))
  const round = store.committer.enqueueOrdered([log])
  assert.equal(log.lastStableOffset, 1)
  await round.flushed
  assert.deepEqual([log.highWatermark, log.lastStableOffset], [5, 1])
  await end(store, log, one, false)
  assert.deepEqual([log.highWatermark, log.lastStableOffset], [6, 6])
  assert.deepEqual(await committed(log, 0, 1_000), ['plain', 'c'])
  assert.deepEqual(abortedTransactions(log, 0, 6), [
    { producerId: 1n, firstOffset: 1, lastOffset: 5, lastStableOffset: 6, isAborted: true },
  ])
  await store.close()
})

for (const seed of range(1, 4))
  test(`committed records are the same over restarts and crashes, seed ${seed}`, async (t) => {
    const random = new SeededRandom(seed)
    const folder = await temporaryFolder(t)
    const opening = { config: { segmentBytes: 900, indexIntervalBytes: 100 }, tailBytesMax: 2_000 }
    let store = await open(folder, opening)
    let log = await store.create({ topic: 't', partition: 0, topicId })
    const producers = range(0, 4).map((id) => new Producer(BigInt(id)))
    const plain = new Producer(99n)
    const written: { offset: number; value: string; producer?: Producer; fate?: boolean }[] = []
    let count = 0
    const check = async (found: PartitionLog): Promise<void> => {
      const firstOpen = written.find(({ producer, fate }) => producer && fate === undefined)
      assert.equal(found.lastStableOffset, firstOpen?.offset ?? found.highWatermark)
      const from = Math.floor(random.next() * (found.highWatermark + 1))
      assert.deepEqual(
        await committed(found, from, 100 + Math.floor(random.next() * 1_500)),
        written
          .filter(({ offset, fate, producer }) => offset >= from && (!producer || fate === true))
          .filter(({ offset }) => offset < found.lastStableOffset)
          .map(({ value }) => value),
      )
    }
    for (let step = 0; step < 120; step++) {
      const producer = producers[Math.floor(random.next() * producers.length)]!
      const mine = written.filter((one) => one.producer === producer && one.fate === undefined)
      const dice = random.next()
      if (dice < 0.5 || (mine.length === 0 && dice < 0.8)) {
        const isPlain = dice < 0.1
        const values = range(0, 1 + Math.floor(random.next() * 3)).map(() => `v${count++}`)
        const by = isPlain ? plain : producer
        const baseOffset = await append(store, log, by.batch(values, !isPlain))
        for (const [at, value] of values.entries())
          written.push({ offset: baseOffset + at, value, ...(isPlain ? {} : { producer }) })
      } else if (dice < 0.8) {
        const isCommit = random.next() < 0.5
        await end(store, log, producer, isCommit)
        for (const one of mine) one.fate = isCommit
      } else if (dice < 0.86) {
        await log.checkpoint()
        store.saveCheckpoints()
      } else if (dice < 0.9) {
        await store.close()
        store = await open(folder, opening)
        log = store.get('t', 0)!
      } else if (dice < 0.95) {
        const copy = await temporaryFolder(t)
        cpSync(folder, copy, { recursive: true })
        const crashed = await open(copy, opening)
        await check(crashed.get('t', 0)!)
        await crashed.close()
        const twice = await open(copy, opening)
        await check(twice.get('t', 0)!)
        await twice.close()
      } else await check(log)
    }
    await check(log)
    assert.ok(log.segments.length > 3)
    await store.close()
  })

test('a snapshot says nothing of batches that came after its offset', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder, { config: { segmentBytes: 500 } })
  const log = await store.create({ topic: 't', partition: 0, topicId })
  const producer = new Producer(5n)
  // One round writes them all, over the border of a segment.
  const batches = range(0, 8).map((index) => producer.batch([`${index}`.padEnd(60, 'x')], false))
  const lost = Buffer.from(batches[7]!)
  for (const batch of batches) log.append(batch)
  await store.committer.enqueue(log).flushed
  const last = log.segments.at(-1)!
  assert.ok(last.baseOffset > 0 && last.baseOffset < 8)
  const copy = await temporaryFolder(t)
  cpSync(folder, copy, { recursive: true })
  truncateSync(path.join(copy, 't-0', path.basename(last.logPath)), 0)
  for (const name of ['commit-0.journal', 'commit-1.journal'])
    truncateSync(path.join(copy, name), 0)
  const again = await open(copy, { config: { segmentBytes: 500 } })
  const found = again.get('t', 0)!
  assert.equal(found.logEndOffset, last.baseOffset)
  // The producer repeats what was lost: it must not hear that it is there.
  assert.throws(() => found.append(lost), { code: 'KAFKA_OUT_OF_ORDER_SEQUENCE' })
  await again.close()
  await store.close()
})

test('of batches that belong together a loss of power leaves the beginning', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder)
  const logs = await Promise.all(
    range(0, 3).map((partition) => store.create({ topic: 't', partition, topicId })),
  )
  const [state, one, two] = logs as [PartitionLog, PartitionLog, PartitionLog]
  const order = [state, one, two, state]
  const before = await temporaryFolder(t)
  cpSync(folder, before, { recursive: true })
  for (const [index, log] of order.entries())
    log.append(new Producer(-1n).batch([`${index}`], false))
  const round = store.committer.enqueueOrdered(new Set(order))
  await round.flushed
  assert.equal(round.isJournaled, true)
  assert.deepEqual(
    logs.map((log) => log.highWatermark),
    [2, 1, 1],
  )
  const journal = ['commit-0.journal', 'commit-1.journal']
    .map((name) => ({ name, bytes: readFileSync(path.join(folder, name)) }))
    .sort((a, b) => b.bytes.byteLength - a.bytes.byteLength)[0]!
  for (let cut = 20; cut <= journal.bytes.byteLength; cut += 9) {
    const copy = await temporaryFolder(t)
    cpSync(before, copy, { recursive: true })
    writeFileSync(path.join(copy, journal.name), journal.bytes.subarray(0, cut))
    const again = await open(copy)
    const ends = [0, 1, 2].map((partition) => again.get('t', partition)!.logEndOffset)
    const count = ends[0]! + ends[1]! + ends[2]!
    const expected = [0, 0, 0]
    for (const log of order.slice(0, count)) expected[log.identity.partition]!++
    assert.deepEqual(ends, expected)
    await again.close()
  }
  await store.close()
})

test('a batch that the journal holds is written when there is room, before what comes after it', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder)
  const log = await store.create({ topic: 't', partition: 0, topicId })
  const producer = new Producer(1n)
  await append(store, log, producer.batch(['a']))
  const segment = log.segments[0]!
  const { write } = segment
  segment.write = () => {
    throw new Error('no room')
  }
  log.appendMarker(marker(1n, true))
  const round = store.committer.enqueueOrdered([log])
  await round.flushed
  assert.ok(round.isJournaled && round.failures.has(log))
  assert.deepEqual([log.highWatermark, log.lastStableOffset], [1, 0])
  const copy = await temporaryFolder(t)
  cpSync(folder, copy, { recursive: true })
  const again = await open(copy)
  assert.equal(again.get('t', 0)?.lastStableOffset, 2)
  await again.close()
  // Refused with the room still missing, and nothing is forgotten.
  log.append(new Producer(9n).batch(['lost'], false))
  const failed = store.committer.enqueue(log)
  await failed.flushed
  assert.ok(failed.failures.has(log))
  segment.write = write
  assert.equal(await append(store, log, new Producer(9n).batch(['b'], false)), 2)
  assert.equal(log.lastStableOffset, 3)
  assert.deepEqual(await committed(log, 0, 1_000), ['a', 'b'])
  await store.close()
})

test('a producer with an open transaction writes nothing outside of it, and is not forgotten', async (t) => {
  const store = await open(await temporaryFolder(t))
  const log = await store.create({ topic: 't', partition: 0, topicId })
  const producer = new Producer(1n)
  await append(store, log, producer.batch(['a']))
  assert.throws(() => log.append(producer.batch(['b'], false)), {
    code: 'KAFKA_TRANSACTION_STATE_INVALID',
  })
  log.producers.expire(Number.MAX_SAFE_INTEGER)
  assert.equal(log.lastStableOffset, 0)
  assert.throws(() => log.appendMarker({ ...marker(1n, true), producerEpoch: -1 }), {
    code: 'KAFKA_PRODUCER_EPOCH_STALE',
  })
  await end(store, log, producer, true)
  assert.throws(() => log.appendMarker({ ...marker(1n, true), coordinatorEpoch: -1 }), {
    code: 'KAFKA_COORDINATOR_STALE',
  })
  const file = log.segments[0]!.transactionIndex.path
  assert.equal(statSync(file, { throwIfNoEntry: false }), undefined)
  await store.close()
})

test('what nobody waited for leaves no gap before what a loss of power keeps', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await open(folder)
  const logs = await Promise.all(
    range(0, 4).map((partition) => store.create({ topic: 't', partition, topicId })),
  )
  const [lazy, ...others] = logs as [PartitionLog, ...PartitionLog[]]
  const plain = new Producer(-1n)
  let acknowledged = 0
  for (let round = 0; round < 120; round++) {
    lazy.append(plain.batch([`${round}`.padEnd(150)], false))
    store.committer.writeSoon(lazy)
    await store.committer.idle()
    const isAwaited = round % 3 === 2
    if (isAwaited) lazy.append(plain.batch(['awaited'], false))
    for (const log of others) log.append(plain.batch(['x'.repeat(100)], false))
    await store.committer.enqueueOrdered(isAwaited ? logs : others).flushed
    if (isAwaited) acknowledged = lazy.logEndOffset
  }
  assert.equal(lazy.highWatermark, acknowledged)
  store.saveCheckpoints()
  const copy = await temporaryFolder(t)
  cpSync(folder, copy, { recursive: true })
  for (const log of logs) {
    const file = path.join(copy, log.name, '00000000000000000000.log')
    truncateSync(file, log.segments[0]!.positionOf(log.recoveryPoint) + 7)
  }
  const again = await open(copy)
  assert.equal(again.offline.size, 0)
  assert.ok(again.get('t', 0)!.logEndOffset >= acknowledged)
  for (const log of others) assert.equal(again.get('t', log.identity.partition)?.logEndOffset, 120)
  await again.close()
  await store.close()
})
