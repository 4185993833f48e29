import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises'
import path from 'node:path'
import { CodedError } from './errors.ts'
import { formatOwner, ownMark, parseOwner, stateOf } from './folder-owner.ts'

/** A data folder that this process owns until it is released. */
export interface DataFolder {
  readonly path: string
  /** Gives the folder back. May be called twice. */
  release(): Promise<void>
}

const heldHere = new Set<string>()
/** Rarely enough for a memory card, and three times this is what a killed container is waited for. */
const touchEveryMs = 5_000

/**
 * Makes `folder` where it is missing and takes it for this process: a folder has one owner.
 * The file `owner.pid` says who; one left by a process that is gone is taken over, also where another
 * process has its id by now. A process in another container is known by touching its file.
 *
 * @throws CodedError `DATA_FOLDER_IN_USE` with the id of the owner, `DATA_FOLDER_UNWRITABLE`.
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const root = path.resolve(folder)
  const lockFile = path.join(root, 'owner.pid')
  if (heldHere.has(root)) throw inUse(root, process.pid)
  // Taken before the first await, so that two calls at once cannot both pass.
  heldHere.add(root)
  try {
    await makeFolder(root)
    await takeLock(root, lockFile)
  } catch (error) {
    heldHere.delete(root)
    if (error instanceof CodedError) throw error
    throw new CodedError(
      'DATA_FOLDER_UNWRITABLE',
      `cannot write to the data folder ${root}; choose another with --data DIR, mend its permissions or make room on its disk`,
      { cause: error, fields: { folder: root } },
    )
  }
  const touching = setInterval(() => {
    utimes(lockFile, new Date(), new Date()).catch(() => {})
  }, touchEveryMs).unref()
  return {
    path: root,
    release: async () => {
      clearInterval(touching)
      if (heldHere.delete(root)) await rm(lockFile, { force: true })
    },
  }
}

/**
 * Makes a folder and those above it that are missing; one that is there is left alone. Node's own
 * recursive `mkdir` never comes back where a folder that exists refuses a new one with ENOENT, as `/proc` does.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const parent = path.dirname(folder)
    if (code === 'ENOENT' && parent !== folder) {
      await makeFolder(parent)
      await mkdir(folder).catch((again: NodeJS.ErrnoException) => {
        // Somebody else was faster.
        if (again.code !== 'EEXIST') throw again
      })
    } else if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error
  }
}

/**
 * Who has a data folder, without taking it; undefined where nobody has. An owner in another container
 * counts as one that runs.
 */
export async function readFolderOwner(
  folder: string,
): Promise<{ readonly processId: number; readonly isRunning: boolean } | undefined> {
  const file = path.join(path.resolve(folder), 'owner.pid')
  const owner = parseOwner(await readFile(file, 'utf8').catch(() => ''))
  if (!Number.isInteger(owner.processId)) return undefined
  const state = stateOf(owner, await modifiedMs(file), Date.now())
  return { processId: owner.processId, isRunning: state !== 'gone' }
}

async function takeLock(root: string, lockFile: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(lockFile, 'wx')
      await file.writeFile(formatOwner(ownMark()))
      await file.close()
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = await runningOwner(lockFile)
    if (owner !== undefined) throw inUse(root, owner)
    await rm(lockFile, { force: true })
  }
  throw inUse(root, Number.NaN)
}

/** The process that has the folder; undefined where it is gone. */
async function runningOwner(lockFile: string): Promise<number | undefined> {
  const owner = parseOwner(await readFile(lockFile, 'utf8').catch(() => ''))
  // This very process: the folder was a thread's that is gone, for those of this one are in `heldHere`.
  if (formatOwner(owner) === formatOwner(ownMark())) return undefined
  const written = await modifiedMs(lockFile)
  const state = stateOf(owner, written, Date.now())
  if (state !== 'elsewhere') return state === 'running' ? owner.processId : undefined
  // An owner that runs touches its file; one that cannot be looked up is waited for.
  while (Date.now() < (await modifiedMs(lockFile)) + touchEveryMs * 3) {
    await new Promise((resolve) => setTimeout(resolve, touchEveryMs / 10))
    if ((await modifiedMs(lockFile)) > written) return owner.processId
  }
  return undefined
}

async function modifiedMs(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.mtimeMs ?? 0
}

function inUse(root: string, owner: number): CodedError {
  return new CodedError(
    'DATA_FOLDER_IN_USE',
    `the data folder ${root} is in use by process ${owner}; stop it or choose another folder`,
    { fields: { folder: root, owner } },
  )
}
