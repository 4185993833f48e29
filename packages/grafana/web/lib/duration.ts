import { durationUnits, text } from '../i18n/index.ts'
import { durationText } from './format.ts'

/** `12 min`, in the reader's language. */
export const duration = (durationMs: number): string => durationText(durationMs, durationUnits())

/** `12 min ago`, in the reader's language. */
export function ago(durationMs: number): string {
  const units = durationUnits()
  // In tenths below a second: milliseconds would only flicker.
  const shown =
    durationMs < 1_000
      ? `${(durationMs / 1_000).toFixed(1)} ${units.s}`
      : durationText(durationMs, units)
  return text('ago', { duration: shown })
}
