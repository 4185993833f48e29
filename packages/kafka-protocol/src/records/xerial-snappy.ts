import { createRequire } from 'node:module'

// Java clients frame snappy as snappy-java's SnappyOutputStream does; librdkafka and others also
// write bare snappy. Both are read, the framed one is written.
//
//   magic 82 "SNAPPY" 00 · version int32 · compatible version int32 · (length int32 · snappy block)…

const magic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const headerBytes = 16
const blockBytes = 32 * 1024
const require = createRequire(import.meta.url)
let snappy: typeof import('snappy') | undefined

const loadSnappy = (): typeof import('snappy') => {
  snappy ??= require('snappy') as typeof import('snappy')
  return snappy
}

export function compressXerial(bytes: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes)
  magic.copy(header)
  header.writeInt32BE(1, 8)
  header.writeInt32BE(1, 12)
  const parts: Buffer[] = [header]
  for (let position = 0; position < bytes.byteLength; position += blockBytes) {
    const block = loadSnappy().compressSync(bytes.subarray(position, position + blockBytes))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.byteLength)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** @throws RangeError where the bytes are cut or hold more than `outputBytesMax`. */
export function decompressSnappy(bytes: Buffer, outputBytesMax: number): Buffer {
  if (bytes.byteLength < headerBytes || bytes.compare(magic, 0, magic.byteLength, 0, 8) !== 0)
    return decompressBlock(bytes, outputBytesMax)
  const parts: Buffer[] = []
  let allowed = outputBytesMax
  let position = headerBytes
  while (position < bytes.byteLength) {
    if (position + 4 > bytes.byteLength) throw new RangeError('snappy block length is cut')
    const length = bytes.readInt32BE(position)
    position += 4
    if (length < 0 || position + length > bytes.byteLength)
      throw new RangeError(`snappy block of ${length} bytes, ${bytes.byteLength - position} remain`)
    const part = decompressBlock(bytes.subarray(position, position + length), allowed)
    allowed -= part.byteLength
    parts.push(part)
    position += length
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function decompressBlock(block: Buffer, outputBytesMax: number): Buffer {
  const outputBytes = blockOutputBytes(block)
  if (outputBytes > outputBytesMax)
    throw new RangeError(`snappy block of ${outputBytes} bytes, at most ${outputBytesMax} allowed`)
  return loadSnappy().uncompressSync(block, { asBuffer: true }) as Buffer
}

/** A snappy block begins with the size of what it holds, as an unsigned varint. */
function blockOutputBytes(block: Buffer): number {
  let value = 0
  for (let index = 0; index < 5 && index < block.byteLength; index++) {
    const byte = block[index]!
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return value
  }
  throw new RangeError('snappy block without a size')
}
