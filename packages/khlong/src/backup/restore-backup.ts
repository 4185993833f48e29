import { chmod, type FileHandle, open, readdir, rename, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder } from '@khlong/core'
import { KhlongError } from '../errors.ts'
import { partFormats } from '../parts/load.ts'
import { type BackupContents, type FileSink, readBackup } from './backup-reader.ts'
import type { BackupFile } from './backup-writer.ts'
import type { Manifest } from './manifest.ts'

/**
 * Reads a backup to its end and checks all sums, and that this Khlong can read its files.
 *
 * @throws KhlongError `KHLONG_BACKUP_DAMAGED`, `KHLONG_BACKUP_NEWER`, `KHLONG_BACKUP_PATH`
 */
export function verifyBackup(file: string): Promise<BackupContents> {
  return readBackup(file, { onManifest: checkFormats })
}

/**
 * Makes a pipeline folder of a backup, its data in `data` below it. It is made beside its name and
 * renamed when all sums were right, so that half a restore cannot be taken for a whole one.
 *
 * @throws KhlongError as {@link verifyBackup}, and `KHLONG_BACKUP_EXISTS` where `folder` is not empty
 */
export async function restoreBackup(file: string, folder: string): Promise<BackupContents> {
  const target = path.resolve(folder)
  const found = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new KhlongError('KHLONG_BACKUP_EXISTS', `${target} is no folder`, { cause: error })
  })
  if (found !== undefined && found.length > 0)
    throw new KhlongError('KHLONG_BACKUP_EXISTS', `${target} is not empty; choose a new folder`)
  const beside = `${target}.restoring-${process.pid}`
  await makeFolder(path.dirname(beside))
  await rm(beside, { recursive: true, force: true })
  try {
    await makeFolder(path.join(beside, 'data'))
    const contents = await readBackup(file, {
      onManifest: checkFormats,
      onFile: (entry) => newSink(beside, entry),
    })
    if (found !== undefined) await rmdir(target)
    await rename(beside, target)
    return contents
  } catch (error) {
    await rm(beside, { recursive: true, force: true })
    throw error
  }
}

/** Files of a newer version are refused before anything is written. */
async function checkFormats({ khlong, parts }: Manifest): Promise<void> {
  for (const { name, formats } of parts) {
    const readable = await partFormats(name)
    for (const [format, version] of Object.entries(formats))
      if (version > (readable[format] ?? 0))
        throw new KhlongError(
          'KHLONG_BACKUP_NEWER',
          `the backup was made by khlong ${khlong}: its ${format} has version ${version}, this one reads ${readable[format] ?? 'none'}; use that khlong, or a newer one`,
          { fields: { part: name, format, version } },
        )
  }
}

/** The paths were checked when the backup was read; the folder is new and holds no links. */
async function newSink(folder: string, { path: name, mode }: BackupFile): Promise<FileSink> {
  const below = name.startsWith('pipeline/') ? name.slice('pipeline/'.length) : name
  const file = path.join(folder, ...below.split('/'))
  await makeFolder(path.dirname(file))
  const handle: FileHandle = await open(file, 'wx', 0o600)
  return {
    write: async (bytes) => {
      for (let done = 0; done < bytes.length; )
        done += (await handle.write(bytes, done)).bytesWritten
    },
    end: async () => {
      await handle.sync()
      await handle.close()
      await chmod(file, mode)
    },
    abandon: () => handle.close(),
  }
}
