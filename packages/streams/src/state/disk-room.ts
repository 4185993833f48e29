import { type StatsFs, statfsSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StreamsError } from '../errors.ts'

/**
 * What opening takes, and more. Where LMDB cannot have the pages of its lock file the system ends the
 * process by a bus error, so a folder on a full disk is not opened at all.
 */
const openRoomBytes = 1_048_576
const namesMax = 3

/**
 * @throws StreamsError `STREAMS_STATE_NOT_WRITTEN` where the disk of a folder has no room for its stores
 */
export function needRoom(folder: string): void {
  const disk = diskOf(folder)
  if (disk && freeBytes(disk) < openRoomBytes)
    throw new StreamsError(
      'STREAMS_STATE_NOT_WRITTEN',
      `the stores in ${folder} cannot be opened: the disk is full (${freeText(disk)}); make room there and start again`,
      { fields: { folder, freeBytes: freeBytes(disk) } },
    )
}

/** What could not be written. */
export interface Unwritten {
  readonly folder: string
  /** As TASK/STORE. */
  readonly stores: readonly string[]
}

/** Says what LMDB could not write, and what to do. */
export function stateNotWritten({ folder, stores }: Unwritten, cause: unknown): StreamsError {
  const disk = diskOf(folder)
  const { message } = cause as Error
  // Behind it LMDB says which of its pages it was.
  const reason = message.replace(/: Attempting to write page.*/s, '')
  const room = disk ? ` (${freeText(disk)})` : ''
  return new StreamsError(
    'STREAMS_STATE_NOT_WRITTEN',
    `${namesOf(stores)} could not be written in ${folder}: ${reason}${room}; make room there, or mend the disk, and start the application again: what is missing is read from the changelogs`,
    { cause, fields: { folder, stores, ...(disk ? { freeBytes: freeBytes(disk) } : {}) } },
  )
}

/** Why a batch of lmdb-js was not written: the error beside its own, which nobody else takes. */
export async function writeFailure(error: unknown): Promise<unknown> {
  const { commitError } = error as { readonly commitError?: Promise<never> }
  if (commitError === undefined) return error
  const cause = commitError.catch((reason: unknown) => reason)
  // It comes in the same turn, or, of some codes, never.
  return await Promise.race([cause, nextTurn(error)])
}

function namesOf(stores: readonly string[]): string {
  if (stores.length === 0) return 'the stores'
  const names = stores.slice(0, namesMax).map((one) => {
    const [task = '', store = ''] = splitOnce(one)
    return `store ${store} of task ${task}`
  })
  const more = stores.length - names.length
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

const splitOnce = (name: string): string[] => {
  const at = name.indexOf('/')
  return [name.slice(0, at), name.slice(at + 1)]
}

function diskOf(folder: string): StatsFs | undefined {
  try {
    return statfsSync(folder)
  } catch {
    return undefined
  }
}

const freeBytes = ({ bavail, bsize }: StatsFs): number => bavail * bsize

const freeText = (disk: StatsFs): string =>
  `${mebibytes(freeBytes(disk))} of ${mebibytes(disk.blocks * disk.bsize)} MiB are free`

const mebibytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1)
