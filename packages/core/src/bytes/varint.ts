// Base-128 variable-length integers, least significant group first, as Protocol Buffers and Kafka
// write them; signed values are zigzag-folded first.

export const zigzag32 = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0
export const unzigzag32 = (value: number): number => (value >>> 1) ^ -(value & 1)
export const zigzag64 = (value: bigint): bigint =>
  BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
export const unzigzag64 = (value: bigint): bigint => (value >> 1n) ^ -(value & 1n)

/** Bytes of an unsigned 32-bit value. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}

/** Bytes of a zigzag-folded safe integer. */
export function varlongSize(value: number): number {
  let rest = value >= 0 ? value * 2 : value * -2 - 1
  let size = 1
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80)
    size++
  }
  return size
}
