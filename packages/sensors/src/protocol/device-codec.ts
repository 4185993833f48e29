// What a device needs of MQTT 3.1.1 beside publishing: to subscribe, and to take messages.

import { encodeLength, encodeString } from './mqtt-client-codec.ts'

/** SUBSCRIBE at QoS 1 (section 3.8). */
export function encodeSubscribe(packetId: number, topics: readonly string[]): Buffer {
  const filters = topics.flatMap((topic) => [encodeString(topic), Buffer.from([1])])
  const body = Buffer.concat([Buffer.from([packetId >> 8, packetId & 0xff]), ...filters])
  return Buffer.concat([Buffer.from([0x82]), encodeLength(body.length), body])
}

/** PUBACK (section 3.4). */
export function encodePuback(packetId: number): Buffer {
  return Buffer.from([0x40, 2, packetId >> 8, packetId & 0xff])
}

/** What a broker says to a device; codes are those of CONNACK and SUBACK. */
export type DevicePacket =
  | { readonly kind: 'connack'; readonly code: number }
  | { readonly kind: 'suback'; readonly codes: readonly number[] }
  | { readonly kind: 'puback'; readonly packetId: number }
  | { readonly kind: 'pingresp' }
  | {
      readonly kind: 'publish'
      readonly topic: string
      readonly payload: string
      readonly qos: 0 | 1
      /** 0 for QoS 0. */
      readonly packetId: number
    }

/** Commands are short; a longer packet ends the connection. */
export const packetBytesMax = 65_536

/** Cuts the bytes of a broker into packets. */
export class DevicePacketReader {
  #rest: Buffer = Buffer.alloc(0)

  /** The packets that are complete now; undefined where the bytes are none that a device expects. */
  read(chunk: Buffer): DevicePacket[] | undefined {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const packets: DevicePacket[] = []
    let at = 0
    while (at < bytes.length) {
      const length = readLength(bytes, at + 1)
      if (length === undefined || (length !== 'more' && length.value > packetBytesMax))
        return undefined
      if (length === 'more' || length.end + length.value > bytes.length) break
      const end = length.end + length.value
      const packet = decode(bytes[at]!, bytes.subarray(length.end, end))
      if (!packet) return undefined
      packets.push(packet)
      at = end
    }
    this.#rest = Buffer.from(bytes.subarray(at))
    return packets
  }
}

/** The remaining length (section 2.2.3), four bytes at most. */
function readLength(
  bytes: Buffer,
  from: number,
): { value: number; end: number } | 'more' | undefined {
  let value = 0
  for (let index = 0; index < 4; index++) {
    const byte = bytes[from + index]
    if (byte === undefined) return 'more'
    value += (byte & 0x7f) * 128 ** index
    if (byte < 0x80) return { value, end: from + index + 1 }
  }
  return undefined
}

function decode(head: number, body: Buffer): DevicePacket | undefined {
  switch (head >> 4) {
    case 2:
      return body.length === 2 ? { kind: 'connack', code: body[1]! } : undefined
    case 3:
      return decodePublish(head, body)
    case 4:
      return body.length === 2 ? { kind: 'puback', packetId: body.readUInt16BE(0) } : undefined
    case 9:
      return body.length > 2 ? { kind: 'suback', codes: [...body.subarray(2)] } : undefined
    case 13:
      return body.length === 0 ? { kind: 'pingresp' } : undefined
    default:
      return undefined
  }
}

function decodePublish(head: number, body: Buffer): DevicePacket | undefined {
  const qos = (head >> 1) & 3
  const topicBytes = body.length < 2 ? 0 : body.readUInt16BE(0)
  const payloadAt = 2 + topicBytes + (qos > 0 ? 2 : 0)
  // Subscribed at QoS 1, nothing comes at QoS 2.
  if (qos > 1 || topicBytes === 0 || payloadAt > body.length) return undefined
  return {
    kind: 'publish',
    topic: body.toString('utf8', 2, 2 + topicBytes),
    payload: body.toString('utf8', payloadAt),
    qos: qos === 0 ? 0 : 1,
    packetId: qos === 0 ? 0 : body.readUInt16BE(payloadAt - 2),
  }
}
