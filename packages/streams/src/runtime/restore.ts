import type { Logger } from '@khlong/core'
import {
  type Admin,
  Fetcher,
  type KafkaClient,
  type RawBatch,
  recordCursor,
} from '@khlong/kafka-client'
import type { Checkpoint, StateFolder } from '../state/state-folder.ts'
import type { StateStore } from '../state/state-store.ts'
import { changelogTopic, type StreamTask } from './task.ts'

/** How far a restoration is. */
export interface RestoreProgress {
  readonly restored: number
  readonly total: number
}

export interface RestoreOptions {
  readonly client: KafkaClient
  readonly admin: Admin
  readonly applicationId: string
  readonly tasks: readonly StreamTask[]
  readonly folder: StateFolder | undefined
  readonly fetchBytes: number
  /** Leaves out what transactions took back, and waits for those that are open. */
  readonly isCommitted: boolean
  readonly logger: Logger
  readonly onProgress: (progress: RestoreProgress | undefined) => void
  readonly signal: AbortSignal
}

interface Restoring {
  readonly task: StreamTask
  readonly store: StateStore
  readonly storeName: string
  readonly isPersistent: boolean
  readonly topic: string
  readonly partition: number
  readonly startOffset: number
  readonly endOffset: number
}

/** Changes after which what was read goes to disk. */
const changesPerCommit = 20_000

/**
 * Brings the stores of tasks to where their changelogs end: those on disk from the offset kept with
 * them, those in memory from the beginning.
 */
export async function restoreStores(options: RestoreOptions): Promise<void> {
  const { client, folder, logger, applicationId, onProgress, signal } = options
  const restoring = await findRestoring(options)
  const byPartition = new Map(
    restoring
      .filter(({ startOffset, endOffset }) => startOffset < endOffset)
      .map((one) => [`${one.topic}/${one.partition}`, one]),
  )
  const total = restoring.reduce((sum, one) => sum + one.endOffset - one.startOffset, 0)
  let restored = 0
  for (const { task, startOffset, endOffset } of restoring)
    task.metrics.restoreRemaining += endOffset - startOffset
  if (byPartition.size > 0) {
    const startedMs = performance.now()
    const fetcher = new Fetcher(
      {
        ...client.options,
        'auto.offset.reset': 'earliest',
        'fetch.max.bytes': options.fetchBytes,
        'isolation.level': options.isCommitted ? 'read_committed' : 'read_uncommitted',
      },
      { client, logger },
    )
    /** What goes to disk while the next records come. */
    let written = Promise.resolve()
    try {
      fetcher.assign(
        [...byPartition.values()].map(({ topic, partition, startOffset }) => ({
          topic,
          partition,
          offset: startOffset,
        })),
      )
      while (byPartition.size > 0) {
        signal.throwIfAborted()
        for (const { topic, partition, batches, release } of await fetcher.pollBatches(200)) {
          const one = byPartition.get(`${topic}/${partition}`)
          if (!one) continue
          let count = 0
          for (const batch of batches) {
            count += restoreBatch(one, batch)
            if (!folder || folder.pendingCount < changesPerCommit) continue
            await written
            written = folder.commit([])
            // Whatever ends it is thrown where it is waited for.
            written.catch(() => {})
          }
          // On disk they are copied; what lies in memory may borrow, where a serde does.
          if (one.isPersistent) release()
          restored += count
          one.task.metrics.restored.record(count, performance.now())
          one.task.metrics.restoreRemaining -= count
        }
        for (const [id, one] of byPartition)
          if ((fetcher.position(one) ?? -1) >= one.endOffset) byPartition.delete(id)
        fetcher.pause(
          fetcher.assignment.filter(
            ({ topic, partition }) => !byPartition.has(`${topic}/${partition}`),
          ),
        )
        onProgress({ restored, total })
      }
      await written
    } finally {
      await fetcher.close()
    }
    const ms = Math.round(performance.now() - startedMs)
    logger.info({ application: applicationId, records: restored, ms }, 'stores restored')
  }
  const checkpoints: Checkpoint[] = restoring
    .filter(({ isPersistent }) => isPersistent)
    .map(({ task, storeName, endOffset }) => ({ taskId: task.id, storeName, offset: endOffset }))
  await folder?.commit(checkpoints)
  // Markers of transactions have places, too, and were counted with the records.
  for (const task of options.tasks) task.metrics.restoreRemaining = 0
  onProgress(undefined)
}

/** Gives a store the records of a batch, from where it is to be read, and says how many they were. */
function restoreBatch({ store, startOffset }: Restoring, { bytes, header }: RawBatch): number {
  const cursor = recordCursor(bytes, header)
  let count = 0
  while (cursor.next()) {
    const { key, value, timestamp, headers, offset } = cursor
    if (offset < startOffset) continue
    count++
    if (key !== null) store.restore(key, value, timestamp, headers.entries, offset)
  }
  return count
}

async function findRestoring(options: RestoreOptions): Promise<Restoring[]> {
  const { admin, folder, applicationId, logger } = options
  const stores = options.tasks.flatMap((task) =>
    [...task.stores.values()]
      .filter(({ spec }) => spec.logging !== false)
      .map(({ store, spec }) => ({
        task,
        store,
        storeName: spec.name,
        isPersistent: spec.persistent && folder !== undefined,
        topic: changelogTopic(applicationId, spec.name),
        partition: task.partition,
      })),
  )
  if (stores.length === 0) return []
  // A broker refuses a request that names a partition twice.
  const at = (spec: 'earliest' | 'latest'): Promise<{ offset: number }[]> =>
    admin.listOffsets(stores.map(({ topic, partition }) => ({ topic, partition, spec })))
  const [first, end] = await Promise.all([at('earliest'), at('latest')])
  const restoring: Restoring[] = []
  for (const [index, one] of stores.entries()) {
    const firstOffset = first[index]!.offset
    const endOffset = end[index]!.offset
    const { task, storeName } = one
    const kept = one.isPersistent ? folder?.checkpoint(task.id, storeName) : undefined
    const isUsable = kept !== undefined && kept >= firstOffset && kept <= endOffset
    if (one.isPersistent && !isUsable) {
      // Between what is kept and what the changelog has there is a gap, or nothing is kept.
      if (kept !== undefined)
        logger.warn(
          {
            application: applicationId,
            task: task.id,
            store: storeName,
            kept,
            firstOffset,
            endOffset,
          },
          'store on disk does not match its changelog and is read anew',
        )
      await folder?.wipe(task.id, storeName)
    }
    restoring.push({ ...one, startOffset: isUsable ? kept : firstOffset, endOffset })
  }
  return restoring
}
