import type { FormatVersions } from '@khlong/core'
import { formatVersion } from './storage/header.ts'

/** What the server writes, logs and snapshots alike: see docs/formats/zookeeper.md. */
export const zookeeperFormats: FormatVersions = { zookeeper: formatVersion }
