import { durationUnits, text } from '../i18n/index.ts'
import { durationText } from './format.ts'

/** `12 min`, in the reader's language. */
export const duration = (durationMs: number): string => durationText(durationMs, durationUnits())

/** `12 min ago`, in the reader's language. */
export const ago = (durationMs: number): string => text('ago', { duration: duration(durationMs) })
