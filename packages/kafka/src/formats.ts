import type { FormatVersions } from '@khlong/core'
import { formatVersion } from './metadata/file-store.ts'

/** What the broker writes beside Kafka's own files: see docs/formats/kafka-metadata.md. Record batches are Kafka's, of magic 2. */
export const kafkaFormats: FormatVersions = {
  'kafka-record-batch': 2,
  'kafka-metadata': formatVersion,
}
