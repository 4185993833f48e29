import { crc32c as native } from '@node-rs/crc32'

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes`, unsigned; `previous` continues a sum. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  return native(bytes as Buffer, previous)
}
