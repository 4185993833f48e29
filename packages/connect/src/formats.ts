import type { FormatVersions } from '@khlong/core'

/** What a worker keeps beside Kafka: see docs/formats/connect-offsets.md. */
export const connectFormats: FormatVersions = { 'connector-files': 1, 'connect-offsets': 1 }
