import { closeSync, fdatasync, fstatSync, openSync, readSync, writevSync } from 'node:fs'
import path from 'node:path'
import { crc32c } from '@khlong/core/bytes'
import { KafkaError } from '../errors.ts'

// One file that is flushed for all partitions; see docs/formats/kafka-commit-journal.md.
//
//   file  = header, then entries until one does not check
//   header= magic "KHLONGCJ" · version uint32 = 1 · generation uint32 · crc32c uint32 of the 16 before
//   entry = crc32c uint32 of what follows · generation uint32 · byteCount uint32 ·
//           topic id 16 bytes · partition int32 · batch as it lies in its segment
//
// Two files take turns. One is written over from its start when the other is full, with a higher
// generation: what is left of earlier turns behind the last entry bears an older generation and ends
// the read. So the files stop growing and a flush need not write a new file size.

const magic = Buffer.from('KHLONGCJ')
const version = 1
const fileHeaderBytes = 20
const entryHeaderBytes = 32

export interface JournalEntry {
  readonly topicId: Buffer
  readonly partition: number
  readonly batch: Buffer
}

interface JournalFile {
  readonly path: string
  readonly fd: number
  generation: number
}

export class CommitJournal {
  readonly #files: [JournalFile, JournalFile]
  #active = 0
  #position = 0

  private constructor(files: [JournalFile, JournalFile]) {
    this.#files = files
  }

  /**
   * Opens the journal of a folder and gives every entry it holds to `replay`, oldest first. Write only
   * after {@link turn}, when what was replayed is safe in its segments.
   *
   * @throws KafkaError `KAFKA_FORMAT_UNSUPPORTED` where a newer Khlong wrote it.
   */
  static open(folder: string, replay: (entry: JournalEntry) => void): CommitJournal {
    const files = [0, 1].map((index) => {
      const file = path.join(folder, `commit-${index}.journal`)
      const fd = openJournal(file)
      return { path: file, fd, generation: readGeneration(file, fd) }
    }) as [JournalFile, JournalFile]
    const byAge = files[0].generation <= files[1].generation ? files : [files[1], files[0]]
    for (const file of byAge) if (file.generation > 0) replayFile(file, replay)
    const journal = new CommitJournal(files)
    journal.#active = files.indexOf(byAge[1]!)
    return journal
  }

  /** Bytes of the active file that are in use. */
  get position(): number {
    return this.#position
  }

  /** Begins the other file anew. What it held must be flushed in its segments by now. */
  turn(): void {
    const generation = Math.max(this.#files[0].generation, this.#files[1].generation) + 1
    this.#active = 1 - this.#active
    const file = this.#files[this.#active]!
    file.generation = generation
    const header = Buffer.alloc(fileHeaderBytes)
    magic.copy(header)
    header.writeUInt32BE(version, 8)
    header.writeUInt32BE(generation, 12)
    header.writeUInt32BE(crc32c(header.subarray(0, 16)), 16)
    writeAll(file.fd, [header], 0)
    this.#position = fileHeaderBytes
  }

  /** Writes entries behind those that are there; they are durable after {@link flush}. */
  write(entries: readonly JournalEntry[]): void {
    const file = this.#files[this.#active]!
    const buffers: Buffer[] = []
    let byteCount = 0
    for (const { topicId, partition, batch } of entries) {
      const header = Buffer.allocUnsafe(entryHeaderBytes)
      header.writeUInt32BE(file.generation, 4)
      header.writeUInt32BE(batch.byteLength, 8)
      topicId.copy(header, 12)
      header.writeInt32BE(partition, 28)
      header.writeUInt32BE(crc32c(batch, crc32c(header.subarray(4))), 0)
      buffers.push(header, batch)
      byteCount += entryHeaderBytes + batch.byteLength
    }
    for (let first = 0, at = this.#position; first < buffers.length; first += 512)
      at = writeAll(file.fd, buffers.slice(first, first + 512), at)
    this.#position += byteCount
  }

  flush(): Promise<void> {
    const { fd } = this.#files[this.#active]!
    return new Promise((resolve, reject) => {
      fdatasync(fd, (error) => (error ? reject(error) : resolve()))
    })
  }

  close(): void {
    for (const file of this.#files) closeSync(file.fd)
  }
}

function openJournal(file: string): number {
  try {
    return openSync(file, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return openSync(file, 'w+')
  }
}

/** 0 where the file is new, or was cut down before its header was flushed. */
function readGeneration(file: string, fd: number): number {
  const header = Buffer.alloc(fileHeaderBytes)
  if (readSync(fd, header, 0, fileHeaderBytes, 0) < fileHeaderBytes) return 0
  if (header.compare(magic, 0, 8, 0, 8) !== 0) return 0
  if (header.readUInt32BE(8) > version)
    throw new KafkaError(
      'KAFKA_FORMAT_UNSUPPORTED',
      `${file}: version ${header.readUInt32BE(8)}, this Khlong reads up to ${version}`,
      { fields: { file } },
    )
  return header.readUInt32BE(16) === crc32c(header.subarray(0, 16)) ? header.readUInt32BE(12) : 0
}

function replayFile(file: JournalFile, replay: (entry: JournalEntry) => void): void {
  const fileBytes = fstatSync(file.fd).size
  const header = Buffer.allocUnsafe(entryHeaderBytes)
  let position = fileHeaderBytes
  while (position + entryHeaderBytes <= fileBytes) {
    readSync(file.fd, header, 0, entryHeaderBytes, position)
    const byteCount = header.readUInt32BE(8)
    const isOfThisTurn = header.readUInt32BE(4) === file.generation
    if (!isOfThisTurn || position + entryHeaderBytes + byteCount > fileBytes) return
    const batch = Buffer.allocUnsafe(byteCount)
    readSync(file.fd, batch, 0, byteCount, position + entryHeaderBytes)
    if (header.readUInt32BE(0) !== crc32c(batch, crc32c(header.subarray(4)))) return
    const topicId = Buffer.from(header.subarray(12, 28))
    replay({ topicId, partition: header.readInt32BE(28), batch })
    position += entryHeaderBytes + byteCount
  }
}

function writeAll(fd: number, buffers: Buffer[], position: number): number {
  let at = position
  const wanted = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)
  let written = writevSync(fd, buffers, at)
  at += written
  if (written < wanted) {
    const rest = Buffer.concat(buffers)
    while (written < wanted) {
      const count = writevSync(fd, [rest.subarray(written)], at)
      written += count
      at += count
    }
  }
  return at
}
