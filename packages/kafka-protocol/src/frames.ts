import type { Reader, Writer } from '@khlong/core/bytes'
import { requestHeaderVersion, responseHeaderVersion } from './apis.ts'
import { KafkaProtocolError } from './errors.ts'
import { readNullableString, skipTags, writeNullableString } from './messages/primitives.ts'

// A frame is an int32 length and as many bytes: a header and a message.

/** What stands before every request. */
export interface RequestHeader {
  apiKey: number
  apiVersion: number
  correlationId: number
  clientId: string | null
}

/** Begins a frame and gives the place of its length, which {@link endFrame} fills in. */
export function beginFrame(writer: Writer): number {
  return writer.reserve(4)
}

/** Ends the frame that began at `start`. */
export function endFrame(writer: Writer, start: number): void {
  // A piece that was borrowed at `start` itself ends the frame before.
  writer.setInt32(start, writer.position + writer.borrowedSince(start + 4) - start - 4)
}

export function encodeRequestHeader(writer: Writer, header: RequestHeader): void {
  writer.int16(header.apiKey).int16(header.apiVersion).int32(header.correlationId)
  writeNullableString(writer, header.clientId, false)
  if (requestHeaderVersion(header.apiKey, header.apiVersion) === 2) writer.uvarint(0)
}

/**
 * Reads the header of a request. Key and version are not judged: a broker answers an unknown version
 * of ApiVersions, and closes the connection on other unknown ones.
 */
export function decodeRequestHeader(reader: Reader): RequestHeader {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const clientId = readNullableString(reader, false)
  if (requestHeaderVersion(apiKey, apiVersion) === 2) skipTags(reader)
  return { apiKey, apiVersion, correlationId, clientId }
}

/** Writes the header of a response to a request of this key and version. */
export function encodeResponseHeader(
  writer: Writer,
  apiKey: number,
  apiVersion: number,
  correlationId: number,
): void {
  writer.int32(correlationId)
  if (responseHeaderVersion(apiKey, apiVersion) === 1) writer.uvarint(0)
}

/** Reads the rest of a response's header, whose correlation id was read to find the request. */
export function decodeResponseHeaderRest(reader: Reader, apiKey: number, apiVersion: number): void {
  if (responseHeaderVersion(apiKey, apiVersion) === 1) skipTags(reader)
}

/** The length that stands before a frame. */
const prefixBytes = 4

export interface FrameSplitterOptions {
  /** Of a frame. */
  readonly bytesMax: number
  /** Called with each piece that nothing more is needed of: its bytes were copied. */
  readonly onCopied?: (piece: Buffer) => void
}

/**
 * Cuts a stream of bytes into frames, which are copied out of the pieces that came.
 *
 * Memory is taken only for bytes that came, whatever length a frame announces.
 */
export class FrameSplitter {
  #bytesMax: number
  readonly #onCopied: (piece: Buffer) => void
  readonly #pieces: Buffer[] = []
  /** Where in the first piece what was not taken yet begins. */
  #position = 0
  #byteCount = 0
  /** Of the next frame, when its prefix was read. */
  #length: number | undefined

  constructor({ bytesMax, onCopied = () => {} }: FrameSplitterOptions) {
    this.#bytesMax = bytesMax
    this.#onCopied = onCopied
  }

  /** Sets another limit for the length of the frames that come. */
  limitTo(bytesMax: number): void {
    this.#bytesMax = bytesMax
  }

  /** Bytes that were not taken yet. */
  get bufferedBytes(): number {
    return this.#byteCount
  }

  /** Takes the next piece of the stream; it must not change until it was copied. */
  push(piece: Buffer): void {
    if (piece.byteLength === 0) return
    this.#pieces.push(piece)
    this.#byteCount += piece.byteLength
  }

  /**
   * The length of the next frame; undefined while it is not there as a whole.
   *
   * @throws KafkaProtocolError `KAFKA_PROTOCOL_FRAME_INVALID` for a length below 0 or above the limit.
   */
  get nextLength(): number | undefined {
    if (this.#length === undefined) {
      if (this.#byteCount < prefixBytes) return undefined
      const length = this.#peekInt32()
      if (length < 0 || length > this.#bytesMax)
        throw new KafkaProtocolError(
          'KAFKA_PROTOCOL_FRAME_INVALID',
          `a frame of ${length} bytes, from 0 to ${this.#bytesMax} are allowed`,
          { fields: { length } },
        )
      this.#length = length
      this.#copy(prefixBytes, undefined)
    }
    return this.#byteCount < this.#length ? undefined : this.#length
  }

  /** The length of the next frame, when its prefix was read by {@link nextLength}; else 0. */
  get announcedLength(): number {
    return this.#length ?? 0
  }

  /** The API key that the next frame begins with, if it is a request; -1 where it is too short. */
  get nextApiKey(): number {
    return (this.nextLength ?? 0) < 2 ? -1 : (this.#peekByte(0) << 8) | this.#peekByte(1)
  }

  /** Takes the next frame, which is there, into memory of its length. */
  take(memory: Buffer = Buffer.allocUnsafe(this.nextLength ?? 0)): Buffer {
    const length = this.nextLength
    if (length === undefined) throw new Error('no frame is there')
    this.#copy(length, memory)
    this.#length = undefined
    return memory
  }

  #copy(byteCount: number, memory: Buffer | undefined): void {
    let copied = 0
    let doneCount = 0
    while (copied < byteCount) {
      const piece = this.#pieces[doneCount]!
      const end = Math.min(piece.byteLength, this.#position + byteCount - copied)
      if (memory) piece.copy(memory, copied, this.#position, end)
      copied += end - this.#position
      this.#position = end
      if (end < piece.byteLength) break
      this.#position = 0
      doneCount++
    }
    this.#byteCount -= byteCount
    for (const piece of this.#pieces.splice(0, doneCount)) this.#onCopied(piece)
  }

  #peekInt32(): number {
    let value = 0
    for (let at = 0; at < prefixBytes; at++) value = (value << 8) | this.#peekByte(at)
    return value
  }

  #peekByte(at: number): number {
    let position = this.#position + at
    for (const piece of this.#pieces) {
      if (position < piece.byteLength) return piece[position]!
      position -= piece.byteLength
    }
    throw new RangeError(`byte ${at} is not there`)
  }
}
