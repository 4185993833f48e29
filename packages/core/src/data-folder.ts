import { mkdir, open, readFile, rm, stat } from 'node:fs/promises'
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
    await makeFolder(root)
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
