import type { FormatVersions } from '@khlong/core'
import { formatVersion } from './storage/engine.ts'

/** What the server writes: see docs/formats/mongodb.md. */
export const mongodbFormats: FormatVersions = { 'mongodb-documents': formatVersion }
