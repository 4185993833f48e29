import type { FormatVersions } from '@khlong/core'

/** What the server writes: see docs/formats/prometheus.md. */
export const prometheusFormats: FormatVersions = {
  'prometheus-wal': 1,
  'prometheus-block': 1,
  'alertmanager-journal': 1,
}
