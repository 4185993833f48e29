/** A message from the broker. */
export interface Publish {
  readonly topic: string
  /** Borrowed from the bytes that came. */
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly dup: boolean
  /** 0 with QoS 0. */
  readonly messageId: number
}

export interface PacketEvents {
  onPublish(packet: Publish): void
  /** Any other packet, whole. */
  onPacket(bytes: Buffer): void
}

const publishType = 3

/**
 * Cuts what a broker sends into packets and reads messages (MQTT 3.1.1 and 5, section 3.3) by itself:
 * they are nearly all that comes, and `mqtt-packet` copies each three times. The rest is for its
 * parser.
 */
export class PacketReader {
  readonly #isFive: boolean
  readonly #events: PacketEvents
  /** What came and makes no packet yet, and its length. */
  #chunks: Buffer[] = []
  #byteCount = 0
  /** Bytes that must be there before it is worth looking again. */
  #needed = 2

  constructor(protocolVersion: 4 | 5, events: PacketEvents) {
    this.#isFive = protocolVersion === 5
    this.#events = events
  }

  /** @throws Error where the bytes are no packets; nothing can be read after it. */
  read(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#byteCount += chunk.byteLength
    if (this.#byteCount < this.#needed) return
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    let start = 0
    for (let end = this.#end(bytes, start); end > 0; end = this.#end(bytes, start)) {
      if (bytes[start]! >>> 4 === publishType) this.#publish(bytes, start, end)
      else this.#events.onPacket(bytes.subarray(start, end))
      start = end
    }
    this.#chunks = start === bytes.byteLength ? [] : [bytes.subarray(start)]
    this.#byteCount = bytes.byteLength - start
  }

  /** Where the packet that begins at `start` ends; 0 where more bytes are needed. */
  #end(bytes: Buffer, start: number): number {
    let length = 0
    for (let index = 0; index < 4; index++) {
      const at = start + 1 + index
      if (at >= bytes.byteLength) {
        this.#needed = index + 2
        return 0
      }
      const byte = bytes[at]!
      length += (byte & 0x7f) * 128 ** index
      if (byte >= 0x80) continue
      const end = at + 1 + length
      this.#needed = end <= bytes.byteLength ? 2 : end - start
      return end <= bytes.byteLength ? end : 0
    }
    throw new Error('the broker sent a packet with a malformed length')
  }

  #publish(bytes: Buffer, start: number, end: number): void {
    const flags = bytes[start]!
    const qos = (flags >>> 1) & 3
    let at = start + 2
    while (bytes[at - 1]! >= 0x80) at++
    const topicEnd = at + 2 <= end ? at + 2 + bytes.readUInt16BE(at) : end + 1
    let payloadAt = topicEnd + (qos > 0 ? 2 : 0)
    if (this.#isFive) payloadAt = skipProperties(bytes, payloadAt, end)
    if (qos === 3 || payloadAt > end) throw new Error('the broker sent a malformed message')
    this.#events.onPublish({
      topic: bytes.toString('utf8', at + 2, topicEnd),
      payload: bytes.subarray(payloadAt, end),
      qos: qos as 0 | 1 | 2,
      retain: (flags & 1) !== 0,
      dup: (flags & 8) !== 0,
      messageId: qos > 0 ? bytes.readUInt16BE(topicEnd) : 0,
    })
  }
}

/** Where the properties end; behind `end` where they are cut. */
function skipProperties(bytes: Buffer, start: number, end: number): number {
  let length = 0
  for (let index = 0; index < 4 && start + index < end; index++) {
    const byte = bytes[start + index]!
    length += (byte & 0x7f) * 128 ** index
    if (byte < 0x80) return start + index + 1 + length
  }
  return end + 1
}
