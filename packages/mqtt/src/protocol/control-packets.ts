import {
  generate,
  type IConnectPacket,
  type IDisconnectPacket,
  type ISubscribePacket,
  type IUnsubscribePacket,
  parser as newParser,
  type Packet,
  type Parser,
  writeToStream,
} from 'mqtt-packet'
import { ProtocolError } from '../errors.ts'
import type { ProtocolVersion } from './publish.ts'
import { Reason } from './reason.ts'

// The packets that begin and end things go through mqtt-packet, which is lenient in places; what it
// gives is checked here before anything else sees it.

// Its cache of all two-byte numbers costs several megabytes; these packets are few.
writeToStream.cacheNumbers = false

/** Packets that {@link decodeControlPacket} reads. */
export type ControlPacket =
  | IConnectPacket
  | ISubscribePacket
  | IUnsubscribePacket
  | IDisconnectPacket

const allowedProperties: Readonly<Record<string, readonly string[]>> = {
  connect: [
    'sessionExpiryInterval',
    'receiveMaximum',
    'maximumPacketSize',
    'topicAliasMaximum',
    'requestResponseInformation',
    'requestProblemInformation',
    'userProperties',
    'authenticationMethod',
    'authenticationData',
  ],
  will: [
    'willDelayInterval',
    'payloadFormatIndicator',
    'messageExpiryInterval',
    'contentType',
    'responseTopic',
    'correlationData',
    'userProperties',
  ],
  subscribe: ['subscriptionIdentifier', 'userProperties'],
  unsubscribe: ['userProperties'],
  disconnect: ['sessionExpiryInterval', 'reasonString', 'userProperties', 'serverReference'],
}

interface Result {
  packet: Packet | undefined
  error: Error | undefined
}

/** One parser per version serves all connections: it is given whole packets only. */
const parsers = new Map<number, { parser: Parser; result: Result }>()

function parserOf(version: number): { parser: Parser; result: Result } {
  const known = parsers.get(version)
  if (known) return known
  const result: Result = { packet: undefined, error: undefined }
  const parser = newParser({ protocolVersion: version })
  parser.on('packet', (packet) => {
    result.packet = packet
  })
  parser.on('error', (error) => {
    result.error ??= error instanceof Error ? error : new Error(String(error))
  })
  const fresh = { parser, result }
  parsers.set(version, fresh)
  return fresh
}

/**
 * Reads a whole CONNECT, SUBSCRIBE, UNSUBSCRIBE or DISCONNECT. For CONNECT `version` is 0.
 *
 * @throws ProtocolError
 */
export function decodeControlPacket(packet: Buffer, version: ProtocolVersion | 0): ControlPacket {
  const { parser, result } = parserOf(version)
  result.packet = undefined
  result.error = undefined
  try {
    parser.parse(packet)
  } catch (error) {
    result.error = error as Error
  }
  const { packet: decoded, error } = readResult(result)
  const failed = error !== undefined || decoded === undefined
  // A CONNECT changes the version that a parser reads; a failed one may hold half a packet.
  if (failed || version === 0) parsers.delete(version)
  if (failed)
    throw new ProtocolError(Reason.malformedPacket, error?.message ?? 'a packet ends too early')
  return checkPacket(decoded)
}

/** What the parser's listeners have put in meanwhile. */
const readResult = (result: Result): Result => ({ ...result })

function checkPacket(packet: Packet): ControlPacket {
  switch (packet.cmd) {
    case 'connect':
      checkProperties('connect', packet.properties)
      checkString(packet.clientId)
      checkString(packet.username)
      if (packet.will) {
        checkString(packet.will.topic)
        checkProperties('will', packet.will.properties)
      }
      return packet
    case 'subscribe':
      checkProperties('subscribe', packet.properties)
      checkPacketId(packet.messageId)
      if (packet.subscriptions.length === 0) throw protocolError('SUBSCRIBE without a filter')
      for (const { topic } of packet.subscriptions) checkString(topic)
      if (packet.properties?.subscriptionIdentifier === 0)
        throw protocolError('subscription identifier 0')
      return packet
    case 'unsubscribe':
      checkProperties('unsubscribe', packet.properties)
      checkPacketId(packet.messageId)
      if (packet.unsubscriptions.length === 0) throw protocolError('UNSUBSCRIBE without a filter')
      for (const topic of packet.unsubscriptions) checkString(topic)
      return packet
    case 'disconnect':
      checkProperties('disconnect', packet.properties)
      return packet
    default:
      throw protocolError(`${packet.cmd} is not for a broker`)
  }
}

const protocolError = (message: string): ProtocolError =>
  new ProtocolError(Reason.protocolError, message)

function checkPacketId(packetId: number | undefined): void {
  if (packetId === undefined || packetId <= 0)
    throw new ProtocolError(Reason.malformedPacket, 'no packet identifier')
}

function checkString(text: unknown): void {
  if (text !== undefined && (typeof text !== 'string' || text.includes('\0')))
    throw new ProtocolError(Reason.malformedPacket, 'a string holds U+0000 or is cut')
}

function checkProperties(kind: string, properties: object | undefined): void {
  if (properties === undefined) return
  for (const [name, value] of Object.entries(properties) as [string, unknown][]) {
    if (!allowedProperties[kind]!.includes(name)) throw protocolError(`${name} in ${kind}`)
    if (name === 'userProperties') {
      for (const [key, text] of Object.entries(value as Record<string, unknown>))
        for (const one of [key, ...(Array.isArray(text) ? text : [text])]) checkString(one ?? null)
      continue
    }
    if (Array.isArray(value)) throw protocolError(`${name} given twice`)
    // mqtt-packet marks what it could not read by null, undefined, or a number below 0.
    if (value === null || value === undefined || (typeof value === 'number' && value < 0))
      throw new ProtocolError(Reason.malformedPacket, `${name} is cut`)
    if (typeof value === 'string') checkString(value)
  }
}

/** The bytes of a packet that is not PUBLISH or one of its acknowledgements. */
export function encodeControlPacket(packet: Packet, version: ProtocolVersion): Buffer {
  return generate(packet, { protocolVersion: version })
}

/** The level byte of a CONNECT's body, or -1 where there is none. */
export function connectLevel(body: Buffer): number {
  const nameBytes = body.length >= 2 ? body.readUInt16BE(0) : body.length
  return body[2 + nameBytes] ?? -1
}
