// An LZ4 frame says the size of what it holds only if its writer liked to, and the decoder has no
// limit of its own. So the sequences are walked first, without copying, and their lengths added up.
//
//   frame = magic 0x184D2204 LE · flags · block descriptor · [content size 8] · [dictionary id 4] ·
//           header checksum · blocks… · end mark 0 · [content checksum 4]
//   block = size 4 LE (top bit: stored as it is) · data · [block checksum 4]

const frameMagic = 0x18_4d_22_04
const storedBit = 0x8000_0000

/**
 * The bytes that the frame would give when decoded.
 *
 * @throws RangeError where the bytes are no LZ4 frame.
 */
export function lz4FrameOutputBytes(bytes: Buffer): number {
  if (bytes.byteLength < 7 || bytes.readUInt32LE(0) !== frameMagic)
    throw new RangeError('not an LZ4 frame')
  const flags = bytes[4]!
  const blockChecksumBytes = flags & 0x10 ? 4 : 0
  let position = 6 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0) + 1
  let total = 0
  for (;;) {
    if (position + 4 > bytes.byteLength) throw new RangeError('LZ4 frame without end mark')
    const size = bytes.readUInt32LE(position)
    position += 4
    if (size === 0) return total
    const isStored = size >= storedBit
    const dataBytes = isStored ? size - storedBit : size
    const end = position + dataBytes
    if (end > bytes.byteLength) throw new RangeError('LZ4 block beyond the end of the frame')
    total += isStored ? dataBytes : blockOutputBytes(bytes, position, end)
    position = end + blockChecksumBytes
  }
}

function blockOutputBytes(bytes: Buffer, start: number, end: number): number {
  let position = start
  let total = 0
  while (position < end) {
    const token = bytes[position++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more = 255
      while (more === 255 && position < end) {
        more = bytes[position++]!
        literals += more
      }
    }
    position += literals
    total += literals
    if (position >= end) break
    position += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let more = 255
      while (more === 255 && position < end) {
        more = bytes[position++]!
        match += more
      }
    }
    total += match
  }
  return total
}
