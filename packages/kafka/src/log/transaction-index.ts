import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { Reader, Writer } from '@khlong/core/bytes'
import { KafkaError } from '../errors.ts'
import { writeFileDurably } from './checkpoint-file.ts'

// `.txnindex` lists the aborted transactions whose marker lies in the segment, in the order of markers,
// as Kafka writes it; without any there is no file. An entry of 34 bytes:
//
//   version int16 = 0 · producer id int64 · first offset int64 · last offset int64 ·
//   last stable offset int64

const entryVersion = 0
const entryBytes = 34

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
  /** Of the marker. */
  readonly lastOffset: number
  /** Transactions that begin at or above it are in later entries. */
  readonly lastStableOffset: number
}

export class TransactionIndex {
  readonly path: string
  #entries: AbortedTransaction[] | undefined
  #savedCount = 0
  #isRewritten = false

  constructor(path: string) {
    this.path = path
  }

  /** The file has all that is here. */
  get isSaved(): boolean {
    return !this.#isRewritten && (this.#entries?.length ?? 0) <= this.#savedCount
  }

  /** All entries, read when they are first asked for. */
  get entries(): readonly AbortedTransaction[] {
    return this.#loaded()
  }

  append(entry: AbortedTransaction): void {
    this.#loaded().push(entry)
  }

  /** There is no file: nothing was aborted here. */
  noteMissing(): void {
    this.#entries ??= []
  }

  /** Keeps the entries that `isKept` says; the rest is written anew by {@link save}. */
  keep(isKept: (entry: AbortedTransaction) => boolean): void {
    const entries = this.#loaded()
    const kept = entries.filter(isKept)
    if (kept.length === entries.length) return
    this.#entries = kept
    this.#isRewritten = true
  }

  /** Writes what is only in memory, and flushes it: readers trust it. */
  save(): void {
    const entries = this.#entries
    if (entries === undefined || !(this.#isRewritten || entries.length > this.#savedCount)) return
    if (this.#isRewritten) writeFileDurably(this.path, encode(entries))
    else this.#append(encode(entries.slice(this.#savedCount)))
    this.#savedCount = entries.length
    this.#isRewritten = false
  }

  #append(bytes: Buffer): void {
    const start = this.#savedCount * entryBytes
    const fd = openSync(this.path, start === 0 ? 'w' : 'r+')
    try {
      for (let at = 0; at < bytes.byteLength; )
        at += writeSync(fd, bytes, at, bytes.byteLength - at, start + at)
      fdatasyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }

  /** Forgets everything, the file too. */
  remove(): void {
    rmSync(this.path, { force: true })
    this.#entries = []
    this.#savedCount = 0
    this.#isRewritten = false
  }

  #loaded(): AbortedTransaction[] {
    if (this.#entries) return this.#entries
    const bytes = readIfThere(this.path)
    const reader = new Reader(bytes)
    const entries: AbortedTransaction[] = []
    for (let left = Math.floor(bytes.byteLength / entryBytes); left > 0; left--) {
      const version = reader.int16()
      if (version !== entryVersion)
        throw new KafkaError(
          'KAFKA_FORMAT_UNSUPPORTED',
          `${this.path}: version ${version}, expected ${entryVersion}`,
          { fields: { file: this.path } },
        )
      entries.push({
        producerId: reader.bigint64(),
        firstOffset: reader.int64(),
        lastOffset: reader.int64(),
        lastStableOffset: reader.int64(),
      })
    }
    this.#entries = entries
    this.#savedCount = entries.length
    return entries
  }
}

function encode(entries: readonly AbortedTransaction[]): Buffer {
  const writer = new Writer(entries.length * entryBytes)
  for (const { producerId, firstOffset, lastOffset, lastStableOffset } of entries)
    writer
      .int16(entryVersion)
      .bigint64(producerId)
      .int64(firstOffset)
      .int64(lastOffset)
      .int64(lastStableOffset)
  return writer.copy()
}

function readIfThere(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
