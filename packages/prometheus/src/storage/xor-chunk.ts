import { BitReader, BitWriter } from './bit-stream.ts'

// Samples of one series, compressed as Facebook's Gorilla does (Pelkonen et al., VLDB 2015):
// times as the change of their distance, values as the XOR with the value before.
//
//   first sample:  time int64, value float64
//   others:        distance of times, change of it: 0 | 10 +14 | 110 +20 | 1110 +32 | 1111 +64 bits
//                  value: 0 (same) | 10 (same window) bits | 11 leading(5) length(6) bits

/** The bits of the NaN that ends a series (Prometheus's StaleNaN). */
const staleHigh = 0x7ff0_0000
const staleLow = 0x0000_0002

const scratch = new DataView(new ArrayBuffer(8))

/** Samples of one series in order of time, decoded. `stale[i]` is 1 where the series ended at that time. */
export interface Samples {
  readonly timesMs: Float64Array
  readonly values: Float64Array
  readonly stale: Uint8Array
}

/** Appends samples to a chunk. */
export class XorChunk {
  count = 0
  minMs = 0
  maxMs = 0
  readonly #bits = new BitWriter()
  #deltaMs = 0
  #high = 0
  #low = 0
  #leading = 0xff
  #trailing = 0

  /** `timeMs` must be later than the last; `stale` writes the mark that ends the series. */
  append(timeMs: number, value: number, stale: boolean): void {
    if (stale) {
      scratch.setUint32(0, staleHigh)
      scratch.setUint32(4, staleLow)
    } else scratch.setFloat64(0, value)
    const high = scratch.getUint32(0)
    const low = scratch.getUint32(4)
    const bits = this.#bits
    if (this.count === 0) {
      this.minMs = timeMs
      writeInt64(bits, timeMs)
      bits.write(high, 32)
      bits.write(low, 32)
    } else {
      const deltaMs = timeMs - this.maxMs
      writeDeltaOfDelta(bits, deltaMs - this.#deltaMs)
      this.#deltaMs = deltaMs
      this.#writeXor(high, low)
    }
    this.maxMs = timeMs
    this.#high = high
    this.#low = low
    this.count++
  }

  /** The chunk's bytes, copied. */
  bytes(): Buffer {
    return Buffer.from(this.#bits.bytes.subarray(0, (this.#bits.length + 7) >>> 3))
  }
  get byteLength(): number {
    return (this.#bits.length + 7) >>> 3
  }
  /** The bytes, borrowed until the next append. */
  peek(): Buffer {
    return this.#bits.bytes
  }

  #writeXor(high: number, low: number): void {
    const bits = this.#bits
    const xorHigh = (high ^ this.#high) >>> 0
    const xorLow = (low ^ this.#low) >>> 0
    if (xorHigh === 0 && xorLow === 0) {
      bits.write(0, 1)
      return
    }
    const leading = Math.min(31, xorHigh === 0 ? 32 + Math.clz32(xorLow) : Math.clz32(xorHigh))
    const trailing = xorLow === 0 ? 32 + trailingZeros(xorHigh) : trailingZeros(xorLow)
    if (this.#leading !== 0xff && leading >= this.#leading && trailing >= this.#trailing) {
      bits.write(0b10, 2)
      writeMiddle(bits, xorHigh, xorLow, 64 - this.#leading - this.#trailing, this.#trailing)
      return
    }
    this.#leading = leading
    this.#trailing = trailing
    const significant = 64 - leading - trailing
    bits.write(0b11, 2)
    bits.write(leading, 5)
    // 64 does not fit 6 bits and stands as 0, for 0 significant bits never come here.
    bits.write(significant & 63, 6)
    writeMiddle(bits, xorHigh, xorLow, significant, trailing)
  }
}

/** Decodes all samples of a chunk. */
export function decodeXorChunk(bytes: Uint8Array, count: number): Samples {
  const timesMs = new Float64Array(count)
  const values = new Float64Array(count)
  const stale = new Uint8Array(count)
  const bits = new BitReader(bytes)
  let timeMs = 0
  let deltaMs = 0
  let high = 0
  let low = 0
  let leading = 0
  let trailing = 0
  for (let index = 0; index < count; index++) {
    if (index === 0) {
      timeMs = readInt64(bits)
      high = bits.read(32)
      low = bits.read(32)
    } else {
      deltaMs += readDeltaOfDelta(bits)
      timeMs += deltaMs
      if (bits.bit() === 1) {
        if (bits.bit() === 1) {
          leading = bits.read(5)
          const significant = bits.read(6) || 64
          trailing = 64 - leading - significant
        }
        const significant = 64 - leading - trailing
        // The middle bits, put back to where they were.
        if (trailing >= 32) high = (high ^ (bits.read(significant) * 2 ** (trailing - 32))) >>> 0
        else if (significant + trailing <= 32)
          low = (low ^ (bits.read(significant) * 2 ** trailing)) >>> 0
        else {
          high = (high ^ bits.read(significant + trailing - 32)) >>> 0
          low = (low ^ (bits.read(32 - trailing) * 2 ** trailing)) >>> 0
        }
      }
    }
    timesMs[index] = timeMs
    if (high === staleHigh && low === staleLow) {
      stale[index] = 1
      values[index] = Number.NaN
    } else {
      scratch.setUint32(0, high)
      scratch.setUint32(4, low)
      values[index] = scratch.getFloat64(0)
    }
  }
  return { timesMs, values, stale }
}

function trailingZeros(value: number): number {
  return value === 0 ? 32 : 31 - Math.clz32(value & -value)
}

/** Writes `significant` bits of a 64-bit value that has `trailing` zeros behind them. */
function writeMiddle(
  bits: BitWriter,
  high: number,
  low: number,
  significant: number,
  trailing: number,
): void {
  if (trailing >= 32) bits.write(high >>> (trailing - 32), significant)
  else if (significant + trailing <= 32) bits.write(low >>> trailing, significant)
  else {
    bits.write(high, significant + trailing - 32)
    bits.write(low >>> trailing, 32 - trailing)
  }
}

const deltaSizes = [
  { prefix: 0b10, prefixBits: 2, bits: 14 },
  { prefix: 0b110, prefixBits: 3, bits: 20 },
  { prefix: 0b1110, prefixBits: 4, bits: 32 },
] as const

function writeDeltaOfDelta(bits: BitWriter, change: number): void {
  if (change === 0) {
    bits.write(0, 1)
    return
  }
  for (const size of deltaSizes) {
    const limit = 2 ** (size.bits - 1)
    if (change >= -limit && change < limit) {
      bits.write(size.prefix, size.prefixBits)
      bits.write(change, size.bits)
      return
    }
  }
  bits.write(0b1111, 4)
  writeInt64(bits, change)
}

function readDeltaOfDelta(bits: BitReader): number {
  if (bits.bit() === 0) return 0
  for (const size of deltaSizes)
    if (bits.bit() === 0) {
      const value = bits.read(size.bits)
      return value >= 2 ** (size.bits - 1) ? value - 2 ** size.bits : value
    }
  return readInt64(bits)
}

function writeInt64(bits: BitWriter, value: number): void {
  const high = Math.floor(value / 2 ** 32)
  bits.write(high, 32)
  bits.write(value - high * 2 ** 32, 32)
}

function readInt64(bits: BitReader): number {
  const high = bits.read(32) | 0
  return high * 2 ** 32 + bits.read(32)
}
