import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AccessError } from './errors.ts'

const lockWaitMs = 5_000
// Whoever holds the lock needs milliseconds; one this old was left by a process that died.
const lockStaleMs = 10_000
const renameTriesMax = 40

/**
 * Replaces a file as a whole, readable by its owner only: written beside it, flushed, renamed, so
 * that a reader or a power loss sees the old text or the new one.
 */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.new`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  for (let tries = 1; ; tries++)
    try {
      await rename(temporary, file)
      return
    } catch (error) {
      // Windows refuses while another process reads the file, which takes it a moment.
      if (!isHeld(error) || tries === renameTriesMax) {
        await rm(temporary, { force: true })
        throw error
      }
      await pause(25)
    }
}

/** Runs `action` while no other process or thread does so with the same lock file. */
export async function withLock<Result>(
  file: string,
  action: () => Promise<Result>,
): Promise<Result> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  const deadlineMs = performance.now() + lockWaitMs
  for (;;) {
    try {
      await (await open(file, 'wx', 0o600)).close()
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' && !isHeld(error)) throw error
    }
    const madeMs = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    )
    if (madeMs !== undefined && Date.now() - madeMs > lockStaleMs) await rm(file, { force: true })
    else if (performance.now() > deadlineMs)
      throw new AccessError('ACCESS_BUSY', `${file} is held by another process; try again`, {
        retriable: true,
        fields: { file },
      })
    else await pause(10)
  }
  try {
    return await action()
  } finally {
    await rm(file, { force: true })
  }
}

function isHeld(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return process.platform === 'win32' && ['EPERM', 'EACCES', 'EBUSY'].includes(code)
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs)
  })
}
