import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import { lz4FrameOutputBytes } from './lz4-frame.ts'
import { compressXerial, decompressSnappy } from './xerial-snappy.ts'

/** How the records of a batch are compressed, as its attributes say it. */
export const Compression = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type CompressionType = (typeof Compression)[keyof typeof Compression]
export type CompressionName = keyof typeof Compression

/** The compression with this number. */
export function compressionName(compression: CompressionType): CompressionName {
  return names[compression]
}

const names = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const require = createRequire(import.meta.url)
let lz4: typeof import('lz4-napi') | undefined

// The native codec is loaded when the first batch needs it: most processes never see one.
const loadLz4 = (): typeof import('lz4-napi') => {
  lz4 ??= require('lz4-napi') as typeof import('lz4-napi')
  return lz4
}

/**
 * Compresses records as Kafka's clients do: snappy in xerial framing, LZ4 as a frame. `level` is for gzip
 * and zstd.
 */
export function compress(compression: CompressionType, bytes: Buffer, level?: number): Buffer {
  switch (compression) {
    case Compression.none:
      return bytes
    case Compression.gzip:
      return zlib.gzipSync(bytes, level === undefined ? {} : { level })
    case Compression.snappy:
      return compressXerial(bytes)
    case Compression.lz4:
      return loadLz4().compressFrameSync(bytes)
    case Compression.zstd:
      return zlib.zstdCompressSync(
        bytes,
        level === undefined ? {} : { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } },
      )
  }
}

/**
 * Gives back what was compressed. No more than `outputBytesMax` bytes are ever allocated for it.
 *
 * @throws Error where the bytes are not of that compression, or hold more than `outputBytesMax`.
 */
export function decompress(
  compression: CompressionType,
  bytes: Buffer,
  outputBytesMax: number,
): Buffer {
  switch (compression) {
    case Compression.none:
      return bytes
    case Compression.gzip:
      return zlib.gunzipSync(bytes, { maxOutputLength: outputBytesMax })
    case Compression.snappy:
      return decompressSnappy(bytes, outputBytesMax)
    case Compression.lz4: {
      const outputBytes = lz4FrameOutputBytes(bytes)
      if (outputBytes > outputBytesMax)
        throw new RangeError(`LZ4 frame of ${outputBytes} bytes, at most ${outputBytesMax} allowed`)
      return loadLz4().decompressFrameSync(bytes)
    }
    case Compression.zstd:
      return zlib.zstdDecompressSync(bytes, { maxOutputLength: outputBytesMax })
  }
}
