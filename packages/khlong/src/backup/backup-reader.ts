import { createHash, type Hash, timingSafeEqual } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { crc32c } from '@khlong/core/bytes'
import { KhlongError } from '../errors.ts'
import { checkBackupPath } from './backup-path.ts'
import {
  type BackupFile,
  chunkBytesMax,
  fileHeaderBytes,
  formatVersion,
  magic,
  recordHeaderBytes,
  recordKind,
} from './backup-writer.ts'
import { type Manifest, parseManifest } from './manifest.ts'

const unpack = promisify(zstdDecompress)
/** Packed bytes of what does not pack are kept as they are, so no record is much larger than a chunk. */
const recordBytesMax = chunkBytesMax + 1_024
const filesMax = 1_000_000

/** Takes what a backup holds, in its order. */
export interface BackupVisitor {
  onManifest?(manifest: Manifest): Promise<void> | void
  /** A file begins: its bytes go to what this gives; `end` is called when they were right. */
  onFile?(file: BackupFile): Promise<FileSink>
}

export interface FileSink {
  write(bytes: Buffer): Promise<void>
  end(): Promise<void>
  /** Something was wrong before the end. */
  abandon(): Promise<void>
}

/** What a backup that was read to its end held. */
export interface BackupContents {
  readonly manifest: Manifest
  readonly fileCount: number
  /** Bytes of its files, unpacked. */
  readonly fileBytes: number
  /** Bytes of the backup itself. */
  readonly backupBytes: number
}

/**
 * Reads a backup from its beginning to its end and checks every sum in it.
 *
 * @throws KhlongError `KHLONG_BACKUP_DAMAGED` with the byte where it is not sound,
 *   `KHLONG_BACKUP_NEWER`, `KHLONG_BACKUP_PATH`
 */
export async function readBackup(
  file: string,
  visitor: BackupVisitor = {},
): Promise<BackupContents> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new KhlongError('KHLONG_BACKUP_DAMAGED', `cannot read ${file}`, { cause })
  })
  try {
    return await new BackupReader(file, handle).read(visitor)
  } finally {
    await handle.close()
  }
}

interface BackupRecord {
  readonly kind: number
  readonly body: Buffer
}

class BackupReader {
  readonly #file: string
  readonly #handle: FileHandle
  readonly #hash: Hash = createHash('sha256')
  #position = 0

  constructor(file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  async read(visitor: BackupVisitor): Promise<BackupContents> {
    await this.#header()
    const first = await this.#record()
    if (first.kind !== recordKind.manifest) throw this.#damaged('expected what the backup holds')
    const manifest = parseManifest(first.body.toString())
    await visitor.onManifest?.(manifest)
    const seen = new Set<string>()
    let fileBytes = 0
    for (;;) {
      const before = this.#hash.copy()
      const record = await this.#record()
      if (record.kind === recordKind.end) {
        await this.#checkEnd(record.body, before.digest(), seen.size, fileBytes)
        const backupBytes = this.#position
        return { manifest, fileCount: seen.size, fileBytes, backupBytes }
      }
      if (record.kind !== recordKind.file) throw this.#damaged('expected a file or the end')
      const entry = this.#entry(record.body)
      // Two names that differ only in case are one file on some systems.
      const name = entry.path.normalize('NFC').toLowerCase()
      if (seen.has(name) || seen.size >= filesMax)
        throw this.#damaged(`it holds ${entry.path} twice, or too many files`)
      seen.add(name)
      await this.#content(entry, await visitor.onFile?.(entry))
      fileBytes += entry.sizeBytes
    }
  }

  async #header(): Promise<void> {
    const header = await this.#bytes(fileHeaderBytes)
    if (!header.subarray(0, 8).equals(magic))
      throw new KhlongError(
        'KHLONG_BACKUP_DAMAGED',
        `${this.#file} is no backup: it does not begin with ${magic}`,
      )
    const version = header.readUInt16BE(8)
    if (version > formatVersion)
      throw new KhlongError(
        'KHLONG_BACKUP_NEWER',
        `${this.#file} has format version ${version}, this Khlong reads ${formatVersion}; use the Khlong that wrote it, or a newer one`,
      )
    if (version < 1) throw this.#damaged('it has no version')
  }

  async #content(entry: BackupFile, sink: FileSink | undefined): Promise<void> {
    const hash = createHash('sha256')
    let left = entry.sizeBytes
    try {
      for (;;) {
        const { kind, body } = await this.#record()
        if (kind === recordKind.fileEnd) {
          if (left !== 0 || !equals(hash.digest(), body))
            throw this.#damaged(`${entry.path} is not what it was`)
          await sink?.end()
          return
        }
        if (kind !== recordKind.data && kind !== recordKind.packed)
          throw this.#damaged(`expected bytes of ${entry.path}`)
        const bytes = kind === recordKind.packed ? await this.#unpacked(body) : body
        left -= bytes.length
        if (left < 0) throw this.#damaged(`${entry.path} is longer than it says`)
        hash.update(bytes)
        await sink?.write(bytes)
      }
    } catch (error) {
      await sink?.abandon()
      throw error
    }
  }

  async #unpacked(body: Buffer): Promise<Buffer> {
    try {
      return await unpack(body, { maxOutputLength: chunkBytesMax })
    } catch {
      throw this.#damaged('bytes that cannot be unpacked')
    }
  }

  #entry(body: Buffer): BackupFile {
    let json: unknown
    try {
      json = JSON.parse(body.toString())
    } catch {
      json = undefined
    }
    const { path, mode, sizeBytes } = (json ?? {}) as Partial<BackupFile>
    const isFile =
      typeof path === 'string' &&
      Number.isInteger(mode) &&
      mode! >= 0 &&
      mode! <= 0o777 &&
      Number.isSafeInteger(sizeBytes) &&
      sizeBytes! >= 0
    if (!isFile) throw this.#damaged('expected the name of a file')
    checkBackupPath(path)
    return { path, mode: mode!, sizeBytes: sizeBytes! }
  }

  async #checkEnd(body: Buffer, digest: Buffer, count: number, bytes: number): Promise<void> {
    if (
      body.length !== 44 ||
      body.readUInt32BE(0) !== count ||
      Number(body.readBigInt64BE(4)) !== bytes ||
      !equals(body.subarray(12), digest)
    )
      throw this.#damaged('its end does not fit to what is before it')
    const rest = await this.#handle.read(Buffer.alloc(1), 0, 1, this.#position)
    if (rest.bytesRead > 0) throw this.#damaged('something follows its end')
  }

  async #record(): Promise<BackupRecord> {
    const header = await this.#bytes(recordHeaderBytes)
    const length = header.readUInt32BE(0)
    if (length > recordBytesMax) throw this.#damaged('a record that is too long')
    const kind = header.subarray(8, 9)
    const body = await this.#bytes(length)
    if (crc32c(body, crc32c(kind)) !== header.readUInt32BE(4))
      throw this.#damaged('a record that is not what it was')
    return { kind: kind[0]!, body }
  }

  async #bytes(length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length)
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#handle.read(
        bytes,
        done,
        length - done,
        this.#position + done,
      )
      if (bytesRead === 0) throw this.#damaged('it ends too early')
      done += bytesRead
    }
    this.#position += length
    this.#hash.update(bytes)
    return bytes
  }

  #damaged(problem: string): KhlongError {
    return new KhlongError(
      'KHLONG_BACKUP_DAMAGED',
      `${this.#file}: before byte ${this.#position}: ${problem}`,
      { fields: { file: this.#file, position: this.#position } },
    )
  }
}

function equals(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
