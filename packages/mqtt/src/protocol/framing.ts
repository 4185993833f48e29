import { ProtocolError } from '../errors.ts'
import { Reason } from './reason.ts'

/**
 * Cuts a stream of bytes into control packets (MQTT 5 section 2.1).
 *
 * A length is compared with the limit as soon as it is known, so that no more than one packet of
 * the greatest allowed size, and the chunk that completes it, is ever held.
 */
export class PacketFramer {
  #packetBytesMax: number
  #buffer: Buffer = empty
  #position = 0
  #chunks: Buffer[] = []
  #chunkBytes = 0
  /** Bytes that must be there before it is worth looking again. */
  #needed = 2

  /** First byte of the packet that `next` found: type and flags. */
  header = 0
  /** What follows the fixed header, borrowed from the chunks. */
  body: Buffer = empty
  /** The whole packet, borrowed from the chunks. */
  packet: Buffer = empty

  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax
  }

  /** The limit for the packets to come. */
  allow(packetBytesMax: number): void {
    this.#packetBytesMax = packetBytesMax
  }

  /** Takes the next bytes; they are borrowed until `next` has given the packets in them. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#chunkBytes += chunk.length
  }

  /**
   * Finds the next packet; false where more bytes are needed.
   *
   * @throws ProtocolError where the length is malformed or beyond the limit.
   */
  next(): boolean {
    if (this.#buffer.length - this.#position + this.#chunkBytes < this.#needed) return false
    if (this.#chunkBytes > 0) this.#join()
    const buffer = this.#buffer
    const start = this.#position
    let length = 0
    let scale = 1
    let at = start + 1
    for (;;) {
      if (at >= buffer.length) {
        if (at - start > 4) throw new ProtocolError(Reason.malformedPacket, 'malformed length')
        this.#needed = at - start + 1
        return false
      }
      const byte = buffer[at++]!
      length += (byte & 0x7f) * scale
      if (byte < 0x80) break
      if (at - start > 4) throw new ProtocolError(Reason.malformedPacket, 'malformed length')
      scale *= 0x80
    }
    const packetBytes = at - start + length
    if (packetBytes > this.#packetBytesMax)
      throw new ProtocolError(
        Reason.packetTooLarge,
        `a packet of ${packetBytes} bytes; the limit is ${this.#packetBytesMax}`,
      )
    if (buffer.length - start < packetBytes) {
      this.#needed = packetBytes
      return false
    }
    this.#needed = 2
    this.#position = start + packetBytes
    this.header = buffer[start]!
    this.packet = buffer.subarray(start, this.#position)
    this.body = buffer.subarray(at, this.#position)
    return true
  }

  #join(): void {
    const rest = this.#buffer.subarray(this.#position)
    if (rest.length > 0) this.#chunks.unshift(rest)
    this.#buffer = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#chunkBytes = 0
    this.#position = 0
  }
}

const empty = Buffer.alloc(0)
