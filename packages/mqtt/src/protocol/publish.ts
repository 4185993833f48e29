import { isUtf8 } from 'node:buffer'
import type { Writer } from '@khlong/core/bytes'
import { ProtocolError } from '../errors.ts'
import { Reason } from './reason.ts'

// PUBLISH has a codec of its own beside mqtt-packet: nearly all packets are PUBLISH or its
// acknowledgements, and a broker passes most properties on as they came, byte for byte and in their
// order [MQTT-3.3.2-18], which a codec that turns them into an object cannot keep.

/** At most once, at least once, exactly once. */
export type Qos = 0 | 1 | 2
/** The level byte of CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5. */
export type ProtocolVersion = 3 | 4 | 5

/** A PUBLISH as it came; the buffers are borrowed from the packet. */
export interface PublishPacket {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: Qos
  readonly isDuplicate: boolean
  readonly retain: boolean
  /** 0 for QoS 0. */
  readonly packetId: number
  /** The properties that go on to subscribers, as they stood; never expiry, alias, identifiers. */
  readonly properties: Buffer
  /** Seconds, or -1 without one. */
  readonly messageExpiry: number
  /** 0 without one. */
  readonly topicAlias: number
}

const Property = {
  payloadFormatIndicator: 1,
  messageExpiryInterval: 2,
  contentType: 3,
  responseTopic: 8,
  correlationData: 9,
  subscriptionIdentifier: 11,
  topicAlias: 35,
  userProperty: 38,
} as const

const empty = Buffer.alloc(0)
const malformed = (what: string): ProtocolError =>
  new ProtocolError(Reason.malformedPacket, `malformed PUBLISH: ${what}`)

/**
 * Reads the body of a PUBLISH (MQTT 5 section 3.3) from a client.
 *
 * @throws ProtocolError
 */
export function decodePublish(
  header: number,
  body: Buffer,
  version: ProtocolVersion,
): PublishPacket {
  const qos = (header >> 1) & 3
  if (qos === 3) throw malformed('QoS 3')
  if (qos === 0 && (header & 8) !== 0) throw malformed('DUP with QoS 0')
  const topicEnd = stringEnd(body, 0, body.length)
  const topic = readString(body, 2, topicEnd)
  let at = topicEnd
  let packetId = 0
  if (qos > 0) {
    if (at + 2 > body.length) throw malformed('no packet identifier')
    packetId = body.readUInt16BE(at)
    if (packetId === 0) throw malformed('packet identifier 0')
    at += 2
  }
  let properties: Buffer = empty
  let messageExpiry = -1
  let topicAlias = 0
  if (version === 5) {
    const end = propertiesEnd(body, at)
    at = end.start
    const first = at
    const kept: Buffer[] = []
    let keptFrom = at
    let seen = 0
    while (at < end.end) {
      const start = at
      const id = body[at++]!
      if (id !== Property.userProperty) {
        // All identifiers that may stand here are below 36; a number holds them as bits.
        const bit = id === Property.topicAlias ? 1 : id < 31 ? 1 << id : 0
        if ((seen & bit) !== 0)
          throw new ProtocolError(Reason.protocolError, `property ${id} given twice`)
        seen |= bit
      }
      switch (id) {
        case Property.payloadFormatIndicator:
          if (at >= end.end || body[at]! > 1) throw malformed('payload format')
          at += 1
          break
        case Property.messageExpiryInterval:
          if (at + 4 > end.end) throw malformed('message expiry')
          messageExpiry = body.readUInt32BE(at)
          at += 4
          kept.push(body.subarray(keptFrom, start))
          keptFrom = at
          break
        case Property.topicAlias:
          if (at + 2 > end.end) throw malformed('topic alias')
          topicAlias = body.readUInt16BE(at)
          if (topicAlias === 0) throw new ProtocolError(Reason.topicAliasInvalid, 'topic alias 0')
          at += 2
          kept.push(body.subarray(keptFrom, start))
          keptFrom = at
          break
        case Property.responseTopic: {
          const stop = stringEnd(body, at, end.end)
          if (/[+#]/.test(readString(body, at + 2, stop)))
            throw new ProtocolError(Reason.protocolError, 'a wildcard in the response topic')
          at = stop
          break
        }
        case Property.contentType:
          readString(body, at + 2, stringEnd(body, at, end.end))
          at = stringEnd(body, at, end.end)
          break
        case Property.correlationData:
          at = stringEnd(body, at, end.end)
          break
        case Property.userProperty:
          at = stringEnd(body, stringEnd(body, at, end.end), end.end)
          break
        default:
          throw new ProtocolError(Reason.protocolError, `property ${id} in PUBLISH`)
      }
    }
    if (keptFrom === first) properties = body.subarray(first, end.end)
    else properties = Buffer.concat([...kept, body.subarray(keptFrom, end.end)])
  }
  return {
    topic,
    payload: body.subarray(at),
    qos: qos as Qos,
    isDuplicate: (header & 8) !== 0,
    retain: (header & 1) !== 0,
    packetId,
    properties,
    messageExpiry,
    topicAlias,
  }
}

/** What a PUBLISH to a client is made of. */
export interface OutgoingPublish {
  readonly topic: string
  readonly payload: Buffer
  readonly properties: Buffer
  /** Seconds that are left, or -1 without expiry. */
  readonly messageExpiry: number
  readonly qos: Qos
  readonly isDuplicate: boolean
  readonly retain: boolean
  readonly packetId: number
  readonly subscriptionIds: readonly number[]
}

/** Bytes of the variable part of a PUBLISH's properties, without the length before it. */
function outgoingPropertiesBytes(packet: OutgoingPublish): number {
  let bytes = packet.properties.length + (packet.messageExpiry >= 0 ? 5 : 0)
  for (const id of packet.subscriptionIds) bytes += 1 + lengthSize(id)
  return bytes
}

/** The size of the packet that {@link encodePublish} would write. */
export function publishBytes(packet: OutgoingPublish, version: ProtocolVersion): number {
  const rest = remainingBytes(packet, version)
  return 1 + lengthSize(rest) + rest
}

function remainingBytes(packet: OutgoingPublish, version: ProtocolVersion): number {
  let bytes = 2 + Buffer.byteLength(packet.topic) + packet.payload.length + (packet.qos > 0 ? 2 : 0)
  if (version === 5) {
    const propertiesBytes = outgoingPropertiesBytes(packet)
    bytes += lengthSize(propertiesBytes) + propertiesBytes
  }
  return bytes
}

/** Appends a PUBLISH. Everything is copied. */
export function encodePublish(
  writer: Writer,
  packet: OutgoingPublish,
  version: ProtocolVersion,
): void {
  writer.uint8(0x30 | (packet.isDuplicate ? 8 : 0) | (packet.qos << 1) | (packet.retain ? 1 : 0))
  writer.uvarint(remainingBytes(packet, version))
  writer.uint16(Buffer.byteLength(packet.topic))
  writer.utf8(packet.topic)
  if (packet.qos > 0) writer.uint16(packet.packetId)
  if (version === 5) {
    writer.uvarint(outgoingPropertiesBytes(packet))
    if (packet.messageExpiry >= 0)
      writer.uint8(Property.messageExpiryInterval).uint32(packet.messageExpiry)
    for (const id of packet.subscriptionIds)
      writer.uint8(Property.subscriptionIdentifier).uvarint(id)
    writer.raw(packet.properties)
  }
  writer.raw(packet.payload)
}

function lengthSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  return value < 0x20_0000 ? 3 : 4
}

function propertiesEnd(body: Buffer, at: number): { start: number; end: number } {
  let length = 0
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= body.length) break
    const byte = body[at++]!
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      if (at + length > body.length) break
      return { start: at, end: at + length }
    }
  }
  throw malformed('length of the properties')
}

function stringEnd(body: Buffer, at: number, limit: number): number {
  if (at + 2 > limit) throw malformed('a string is cut')
  const end = at + 2 + body.readUInt16BE(at)
  if (end > limit) throw malformed('a string is cut')
  return end
}

function readString(body: Buffer, start: number, end: number): string {
  const text = body.toString('utf8', start, end)
  if (text.includes('\0') || (text.includes('\ufffd') && !isUtf8(body.subarray(start, end))))
    throw malformed('a string is not UTF-8')
  return text
}
