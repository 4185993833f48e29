import { crc32c, type Writer } from '@khlong/core/bytes'

// A frame holds what one flush made durable, or a piece of a snapshot:
//
//   uint32 marker | uint32 payload bytes | uint32 crc32c of payload | uint32 crc32c of these 12 bytes | payload
//
// The header has a checksum of its own, so that a frame can be found again behind a damaged one.
export const frameHeaderBytes = 16
const marker = 0x5a4b_4652

/** Leaves room for the header of a frame whose payload is written next; gives its place. */
export function beginFrame(writer: Writer): number {
  return writer.reserve(frameHeaderBytes)
}

/** Fills in the header of the frame that begins at `at` and ends where the writer is. */
export function endFrame(writer: Writer, at: number): void {
  const payload = writer.bytes().subarray(at + frameHeaderBytes)
  writer.setUint32(at, marker)
  writer.setUint32(at + 4, payload.byteLength)
  writer.setUint32(at + 8, crc32c(payload))
  writer.setUint32(at + 12, crc32c(writer.bytes().subarray(at, at + 12)))
}

/** The payload of the frame at `position`, borrowed; undefined where no sound frame is. */
export function frameAt(bytes: Buffer, position: number): Buffer | undefined {
  if (position + frameHeaderBytes > bytes.byteLength) return undefined
  if (bytes.readUInt32BE(position) !== marker) return undefined
  if (bytes.readUInt32BE(position + 12) !== crc32c(bytes.subarray(position, position + 12)))
    return undefined
  const begin = position + frameHeaderBytes
  const end = begin + bytes.readUInt32BE(position + 4)
  if (end > bytes.byteLength) return undefined
  const payload = bytes.subarray(begin, end)
  return bytes.readUInt32BE(position + 8) === crc32c(payload) ? payload : undefined
}

/** Where the next sound frame behind `position` begins; -1 where none does. */
export function nextFrame(bytes: Buffer, position: number): number {
  const sought = Buffer.alloc(4)
  sought.writeUInt32BE(marker)
  for (let at = bytes.indexOf(sought, position); at >= 0; at = bytes.indexOf(sought, at + 1))
    if (frameAt(bytes, at)) return at
  return -1
}
