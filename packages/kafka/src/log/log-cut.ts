import { readdirSync } from 'node:fs'
import type { CutFolder } from '@khlong/core'
import { KafkaError } from '../errors.ts'
import type { PartitionLog } from './partition-log.ts'
import { segmentName } from './segment.ts'

/** What else belongs to a partition: small files that are replaced or written over. */
const besideSegments = /^(?:\d{20}\.snapshot|leader-epoch-checkpoint|partition\.metadata)$/

/**
 * Keeps a partition up to its written offset. Segments are only added to, so their links stay true;
 * indexes are made again when the log is opened, but for the aborted transactions of older segments.
 *
 * @throws KafkaError `KAFKA_STORAGE_FAILED` where the log waits for a write that failed
 */
export function cutLog(log: PartitionLog, cut: CutFolder): void {
  if (log.hasFailed || log.isOwing)
    throw new KafkaError('KAFKA_STORAGE_FAILED', `${log.name} waits for a write that failed`, {
      retriable: true,
      fields: { folder: log.folder },
    })
  const names = readdirSync(log.folder)
  for (const segment of log.segments)
    cut.keep(`${log.name}/${segmentName(segment.baseOffset)}.log`, segment.byteCount)
  const active = segmentName(log.segments.at(-1)!.baseOffset)
  for (const name of names) {
    const isOlderTransactions = name.endsWith('.txnindex') && !name.startsWith(active)
    if (isOlderTransactions || besideSegments.test(name)) cut.copy(`${log.name}/${name}`)
  }
}
