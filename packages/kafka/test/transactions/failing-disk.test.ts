import assert from 'node:assert/strict'
import { cpSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { ErrorCode } from '@khlong/kafka-protocol'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import type { FlushMode } from '../../src/log/committer.ts'
import type { LogStore } from '../../src/log/log-store.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { CoordinatorTopic } from '../../src/state/coordinator-topic.ts'
import { TransactionCoordinator } from '../../src/transactions/transaction-coordinator.ts'
import { append, clock, open, range, topicId } from '../log/store.ts'

interface Stand {
  readonly store: LogStore
  readonly state: PartitionLog
  readonly logs: readonly PartitionLog[]
  readonly coordinator: TransactionCoordinator
}

async function stand(folder: string, flushMode: FlushMode): Promise<Stand> {
  const store = await open(folder, { flushMode })
  const log = async (topic: string, partition: number): Promise<PartitionLog> =>
    store.get(topic, partition) ?? (await store.create({ topic, partition, topicId }))
  const state = await log('state', 0)
  const logs = await Promise.all(range(0, 2).map((partition) => log('out', partition)))
  const { committer } = store
  const logger = silentLogger
  const coordinator = new TransactionCoordinator({
    clock,
    logger,
    committer,
    topic: new CoordinatorTopic({ committer, logger, partitions: async () => [state] }),
    producerIds: { next: async () => 7n },
    timeoutMsMax: 60_000,
    expirationMs: 60_000,
    logOf: ({ partition }) => logs[partition] ?? null,
    logs: () => logs,
    onEnded: () => {},
  })
  await coordinator.load()
  return { store, state, logs, coordinator }
}

const producer = { producerId: 7n, producerEpoch: 0 }

const request = { transactionalId: 'tx', timeoutMs: 60_000, expected: undefined }

async function begin({ store, logs, coordinator }: Stand, isKnown = false): Promise<void> {
  if (!isKnown) assert.equal((await coordinator.init(request)).errorCode, 0)
  const partitions = [0, 1].map((partition) => ({ topic: 'out', partition }))
  assert.equal(coordinator.add('tx', producer, partitions), 0)
  for (const log of logs) {
    const builder = new BatchBuilder({ ...producer, baseSequence: 0, isTransactional: true })
    builder.append(null, 'a', [], clock.nowMs())
    await append(store, log, builder.build())
  }
}

/** Lets every write to a log fail; gives what ends that. */
function failWrites(log: PartitionLog): () => void {
  const segment = log.segments.at(-1)!
  const { write } = segment
  segment.write = () => {
    throw new Error('no room')
  }
  return () => {
    segment.write = write
  }
}

const stable = (logs: readonly PartitionLog[]): number[] => logs.map((log) => log.lastStableOffset)

test('a marker that cannot be written, with flushes: it is committed, and written when there is room', async (t) => {
  const found = await stand(await temporaryFolder(t), 'all')
  await begin(found)
  const { store, logs, coordinator } = found
  const heal = failWrites(logs[1]!)
  assert.equal(await coordinator.end('tx', producer, true), 0)
  assert.deepEqual(stable(logs), [2, 0])
  assert.equal(coordinator.get('tx')?.status, 'CompleteCommit')
  heal()
  await coordinator.sweep()
  await store.committer.idle()
  assert.deepEqual(stable(logs), [2, 2])
  await store.close()
})

test('a marker that cannot be written, without flushes: it stays decided, and is tried again', async (t) => {
  const folder = await temporaryFolder(t)
  const found = await stand(folder, 'none')
  await begin(found)
  const { store, logs, coordinator } = found
  const heal = failWrites(logs[1]!)
  assert.equal(await coordinator.end('tx', producer, true), ErrorCode.concurrentTransactions)
  assert.deepEqual(stable(logs), [2, 0])
  assert.equal(await coordinator.end('tx', producer, false), ErrorCode.invalidTxnState)
  assert.equal(coordinator.get('tx')?.status, 'PrepareCommit')
  heal()
  await store.close()
  const again = await stand(folder, 'none')
  assert.equal(again.coordinator.get('tx')?.status, 'CompleteCommit')
  assert.deepEqual(stable(again.logs).slice(1), [2])
  await again.store.close()
})

test('a decision that cannot be written is none, and is taken later', async (t) => {
  const found = await stand(await temporaryFolder(t), 'none')
  await begin(found)
  const { store, state, logs, coordinator } = found
  const heal = failWrites(state)
  assert.equal(await coordinator.end('tx', producer, true), ErrorCode.coordinatorNotAvailable)
  assert.deepEqual(stable(logs), [0, 0])
  assert.equal(coordinator.get('tx')?.status, 'Ongoing')
  heal()
  assert.equal(await coordinator.end('tx', producer, false), 0)
  assert.deepEqual(stable(logs), [2, 2])
  assert.equal(coordinator.get('tx')?.status, 'CompleteAbort')
  await store.close()
})

test('a transaction whose beginning a loss of power took is known by its records', async (t) => {
  const folder = await temporaryFolder(t)
  const found = await stand(folder, 'all')
  const { store, state, coordinator } = found
  await coordinator.init(request)
  const { byteCount } = state.segments[0]!
  await begin(found, true)
  assert.equal(coordinator.get('tx')?.status, 'Ongoing')
  const copy = await temporaryFolder(t)
  cpSync(folder, copy, { recursive: true })
  truncateSync(path.join(copy, state.name, path.basename(state.segments[0]!.logPath)), byteCount)
  for (const name of ['commit-0.journal', 'commit-1.journal'])
    truncateSync(path.join(copy, name), 0)
  const again = await stand(copy, 'all')
  assert.equal(again.coordinator.get('tx')?.status, 'Ongoing')
  assert.deepEqual(stable(again.logs), [0, 0])
  assert.equal(await again.coordinator.end('tx', producer, true), 0)
  assert.deepEqual(stable(again.logs), [2, 2])
  await again.store.close()
  await store.close()
})
