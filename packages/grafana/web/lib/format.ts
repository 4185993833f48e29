import { formatNumber, formatValue } from '../../src/model/units.ts'
import { buddhistStore, languageStore } from './preferences.ts'

/** A figure and the small unit beside it. */
export interface Figure {
  readonly text: string
  readonly unit: string
}

/** Records per second: `1.20 k/s`; below one per second it is told per minute. */
export function rateFigure(perSecond: number): Figure {
  if (!Number.isFinite(perSecond) || perSecond <= 0.0005) return { text: '0', unit: '/s' }
  if (perSecond < 0.95) {
    const perMinute = perSecond * 60
    return {
      text: formatNumber(perMinute, perMinute < 9.5 ? 1 : 0).replace(/\.0$/, ''),
      unit: '/min',
    }
  }
  if (perSecond >= 999.5) {
    const { text, suffix } = formatValue(perSecond, 'short', perSecond >= 99_950 ? 1 : 2)
    return { text, unit: `${suffix}/s` }
  }
  return { text: formatNumber(perSecond, perSecond < 9.95 ? 1 : 0), unit: '/s' }
}

export function rateText(perSecond: number): string {
  const { text, unit } = rateFigure(perSecond)
  return `${text} ${unit}`
}

/** Counts in full up to five digits, then `18.4 k`. */
export function countText(count: number): string {
  if (Math.abs(count) < 100_000) return formatNumber(Math.round(count), 0)
  const { text, suffix } = formatValue(count, 'short', 1)
  return `${text} ${suffix}`
}

export function bytesFigure(bytes: number): Figure {
  const { text, suffix } = formatValue(bytes, 'bytes', bytes < 1024 || bytes >= 10_485_760 ? 0 : 1)
  return { text, unit: suffix }
}

export function bytesText(bytes: number): string {
  const { text, unit } = bytesFigure(bytes)
  return `${text} ${unit}`
}

/** `842 ms`, `6 s`, `12 min`, `3 h`. */
export function durationText(durationMs: number, units: DurationUnits): string {
  const size = Math.abs(durationMs)
  if (size < 1_000) return `${Math.round(size)} ${units.ms}`
  if (size < 10_000) return `${(size / 1_000).toFixed(1)} ${units.s}`
  if (size < 60_000) return `${Math.round(size / 1_000)} ${units.s}`
  if (size < 3_600_000) return `${Math.floor(size / 60_000)} ${units.min}`
  if (size < 172_800_000) return `${Math.floor(size / 3_600_000)} ${units.h}`
  return `${Math.floor(size / 86_400_000)} ${units.d}`
}

export interface DurationUnits {
  readonly ms: string
  readonly s: string
  readonly min: string
  readonly h: string
  readonly d: string
}

/** A countdown: `4:09`. */
export function countdownText(leftMs: number): string {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function locale(): string {
  if (languageStore.get() === 'en') return 'en-GB'
  return buddhistStore.get() ? 'th-TH-u-ca-buddhist-nu-latn' : 'th-TH-u-ca-gregory-nu-latn'
}

const formats = new Map<string, Intl.DateTimeFormat>()

function dateFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale()}${JSON.stringify(options)}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.DateTimeFormat(locale(), options)
    formats.set(key, format)
  }
  return format
}

export const timeText = (epochMs: number, seconds = true): string =>
  dateFormat({
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
    hourCycle: 'h23',
  }).format(epochMs)

export const dateText = (epochMs: number): string =>
  dateFormat({ day: 'numeric', month: 'short', year: 'numeric' }).format(epochMs)

export const shortDateText = (epochMs: number): string =>
  dateFormat({ day: 'numeric', month: 'short' }).format(epochMs)

export const dateTimeText = (epochMs: number): string => `${dateText(epochMs)} ${timeText(epochMs)}`

/** `UTC+7`: the zone in which times are shown. */
export function zoneText(): string {
  const minutes = -new Date().getTimezoneOffset()
  if (minutes === 0) return 'UTC'
  const hours = Math.floor(Math.abs(minutes) / 60)
  const rest = Math.abs(minutes) % 60
  return `UTC${minutes < 0 ? '−' : '+'}${hours}${rest === 0 ? '' : `:${String(rest).padStart(2, '0')}`}`
}

/** `31 Jan 2026, 14:02–14:32 · UTC+7`; over several days both dates. */
export function rangeText(fromMs: number, toMs: number): string {
  const sameDay = new Date(fromMs).toDateString() === new Date(toMs).toDateString()
  const short = toMs - fromMs < 120_000
  const range = sameDay
    ? `${dateText(fromMs)}, ${timeText(fromMs, short)}–${timeText(toMs, short)}`
    : `${shortDateText(fromMs)} ${timeText(fromMs, false)} – ${dateText(toMs)}, ${timeText(toMs, false)}`
  return `${range} · ${zoneText()}`
}

const segmenters = new Map<string, Intl.Segmenter>()

/** Splits into what a reader sees as letters: a Thai vowel stays with its consonant. */
function lettersOf(text: string): string[] {
  const language = languageStore.get()
  let segmenter = segmenters.get(language)
  if (!segmenter) {
    segmenter = new Intl.Segmenter(language, { granularity: 'grapheme' })
    segmenters.set(language, segmenter)
  }
  return [...segmenter.segment(text)].map(({ segment }) => segment)
}

/** Shortens a long id in the middle, where ids differ least. */
export function shortenMiddle(text: string, max = 20): string {
  if (text.length <= max) return text
  const letters = lettersOf(text)
  if (letters.length <= max) return text
  const head = Math.ceil((max - 1) / 2)
  return `${letters.slice(0, head).join('')}…${letters.slice(letters.length - (max - 1 - head)).join('')}`
}
