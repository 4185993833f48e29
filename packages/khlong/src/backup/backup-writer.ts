import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import { crc32c, Writer } from '@khlong/core/bytes'
import { checkBackupPath } from './backup-path.ts'
import type { Manifest } from './manifest.ts'

// See docs/formats/backup.md.
//
//   file     "KHLONGBK" · version uint16 = 1 · 0 uint16 · record…
//   record   body length uint32 · crc32c uint32 of kind and body · kind uint8 · body

export const magic: Buffer = Buffer.from('KHLONGBK', 'latin1')
export const formatVersion = 1
export const fileHeaderBytes = 12
export const recordHeaderBytes = 9

export const recordKind = {
  manifest: 1,
  file: 2,
  data: 3,
  packed: 4,
  fileEnd: 5,
  end: 6,
} as const

/** Bytes of a file in one record, before they are packed. */
export const chunkBytesMax: number = 1 << 20

const pack = promisify(zstdCompress)
const packLevel = 3

/** A file as it goes into a backup. */
export interface BackupFile {
  /** Below `data/` or `pipeline/`, divided by `/`. */
  readonly path: string
  /** Permissions of its owner, group and others. */
  readonly mode: number
  readonly sizeBytes: number
}

/** Writes a backup, record by record. */
export class BackupWriter {
  readonly #handle: FileHandle
  readonly #hash: Hash = createHash('sha256')
  #position = 0
  #fileCount = 0
  #fileBytes = 0

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** Begins `file`, which must not be there; only its owner can read it, for it holds secrets. */
  static async create(file: string, manifest: Manifest): Promise<BackupWriter> {
    const writer = new BackupWriter(await open(file, 'wx', 0o600))
    const header = new Writer(fileHeaderBytes).raw(magic).uint16(formatVersion).uint16(0)
    await writer.#write(header.copy())
    await writer.#record(recordKind.manifest, Buffer.from(JSON.stringify(manifest)))
    return writer
  }

  /** Bytes written so far. */
  get position(): number {
    return this.#position
  }

  /** Adds a file whose bytes come from `chunks`; all together they are `file.sizeBytes`. */
  async add(file: BackupFile, chunks: AsyncIterable<Buffer>): Promise<void> {
    checkBackupPath(file.path)
    await this.#record(recordKind.file, Buffer.from(JSON.stringify(file)))
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of chunks) {
      hash.update(chunk)
      bytes += chunk.length
      const packed = await pack(chunk, {
        params: { [constants.ZSTD_c_compressionLevel]: packLevel },
      })
      if (packed.length < chunk.length) await this.#record(recordKind.packed, packed)
      else await this.#record(recordKind.data, chunk)
    }
    if (bytes !== file.sizeBytes)
      throw new Error(`${file.path} gave ${bytes} bytes, expected ${file.sizeBytes}`)
    await this.#record(recordKind.fileEnd, hash.digest())
    this.#fileCount++
    this.#fileBytes += bytes
  }

  /** Ends the backup and makes it durable. */
  async finish(): Promise<void> {
    const digest = this.#hash.copy().digest()
    const end = new Writer(48).uint32(this.#fileCount).int64(this.#fileBytes).raw(digest)
    await this.#record(recordKind.end, end.copy())
    await this.#handle.sync()
    await this.#handle.close()
  }

  /** Closes an unfinished backup; its file is the caller's to remove. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {})
  }

  #record(kind: number, body: Buffer): Promise<void> {
    const kindByte = Buffer.of(kind)
    const sum = crc32c(body, crc32c(kindByte))
    const header = new Writer(recordHeaderBytes).uint32(body.length).uint32(sum).uint8(kind)
    return this.#write(Buffer.concat([header.copy(), body]))
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done)
      done += bytesWritten
    }
    this.#hash.update(bytes)
    this.#position += bytes.length
  }
}
