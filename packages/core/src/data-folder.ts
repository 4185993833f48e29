import { mkdir, open, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { CodedError } from './errors.ts'

/** A data folder that this process owns until it is released. */
export interface DataFolder {
  readonly path: string
  /** Gives the folder back. May be called twice. */
  release(): Promise<void>
}

const heldHere = new Set<string>()

/**
 * Makes `folder` where it is missing and takes it for this process: a folder has one owner.
 * The file `owner.pid` holds the owner's process id; one left by a process that is gone is taken over.
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
    await mkdir(root, { recursive: true })
    await takeLock(root, lockFile)
  } catch (error) {
    heldHere.delete(root)
    if (error instanceof CodedError) throw error
    throw new CodedError(
      'DATA_FOLDER_UNWRITABLE',
      `cannot write to the data folder ${root}; choose another with --data DIR or mend its permissions`,
      { cause: error, fields: { folder: root } },
    )
  }
  return {
    path: root,
    release: async () => {
      if (heldHere.delete(root)) await rm(lockFile, { force: true })
    },
  }
}

async function takeLock(root: string, lockFile: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(lockFile, 'wx')
      await file.writeFile(`${process.pid}\n`)
      await file.close()
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number.parseInt(await readFile(lockFile, 'utf8').catch(() => ''), 10)
    if (owner !== process.pid && isRunning(owner)) throw inUse(root, owner)
    await rm(lockFile, { force: true })
  }
  throw inUse(root, Number.NaN)
}

function inUse(root: string, owner: number): CodedError {
  return new CodedError(
    'DATA_FOLDER_IN_USE',
    `the data folder ${root} is in use by process ${owner}; stop it or choose another folder`,
    { fields: { folder: root, owner } },
  )
}

function isRunning(processId: number): boolean {
  if (!Number.isInteger(processId) || processId <= 0) return false
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
