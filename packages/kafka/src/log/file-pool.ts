import { closeSync, openSync } from 'node:fs'

interface OpenFile {
  readonly fd: number
  users: number
}

/**
 * Open segment files, at most `limit` beside those in use at the moment. A file is found again by
 * its path; the one used least recently is closed first.
 */
export class FilePool {
  readonly #files = new Map<string, OpenFile>()
  readonly #forgotten = new Set<OpenFile>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get openCount(): number {
    return this.#files.size
  }

  /** Opens `path`, which is there, for reading and writing and holds it until {@link release}. */
  acquire(path: string): number {
    let file = this.#files.get(path)
    if (file) this.#files.delete(path)
    else file = { fd: openSync(path, 'r+'), users: 0 }
    this.#files.set(path, file)
    file.users++
    if (this.#files.size > this.#limit) this.#closeOldest()
    return file.fd
  }

  release(path: string, fd: number): void {
    const file = this.#files.get(path)
    if (file?.fd === fd) {
      file.users--
      return
    }
    // It was forgotten while it was in use; its last user closes it.
    for (const forgotten of this.#forgotten)
      if (forgotten.fd === fd && --forgotten.users === 0) {
        this.#forgotten.delete(forgotten)
        closeSync(fd)
        return
      }
  }

  /** Closes `path`, now or when its last user is done; for files that are renamed or removed. */
  forget(path: string): void {
    const file = this.#files.get(path)
    if (!file) return
    this.#files.delete(path)
    if (file.users === 0) closeSync(file.fd)
    else this.#forgotten.add(file)
  }

  close(): void {
    for (const path of [...this.#files.keys()]) this.forget(path)
  }

  #closeOldest(): void {
    for (const [path, file] of this.#files)
      if (file.users === 0) {
        this.#files.delete(path)
        closeSync(file.fd)
        return
      }
  }
}
