import type { FormatVersions } from '@khlong/core'

/** What the console keeps: see docs/formats/console.md. */
export const grafanaFormats: FormatVersions = {
  'console-sessions': 1,
  'console-dashboard': 1,
  'console-data-sources': 1,
}
