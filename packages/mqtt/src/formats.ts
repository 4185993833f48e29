import type { FormatVersions } from '@khlong/core'
import { formatVersion } from './journal/segment-format.ts'

/** What the broker writes: see docs/formats/mqtt-journal.md. */
export const mqttFormats: FormatVersions = { 'mqtt-journal': formatVersion }
