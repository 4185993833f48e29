// The few packets of MQTT 3.1.1 that a publisher needs. A general client spends more time per
// message than a fleet of ten thousand sensors has.

/** Who connects. */
export interface ConnectFields {
  readonly clientId: string
  readonly keepAliveSeconds: number
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Whether the broker is to keep session and messages while the client is away. Default no. */
  readonly isPersistent?: boolean | undefined
}

/** CONNECT (section 3.1). */
export function encodeConnect(fields: ConnectFields): Buffer {
  const { clientId, username, password } = fields
  const strings = [clientId, username, password].filter((text) => text !== undefined)
  const clean = fields.isPersistent ? 0 : 2
  const flags = clean | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40)
  const keepAlive = Buffer.alloc(2)
  keepAlive.writeUInt16BE(fields.keepAliveSeconds)
  const head = Buffer.concat([encodeString('MQTT'), Buffer.from([4, flags]), keepAlive])
  const body = Buffer.concat([head, ...strings.map(encodeString)])
  return Buffer.concat([Buffer.from([0x10]), encodeLength(body.length), body])
}

/** What a PUBLISH says. */
export interface PublishFields {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly isDuplicate: boolean
  /** 0 for QoS 0. */
  readonly packetId: number
}

/** PUBLISH (section 3.3). */
export function encodePublish(fields: PublishFields): Buffer {
  const { topic, payload, qos, packetId } = fields
  const topicBytes = Buffer.byteLength(topic)
  const payloadBytes = Buffer.byteLength(payload)
  const rest = 2 + topicBytes + (qos > 0 ? 2 : 0) + payloadBytes
  const length = encodeLength(rest)
  const packet = Buffer.allocUnsafe(1 + length.length + rest)
  packet[0] = 0x30 | (fields.isDuplicate ? 8 : 0) | (qos << 1) | (fields.retain ? 1 : 0)
  let at = 1 + length.copy(packet, 1)
  at = packet.writeUInt16BE(topicBytes, at)
  at += packet.write(topic, at, 'utf8')
  if (qos > 0) at = packet.writeUInt16BE(packetId, at)
  packet.write(payload, at, 'utf8')
  return packet
}

/** PUBREL (section 3.6). */
export function encodePubrel(packetId: number): Buffer {
  return Buffer.from([0x62, 2, packetId >> 8, packetId & 0xff])
}

/** PINGREQ (section 3.12). */
export const pingreq: Buffer = Buffer.from([0xc0, 0])
/** DISCONNECT (section 3.14). */
export const disconnect: Buffer = Buffer.from([0xe0, 0])

/** Text with its length in front (section 1.5.3). */
export function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text)
  const packet = Buffer.alloc(2 + bytes.length)
  packet.writeUInt16BE(bytes.length)
  bytes.copy(packet, 2)
  return packet
}

/** A remaining length (section 2.2.3). */
export function encodeLength(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>>= 7
  } while (rest > 0)
  return Buffer.from(bytes)
}

/** What a broker says to a publisher; `code` is CONNACK's return code. */
export type Answer =
  | { readonly kind: 'connack'; readonly code: number }
  | { readonly kind: 'puback' | 'pubrec' | 'pubcomp'; readonly packetId: number }
  | { readonly kind: 'pingresp' }

const answerKinds = { 4: 'puback', 5: 'pubrec', 7: 'pubcomp' } as const

/** Cuts the bytes of a broker into answers. All of them are two or four bytes long. */
export class AnswerReader {
  #rest: Buffer = Buffer.alloc(0)

  /** The answers that are complete now; undefined where the bytes are none. */
  read(chunk: Buffer): Answer[] | undefined {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const answers: Answer[] = []
    let at = 0
    while (at + 2 <= bytes.length) {
      const type = bytes[at]! >> 4
      const length = bytes[at + 1]!
      if (length !== (type === 13 ? 0 : 2)) return undefined
      if (at + 2 + length > bytes.length) break
      if (type === 2) answers.push({ kind: 'connack', code: bytes[at + 3]! })
      else if (type === 13) answers.push({ kind: 'pingresp' })
      else if (type === 4 || type === 5 || type === 7)
        answers.push({ kind: answerKinds[type], packetId: bytes.readUInt16BE(at + 2) })
      else return undefined
      at += 2 + length
    }
    this.#rest = Buffer.from(bytes.subarray(at))
    return answers
  }
}
