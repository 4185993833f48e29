import { anchored } from '../labels.ts'
import { general } from './format.ts'
import { type TemplateFunctions, templateError, textOf } from './functions.ts'
import { SafeHtml } from './template.ts'
import type { TemplateValue } from './value.ts'

/** Functions that templates of rules and of notifications share. */
export const textFunctions: TemplateFunctions = {
  toUpper: (text) => textOf('toUpper', text).toUpperCase(),
  toLower: (text) => textOf('toLower', text).toLowerCase(),
  title: (text) =>
    textOf('title', text).replace(/(?<![\p{L}\p{N}_'])\p{L}/gu, (letter) => letter.toUpperCase()),
  match: (pattern, text) => unanchored('match', pattern).test(textOf('match', text)),
  reReplaceAll: (pattern, replacement, text) =>
    textOf('reReplaceAll', text).replace(
      new RegExp(unanchored('reReplaceAll', pattern), 'gu'),
      textOf('reReplaceAll', replacement).replace(
        /\$(?:\{(\w+)\}|(\w+))/g,
        (_all, braced, plain) => {
          const name: string = braced ?? plain
          return /^\d+$/.test(name) ? `$${name}` : `$<${name}>`
        },
      ),
    ),
  safeHtml: (text) => new SafeHtml(textOf('safeHtml', text)),
  humanizeDuration: (value) => humanizeDuration(numberOf('humanizeDuration', value)),
}

/** A value as a number; templates give texts where they took a number from a label. */
export function numberOf(name: string, value: TemplateValue): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (
    typeof number === 'number' &&
    (!Number.isNaN(number) || value === 'NaN' || typeof value === 'number')
  )
    return number
  throw templateError(`${name} needs a number, found ${JSON.stringify(value)}`)
}

const smallPrefixes = ['', 'm', 'u', 'n', 'p', 'f', 'a', 'z', 'y']

/** A number scaled by thousands until it is 1 or more, with its prefix: `2.5m`. */
export function humanizeSmall(value: number): string {
  let scaled = value
  let index = 0
  while (Math.abs(scaled) < 1 && index < smallPrefixes.length - 1) {
    scaled *= 1_000
    index++
  }
  return `${general(scaled, 4)}${smallPrefixes[index]}`
}

function humanizeDuration(value: number): string {
  if (!Number.isFinite(value)) return general(value, 4)
  if (value === 0) return '0s'
  if (Math.abs(value) < 1) return `${humanizeSmall(value)}s`
  const sign = value < 0 ? '-' : ''
  const total = Math.trunc(Math.abs(value))
  const seconds = total % 60
  const minutes = Math.floor(total / 60) % 60
  const hours = Math.floor(total / 3_600) % 24
  const days = Math.floor(total / 86_400)
  if (days > 0) return `${sign}${days}d ${hours}h ${minutes}m ${seconds}s`
  if (hours > 0) return `${sign}${hours}h ${minutes}m ${seconds}s`
  if (minutes > 0) return `${sign}${minutes}m ${seconds}s`
  return `${general(value, 4)}s`
}

function unanchored(name: string, pattern: TemplateValue): RegExp {
  const text = textOf(name, pattern)
  try {
    // Compiled by the one that knows RE2's dialect, and freed of its anchors.
    const { source, flags } = anchored(text)
    return new RegExp(source.slice(4, -2), flags.replace('s', ''))
  } catch (error) {
    throw templateError(`${name}: ${(error as Error).message}`)
  }
}
