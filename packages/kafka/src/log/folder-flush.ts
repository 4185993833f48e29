import { close, fsync, open } from 'node:fs'

/** Makes the names in one folder durable, off this thread, for all who wait at the same time at once. */
export class FolderFlush {
  readonly #folder: string
  #last: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Resolves when the names that are there at the call are durable. */
  flush(): Promise<void> {
    // A flush that has begun may have missed them: all who come meanwhile share the next.
    if (!this.#next) {
      const next = this.#last.then(() => {
        this.#next = undefined
        return flushFolderAside(this.#folder)
      })
      this.#next = next
      this.#last = next.catch(() => {})
    }
    return this.#next
  }
}

/** Makes the names in a folder durable, off this thread. */
export function flushFolderAside(folder: string): Promise<void> {
  // Windows cannot open a folder, and needs no flush of it.
  return process.platform === 'win32' ? Promise.resolve() : flushAside(folder, 'r')
}

/** Makes what was written to a file durable, off this thread; one that is missing is made. */
export function flushFileAside(file: string): Promise<void> {
  return flushAside(file, 'a')
}

function flushAside(file: string, flags: 'r' | 'a'): Promise<void> {
  return new Promise((resolve, reject) => {
    open(file, flags, (openError, fd) => {
      if (openError) {
        reject(openError)
        return
      }
      fsync(fd, (flushError) => {
        close(fd, (closeError) => {
          const error = flushError ?? closeError
          if (error) reject(error)
          else resolve()
        })
      })
    })
  })
}
