import { constants } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

/** A file that is only written to at given positions. */
export interface JournalFile {
  write(bytes: Buffer, position: number): Promise<void>
  /** What was written survives a power loss once this has resolved. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** The few things that the journal does with files; tests have one that loses what was not synced. */
export interface JournalFolder {
  /** For messages to people. */
  readonly path: string
  list(): Promise<string[]>
  read(name: string): Promise<Buffer>
  /** Makes or opens a file; a new one's name survives a power loss after its first sync. */
  open(name: string): Promise<JournalFile>
  truncate(name: string, byteCount: number): Promise<void>
  remove(name: string): Promise<void>
}

/** A folder of the machine. */
export function diskFolder(folder: string): JournalFolder {
  const at = (name: string): string => path.join(folder, name)
  return {
    path: folder,
    list: () => readdir(folder),
    read: (name) => readFile(at(name)),
    open: async (name) => {
      const handle = await open(at(name), constants.O_RDWR | constants.O_CREAT, 0o600)
      return diskFile(handle, folder)
    },
    truncate: async (name, byteCount) => {
      const handle = await open(at(name), 'r+')
      try {
        await handle.truncate(byteCount)
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    remove: async (name) => {
      await rm(at(name), { force: true })
      // A file that comes back after a power loss without the next one would look like damage.
      await syncFolder(folder)
    },
  }
}

function diskFile(handle: FileHandle, folder: string): JournalFile {
  let isNameDurable = false
  return {
    write: async (bytes, position) => {
      for (let done = 0; done < bytes.length; )
        done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
    },
    sync: async () => {
      await handle.datasync()
      if (isNameDurable) return
      await syncFolder(folder)
      isNameDurable = true
    },
    close: () => handle.close(),
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows has no handle for a folder, and keeps names in its own log.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
