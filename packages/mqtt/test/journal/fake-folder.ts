import type { JournalFile, JournalFolder } from '../../src/journal/folder.ts'

interface Content {
  bytes: Buffer
  durable: Buffer
  isNameDurable: boolean
}

/** A folder in memory that can lose power: then only what was synced is left. */
export class FakeFolder implements JournalFolder {
  readonly path = 'memory'
  readonly files: Map<string, Content> = new Map()
  /** Operations until everything fails, as if the machine stood still. */
  operationsLeft: number = Number.POSITIVE_INFINITY
  operations = 0
  isFull = false
  writtenBytes = 0

  /** A folder with one file that is safe on its disk. */
  static of(name: string, bytes: Buffer): FakeFolder {
    const folder = new FakeFolder()
    folder.files.set(name, { bytes, durable: bytes, isNameDurable: true })
    return folder
  }

  #step(): void {
    this.operations++
    if (this.operations > this.operationsLeft) throw new Error('power is lost')
  }
  async list(): Promise<string[]> {
    return [...this.files.keys()]
  }
  async read(name: string): Promise<Buffer> {
    return Buffer.from(this.#content(name).bytes)
  }
  async open(name: string): Promise<JournalFile> {
    this.#step()
    const none = Buffer.alloc(0)
    const content = this.files.get(name) ?? { bytes: none, durable: none, isNameDurable: false }
    this.files.set(name, content)
    return {
      write: async (bytes, position) => {
        this.#step()
        if (this.isFull) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
        this.writtenBytes += bytes.length
        const grown = Buffer.alloc(Math.max(content.bytes.length, position + bytes.length))
        content.bytes.copy(grown)
        bytes.copy(grown, position)
        content.bytes = grown
      },
      sync: async () => {
        this.#step()
        content.durable = content.bytes
        content.isNameDurable = true
      },
      close: async () => {},
    }
  }
  async truncate(name: string, byteCount: number): Promise<void> {
    this.#step()
    const content = this.#content(name)
    content.bytes = content.bytes.subarray(0, byteCount)
    content.durable = content.bytes
  }
  async remove(name: string): Promise<void> {
    this.#step()
    this.files.delete(name)
  }
  /** What is left after a power loss; `tornBytes` of what was not synced have reached the disk. */
  afterPowerLoss(tornBytes: number): FakeFolder {
    const left = new FakeFolder()
    for (const [name, content] of this.files) {
      if (!content.isNameDurable && tornBytes === 0) continue
      const kept = content.bytes.subarray(0, content.durable.length + tornBytes)
      left.files.set(name, { bytes: kept, durable: kept, isNameDurable: true })
    }
    return left
  }
  #content(name: string): Content {
    const content = this.files.get(name)
    if (!content) throw new Error(`no file ${name}`)
    return content
  }
}
