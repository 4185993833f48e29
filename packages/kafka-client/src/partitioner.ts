// The partition of a keyed record is that of Kafka's own producer, byte for byte: murmur2 with its
// seed, made positive by clearing the sign bit.

const multiplier = 0x5bd1e995
const seed = 0x9747b28c

/** MurmurHash2 as `org.apache.kafka.common.utils.Utils.murmur2` computes it; signed. */
export function murmur2(bytes: Uint8Array): number {
  const { byteLength } = bytes
  let hash = seed ^ byteLength
  let at = 0
  for (const end = byteLength & ~3; at < end; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, multiplier)
    word ^= word >>> 24
    word = Math.imul(word, multiplier)
    hash = Math.imul(hash, multiplier) ^ word
  }
  const rest = byteLength - at
  if (rest > 0) {
    if (rest === 3) hash ^= bytes[at + 2]! << 16
    if (rest >= 2) hash ^= bytes[at + 1]! << 8
    hash = Math.imul(hash ^ bytes[at]!, multiplier)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, multiplier)
  return hash ^ (hash >>> 15)
}

const encoder = new TextEncoder()
let scratch = new Uint8Array(256)

/** The partition of a key among `partitionCount`. */
export function keyPartition(key: Uint8Array | string, partitionCount: number): number {
  let bytes: Uint8Array
  if (typeof key !== 'string') bytes = key
  else {
    if (key.length * 3 > scratch.byteLength) scratch = new Uint8Array(key.length * 3)
    bytes = scratch.subarray(0, encoder.encodeInto(key, scratch).written)
  }
  return (murmur2(bytes) & 0x7fff_ffff) % partitionCount
}
