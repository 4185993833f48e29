import type { Writer } from '@khlong/core/bytes'
import { ProtocolError } from '../errors.ts'
import type { ProtocolVersion } from './publish.ts'
import { Reason } from './reason.ts'

/** First bytes of the four packets that have the form of PUBACK (MQTT 5 sections 3.4 to 3.7). */
export const Acknowledgement = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const

/** Appends PUBACK, PUBREC, PUBREL or PUBCOMP; the reason leaves only in MQTT 5 and where it says something. */
export function encodeAcknowledgement(
  writer: Writer,
  header: number,
  packetId: number,
  reason: number,
  version: ProtocolVersion,
): void {
  writer.uint8(header)
  if (version === 5 && reason !== 0) writer.uint8(3).uint16(packetId).uint8(reason)
  else writer.uint8(2).uint16(packetId)
}

/**
 * The packet identifier of an acknowledgement.
 *
 * @throws ProtocolError
 */
export function decodePacketId(body: Buffer): number {
  const packetId = body.length >= 2 ? body.readUInt16BE(0) : 0
  if (packetId === 0)
    throw new ProtocolError(Reason.malformedPacket, 'an acknowledgement without packet identifier')
  return packetId
}

/** The reason of an acknowledgement; success where it is left out. */
export function decodeReason(body: Buffer, version: ProtocolVersion): number {
  return version === 5 && body.length > 2 ? body[2]! : Reason.success
}
