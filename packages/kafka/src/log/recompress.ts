import {
  BatchBuilder,
  type BatchHeader,
  Compression,
  type CompressionType,
  decodeRecordsOf,
} from '@khlong/kafka-protocol/records'

/** The values of `compression.type`; with `producer` batches stay as they come. */
export const compressionTypes = [
  'producer',
  'uncompressed',
  'gzip',
  'snappy',
  'lz4',
  'zstd',
] as const
export type CompressionSetting = (typeof compressionTypes)[number]

/** What a setting asks for; undefined where batches stay as they come. */
export function compressionOf(setting: CompressionSetting): CompressionType | undefined {
  if (setting === 'producer') return undefined
  return setting === 'uncompressed' ? Compression.none : Compression[setting]
}

/** The same records in another compression, with everything else that their batch says. */
export function recompress(
  records: Buffer,
  header: BatchHeader,
  compression: CompressionType,
  compressionLevel: number | undefined,
): Buffer {
  const { baseOffset, producerId, producerEpoch, baseSequence, isTransactional } = header
  const builder = new BatchBuilder({
    compression,
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
    isTransactional,
    producerId,
    producerEpoch,
    baseSequence,
    initialBytes: header.byteCount,
  })
  for (const { key, value, headers, timestamp, offset } of decodeRecordsOf(records, header))
    builder.append(key, value, headers, timestamp, offset - baseOffset)
  return builder.build()
}
