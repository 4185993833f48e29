import { describeError, type Logger } from '@khlong/core'
import type { AddressBook } from '../config/address-book.ts'
import { type Pipeline, partSettings } from '../config/pipeline.ts'
import { KhlongError } from '../errors.ts'

const answerWithinMs = 2_000

/** What connectors reach from whichever process they run in, so that all must have the same. */
const reached = ['mqtt', 'mongodb'] as const

/**
 * Processes on one Kafka share connectors: any of them may run in any process. So where another worker of the
 * group runs, brokers and databases must be the same for all; one that is embedded here would be read by
 * nobody, or get some of the documents only.
 *
 * @throws KhlongError `KHLONG_WORK_SHARED` with file, line and what to do
 */
export async function checkSharedWork(
  pipeline: Pipeline,
  { parts, kafka, hosts }: AddressBook,
  logger: Logger,
): Promise<void> {
  const own = reached.find((part) => parts[part].kind === 'embedded')
  if (parts.kafka.kind !== 'external' || parts.connect.kind !== 'embedded' || !kafka || !own) return
  const written = partSettings(pipeline, 'connect') || {}
  const groupId = String(written['group.id'] ?? 'connect-cluster')
  const { findWorkers } = await import('@khlong/connect')
  let others: string[]
  try {
    others = await findWorkers({ ...kafka, hosts }, groupId)
  } catch (error) {
    // A Kafka that is away is waited for by those that need it.
    logger.warn({ reason: describeError(error) }, 'whether others share the work is not known')
    return
  }
  // One that was killed, as our own last run, is still a member, but does not answer.
  const alive = await Promise.all(
    others.map(async (url) => ((await answers(url)) ? url : undefined)),
  )
  const other = alive.find((url) => url !== undefined)
  if (other === undefined) return
  throw new KhlongError(
    'KHLONG_WORK_SHARED',
    `${pipeline.settings.where([own])}: ${own}: another process, ${other}, shares the connectors of group ${groupId}, and does not reach the ${own} that is embedded here; use one for all (--${own} URL), or for a pipeline of its own write another connect.group.id, other names of connectors and other topics`,
    { fields: { part: own, worker: other, groupId } },
  )
}

/** Whether somebody is there, whatever they say. */
async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) })
    return true
  } catch {
    return false
  }
}
