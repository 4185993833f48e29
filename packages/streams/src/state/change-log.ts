// Changes of what lies on disk, as runs of bytes: a start reads millions of them, and objects that live
// until the next commit would cost more than writing to the disk does.
//
//   kind uint8 | key's length uint32 | length of what follows it uint32 | key | value, or the end of a range

export const ChangeKind = { put: 0, remove: 1, removeRange: 2 } as const
export type ChangeKind = (typeof ChangeKind)[keyof typeof ChangeKind]

const headerBytes = 9
const chunkBytes = 262_144
/** Chunks that are kept for later when a commit has emptied them. */
const sparesMax = 16

/** Changes that were taken from a log; they are valid until they are given back. */
export interface TakenChanges {
  readonly hasRanges: boolean
  readonly chunks: readonly { readonly bytes: Buffer; readonly end: number }[]
}

/** Takes changes in the order in which they were made. */
export class ChangeLog {
  #full: { bytes: Buffer; end: number }[] = []
  #spares: Buffer[] = []
  /** The chunk that has the change which was added last. */
  bytes: Buffer = Buffer.alloc(0)
  #end = 0
  #hasRanges = false
  count = 0

  /**
   * Adds a change and gives where its key begins in {@link bytes}; what follows the key comes right
   * behind it. The caller writes both.
   */
  add(kind: ChangeKind, keyBytes: number, restBytes: number): number {
    const byteCount = headerBytes + keyBytes + restBytes
    if (this.#end + byteCount > this.bytes.byteLength) this.#nextChunk(byteCount)
    const { bytes } = this
    const at = this.#end
    bytes[at] = kind
    bytes.writeUInt32LE(keyBytes, at + 1)
    bytes.writeUInt32LE(restBytes, at + 5)
    this.#end = at + byteCount
    this.count++
    if (kind === ChangeKind.removeRange) this.#hasRanges = true
    return at + headerBytes
  }

  /** Gives all changes and goes on without them. */
  take(): TakenChanges {
    const hasRanges = this.#hasRanges
    const chunks = [...this.#full, { bytes: this.bytes, end: this.#end }]
    this.#full = []
    this.bytes = this.#spares.pop() ?? Buffer.alloc(0)
    this.#end = 0
    this.count = 0
    this.#hasRanges = false
    return { hasRanges, chunks }
  }

  /** Takes back the memory of changes that are done with. */
  giveBack({ chunks }: TakenChanges): void {
    for (const { bytes } of chunks)
      if (bytes.byteLength === chunkBytes && this.#spares.length < sparesMax)
        this.#spares.push(bytes)
  }

  #nextChunk(byteCount: number): void {
    if (this.#end > 0) this.#full.push({ bytes: this.bytes, end: this.#end })
    this.bytes =
      byteCount > chunkBytes
        ? Buffer.allocUnsafeSlow(byteCount)
        : (this.#spares.pop() ?? Buffer.allocUnsafeSlow(chunkBytes))
    this.#end = 0
  }
}

/** Visits changes in their order. Bytes are borrowed from the log. */
export function visitChanges(
  { chunks }: TakenChanges,
  visit: (kind: ChangeKind, key: Buffer, rest: Buffer) => void,
): void {
  for (const { bytes, end } of chunks)
    for (let at = 0; at < end; ) {
      const keyAt = at + headerBytes
      const restAt = keyAt + bytes.readUInt32LE(at + 1)
      const nextAt = restAt + bytes.readUInt32LE(at + 5)
      visit(bytes[at] as ChangeKind, bytes.subarray(keyAt, restAt), bytes.subarray(restAt, nextAt))
      at = nextAt
    }
}
