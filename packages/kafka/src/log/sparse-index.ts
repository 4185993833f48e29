import {
  close,
  closeSync,
  fdatasync,
  fdatasyncSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'

// Kafka's two index files hold ascending entries without a header; offsets are relative to the
// segment's first:
//
//   .index      relative offset int32 · position int32
//   .timeindex  timestamp int64 · relative offset int32
//
// The index of the active segment is held in memory and written when its segment rolls, is
// checkpointed or closes; that of an older one stays in its file and is searched there.

/** A key with the value that belongs to the greatest key at or below what was asked for. */
export interface IndexEntry {
  readonly key: number
  readonly value: number
}

export class SparseIndex {
  readonly path: string
  readonly #keyBytes: 4 | 8
  readonly #entryBytes: number
  #memory: Buffer | undefined
  #count = 0
  #savedCount = 0

  constructor(path: string, keyBytes: 4 | 8) {
    this.path = path
    this.#keyBytes = keyBytes
    this.#entryBytes = keyBytes + 4
  }

  get count(): number {
    return this.#count
  }
  get byteCount(): number {
    return this.#count * this.#entryBytes
  }
  /** The file has all that is here. */
  get isSaved(): boolean {
    return this.#savedCount === this.#count
  }

  /** Takes an existing file as it is; false where there is none or it cannot be whole. */
  attach(): boolean {
    const size = sizeOf(this.path)
    if (size === undefined || size % this.#entryBytes !== 0) return false
    this.#count = size / this.#entryBytes
    this.#savedCount = this.#count
    return true
  }

  /** Brings the entries whose value (or key) is below the limits to memory and forgets the rest. */
  load(keep: (entry: IndexEntry) => boolean): void {
    // Most are missing or empty where there are many partitions, and a look is cheaper than a read.
    const bytes = sizeOf(this.path) ? readFileSync(this.path) : Buffer.alloc(0)
    const whole = Math.floor(bytes.byteLength / this.#entryBytes)
    this.#memory = bytes
    this.#count = 0
    let last = Number.NEGATIVE_INFINITY
    for (let index = 0; index < whole; index++) {
      const entry = this.#read(bytes, index * this.#entryBytes)
      if (entry.key <= last || !keep(entry)) break
      last = entry.key
      this.#count++
    }
    this.#savedCount = this.#count
    if (this.#count * this.#entryBytes < bytes.byteLength)
      truncateSync(this.path, this.#count * this.#entryBytes)
  }

  append(key: number, value: number): void {
    const at = this.#count * this.#entryBytes
    let memory = this.#memory ?? Buffer.alloc(0)
    if (at + this.#entryBytes > memory.byteLength) {
      const grown = Buffer.allocUnsafe(Math.max(64 * this.#entryBytes, memory.byteLength * 2))
      memory.copy(grown, 0, 0, at)
      memory = grown
    }
    if (this.#keyBytes === 4) memory.writeInt32BE(key, at)
    else memory.writeBigInt64BE(BigInt(key), at)
    memory.writeInt32BE(value, at + this.#keyBytes)
    this.#memory = memory
    this.#count++
  }

  last(): IndexEntry | undefined {
    return this.#count === 0 ? undefined : this.#withEntries((at) => at(this.#count - 1))
  }

  /** The last entry whose key is at or below `key`. */
  floor(key: number): IndexEntry | undefined {
    if (this.#count === 0) return undefined
    return this.#withEntries((at) => {
      let low = 0
      let high = this.#count - 1
      let found: IndexEntry | undefined
      while (low <= high) {
        const middle = (low + high) >>> 1
        const entry = at(middle)
        if (entry.key <= key) {
          found = entry
          low = middle + 1
        } else high = middle - 1
      }
      return found
    })
  }

  /** Writes what is only in memory, and makes it durable off this thread. */
  async save(): Promise<void> {
    const fd = this.#write()
    if (fd !== undefined) await flushAndClose(fd)
  }

  /** The open file, where there was something to write: what becomes of its name meanwhile does not matter then. */
  #write(): number | undefined {
    if (this.#memory === undefined || this.#savedCount === this.#count) return undefined
    const fd = openSync(this.path, this.#savedCount === 0 ? 'w' : 'r+')
    try {
      let at = this.#savedCount * this.#entryBytes
      const end = this.#count * this.#entryBytes
      while (at < end) at += writeSync(fd, this.#memory, at, end - at, at)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    this.#savedCount = this.#count
    return fd
  }

  /** Makes the file of a new segment: other programs expect it from the start. */
  create(): void {
    closeSync(openSync(this.path, 'w'))
    this.#memory = Buffer.alloc(0)
    this.#count = 0
    this.#savedCount = 0
  }

  /** Writes everything and lets go of the memory: the segment is no longer active. */
  seal(): void {
    const fd = this.#write() ?? openSync(this.path, 'a')
    try {
      // It is trusted from now on; what a loss of power made of it could move the log's start.
      fdatasyncSync(fd)
    } finally {
      closeSync(fd)
    }
    this.#memory = undefined
  }

  #withEntries<Result>(search: (at: (index: number) => IndexEntry) => Result): Result {
    const memory = this.#memory
    if (memory) return search((index) => this.#read(memory, index * this.#entryBytes))
    const fd = openSync(this.path, 'r')
    const entry = Buffer.allocUnsafe(this.#entryBytes)
    try {
      return search((index) => {
        readSync(fd, entry, 0, this.#entryBytes, index * this.#entryBytes)
        return this.#read(entry, 0)
      })
    } finally {
      closeSync(fd)
    }
  }

  #read(bytes: Buffer, at: number): IndexEntry {
    const key = this.#keyBytes === 4 ? bytes.readInt32BE(at) : Number(bytes.readBigInt64BE(at))
    return { key, value: bytes.readInt32BE(at + this.#keyBytes) }
  }
}

function flushAndClose(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (flushError) => {
      close(fd, (closeError) => {
        const error = flushError ?? closeError
        if (error) reject(error)
        else resolve()
      })
    })
  })
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size
}
