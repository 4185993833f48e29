import { codeError } from '../errors.ts'
import { BsonType } from './types.ts'
import type { Value } from './value.ts'

const indexNames: string[] = Array.from({ length: 1_000 }, (_, index) => String(index))

/** Writes BSON documents into one growing buffer. Documents and arrays nest by begin and end. */
export class DocumentWriter {
  #bytes: Buffer
  #at = 0
  readonly #open: number[] = []

  constructor(sizeHint = 256) {
    this.#bytes = Buffer.allocUnsafe(sizeHint)
  }
  get size(): number {
    return this.#at
  }
  /** Begins the outermost document. */
  begin(): this {
    this.#room(5)
    this.#open.push(this.#at)
    this.#at += 4
    return this
  }
  beginDocument(name: string): this {
    this.#name(BsonType.object, name)
    return this.begin()
  }
  beginArray(name: string): this {
    this.#name(BsonType.array, name)
    return this.begin()
  }
  /** Ends what was begun last. */
  end(): this {
    this.#room(1)
    this.#bytes[this.#at++] = 0
    const start = this.#open.pop()!
    this.#bytes.writeInt32LE(this.#at - start, start)
    return this
  }
  value(name: string, value: Value): this {
    return this.raw(name, value.type, value.bytes, value.at, value.at + value.size)
  }
  /** Appends an element whose value is the bytes from `start` to `end`. */
  raw(name: string, type: number, bytes: Buffer, start: number, end: number): this {
    this.#name(type, name)
    return this.bytes(bytes, start, end)
  }
  document(name: string, bytes: Buffer): this {
    return this.raw(name, BsonType.object, bytes, 0, bytes.length)
  }
  /** Appends bytes as they are: whole elements, for instance. */
  bytes(bytes: Buffer, start: number, end: number): this {
    const length = end - start
    this.#room(length)
    if (length < 24) {
      const target = this.#bytes
      let at = this.#at
      for (let from = start; from < end; from++) target[at++] = bytes[from]!
    } else bytes.copy(this.#bytes, this.#at, start, end)
    this.#at += length
    return this
  }
  double(name: string, value: number): this {
    this.#name(BsonType.double, name)
    this.#room(8)
    this.#at = this.#bytes.writeDoubleLE(value, this.#at)
    return this
  }
  int(name: string, value: number): this {
    this.#name(BsonType.int, name)
    this.#room(4)
    this.#at = this.#bytes.writeInt32LE(value, this.#at)
    return this
  }
  long(name: string, value: bigint): this {
    this.#name(BsonType.long, name)
    this.#room(8)
    this.#at = this.#bytes.writeBigInt64LE(value, this.#at)
    return this
  }
  date(name: string, millis: number): this {
    this.#name(BsonType.date, name)
    this.#room(8)
    this.#at = this.#bytes.writeBigInt64LE(BigInt(Math.trunc(millis)), this.#at)
    return this
  }
  bool(name: string, value: boolean): this {
    this.#name(BsonType.bool, name)
    this.#room(1)
    this.#bytes[this.#at++] = value ? 1 : 0
    return this
  }
  null(name: string): this {
    this.#name(BsonType.null, name)
    return this
  }
  string(name: string, value: string): this {
    this.#name(BsonType.string, name)
    const length = Buffer.byteLength(value)
    this.#room(length + 5)
    this.#bytes.writeInt32LE(length + 1, this.#at)
    this.#bytes.write(value, this.#at + 4, length, 'utf8')
    this.#at += length + 4
    this.#bytes[this.#at++] = 0
    return this
  }
  /** The bytes written, borrowed until the writer is used again. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }
  /** The bytes written, owned by the caller; the writer begins anew. */
  take(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#at)
    this.#bytes.copy(bytes, 0, 0, this.#at)
    this.reset()
    return bytes
  }
  reset(): void {
    this.#at = 0
    this.#open.length = 0
  }

  #name(type: number, name: string): void {
    const length = name.length
    // Names are mostly short ASCII; three bytes are the most that a UTF-16 unit takes.
    this.#room(length * 3 + 2)
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = type
    let index = 0
    for (; index < length; index++) {
      const unit = name.charCodeAt(index)
      if (unit > 127) break
      if (unit === 0) throw codeError('BadValue', 'a field name must not contain a zero byte')
      bytes[at++] = unit
    }
    if (index < length) {
      const rest = name.slice(index)
      if (rest.includes('\0'))
        throw codeError('BadValue', 'a field name must not contain a zero byte')
      at += bytes.write(rest, at, 'utf8')
    }
    bytes[at++] = 0
    this.#at = at
  }
  #room(size: number): void {
    const wanted = this.#at + size
    if (wanted <= this.#bytes.length) return
    const bytes = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2))
    this.#bytes.copy(bytes, 0, 0, this.#at)
    this.#bytes = bytes
  }
}

/** The name of an array's element. */
export function indexName(index: number): string {
  return indexNames[index] ?? String(index)
}
