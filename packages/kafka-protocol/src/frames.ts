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

/**
 * Cuts a stream of bytes into frames.
 *
 * Memory is taken only for bytes that came, whatever length a frame announces. A frame that came in
 * one piece is borrowed from it.
 */
export class FrameSplitter {
  #bytesMax: number
  #pieces: Buffer[] = []
  #byteCount = 0
  /** Bytes that must be there before anything can be cut. */
  #needed = 4

  /** `bytesMax` limits the length of a frame. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Sets another limit for the length of the frames that come. */
  limitTo(bytesMax: number): void {
    this.#bytesMax = bytesMax
  }

  /** Bytes that wait for the rest of their frame. */
  get bufferedBytes(): number {
    return this.#byteCount
  }

  /**
   * Takes the next piece of the stream and gives the frames that it completes, without their length.
   *
   * @throws KafkaProtocolError `KAFKA_PROTOCOL_FRAME_INVALID` for a length below 0 or above the limit.
   */
  push(piece: Buffer): Buffer[] {
    this.#pieces.push(piece)
    this.#byteCount += piece.byteLength
    if (this.#byteCount < this.#needed) return noFrames
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#byteCount)
    const frames: Buffer[] = []
    let at = 0
    this.#needed = 4
    while (bytes.byteLength - at >= 4) {
      const length = bytes.readInt32BE(at)
      if (length < 0 || length > this.#bytesMax)
        throw new KafkaProtocolError(
          'KAFKA_PROTOCOL_FRAME_INVALID',
          `a frame of ${length} bytes, from 0 to ${this.#bytesMax} are allowed`,
          { fields: { length } },
        )
      if (bytes.byteLength - at - 4 < length) {
        this.#needed = 4 + length
        break
      }
      frames.push(bytes.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    const rest = bytes.subarray(at)
    this.#byteCount = rest.byteLength
    this.#pieces = rest.byteLength > 0 ? [rest] : []
    return frames
  }
}

const noFrames: Buffer[] = []
