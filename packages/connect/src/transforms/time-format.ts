import { ConnectError, dataError } from '../errors.ts'

// The letters of java.text.SimpleDateFormat that Kafka's transforms are used with, in UTC and
// English. A letter that is not here is refused by name.

const months = 'Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec'.split(',')
const weekdays = 'Sun,Mon,Tue,Wed,Thu,Fri,Sat'.split(',')

interface Token {
  readonly letter: string
  readonly width: number
  readonly literal: string
}

const known = new Map<string, readonly Token[]>()

/** @throws ConnectError `CONNECT_NOT_SUPPORTED` for a letter that is not known here. */
function tokensOf(pattern: string): readonly Token[] {
  let tokens = known.get(pattern)
  if (tokens) return tokens
  tokens = [...pattern.matchAll(/'((?:[^']|'')*)'|([a-zA-Z])\2*|[^a-zA-Z']+/g)].map((match) => {
    if (match[1] !== undefined)
      return {
        letter: '',
        width: 0,
        literal: match[1] === '' ? "'" : match[1].replaceAll("''", "'"),
      }
    if (match[2] === undefined) return { letter: '', width: 0, literal: match[0] }
    if (!'yMdHhmsSaEXZz'.includes(match[2]))
      throw new ConnectError(
        'CONNECT_NOT_SUPPORTED',
        `time format ${pattern}: the letter ${match[2]} is not supported yet`,
      )
    return { letter: match[2], width: match[0].length, literal: '' }
  })
  known.set(pattern, tokens)
  return tokens
}

/** Checks a pattern. @throws ConnectError `CONNECT_NOT_SUPPORTED` */
export function checkTimeFormat(pattern: string): void {
  tokensOf(pattern)
}

/** Writes a time as `SimpleDateFormat` does in UTC. */
export function formatTime(pattern: string, timeMs: number): string {
  const date = new Date(timeMs)
  let text = ''
  for (const token of tokensOf(pattern))
    text += token.letter === '' ? token.literal : formatLetter(token, date)
  return text
}

function formatLetter({ letter, width }: Token, date: Date): string {
  const pad = (value: number): string => String(value).padStart(width, '0')
  switch (letter) {
    case 'y':
      return width === 2
        ? String(date.getUTCFullYear() % 100).padStart(2, '0')
        : pad(date.getUTCFullYear())
    case 'M':
      return width > 2 ? months[date.getUTCMonth()]! : pad(date.getUTCMonth() + 1)
    case 'd':
      return pad(date.getUTCDate())
    case 'H':
      return pad(date.getUTCHours())
    case 'h':
      return pad(date.getUTCHours() % 12 || 12)
    case 'm':
      return pad(date.getUTCMinutes())
    case 's':
      return pad(date.getUTCSeconds())
    case 'S':
      return pad(date.getUTCMilliseconds())
    case 'a':
      return date.getUTCHours() < 12 ? 'AM' : 'PM'
    case 'E':
      return weekdays[date.getUTCDay()]!
    case 'X':
      return 'Z'
    case 'Z':
      return '+0000'
    default:
      return 'UTC'
  }
}

/** @throws ConnectError `CONNECT_DATA` where the text is not of this format. */
export function parseTime(pattern: string, text: string): number {
  const parts = { y: 1970, M: 1, d: 1, H: 0, h: -1, m: 0, s: 0, S: 0, pm: false, zoneMinutes: 0 }
  let at = 0
  const take = (regex: RegExp): string => {
    regex.lastIndex = at
    const match = regex.exec(text)
    if (!match)
      throw dataError(
        `Could not parse timestamp: value (${text}) does not match pattern (${pattern})`,
      )
    at += match[0].length
    return match[0]
  }
  const tokens = tokensOf(pattern)
  for (const [index, token] of tokens.entries()) {
    const { letter, width, literal } = token
    if (letter === '') {
      if (!text.startsWith(literal, at)) take(/(?!)/y)
      at += literal.length
      continue
    }
    // Digits that touch the next number are cut at the width that the pattern gives.
    const touches = (tokens[index + 1]?.letter ?? '') !== ''
    const digits = touches ? new RegExp(`\\d{${width}}`, 'y') : /\d+/y
    switch (letter) {
      case 'M':
        parts.M = width > 2 ? months.indexOf(take(/[A-Z][a-z]{2}/y)) + 1 : Number(take(digits))
        break
      case 'a':
        parts.pm = take(/[AP]M/iy).toUpperCase() === 'PM'
        break
      case 'E':
        take(/[A-Z][a-z]+/y)
        break
      case 'X':
      case 'Z':
      case 'z':
        parts.zoneMinutes = zoneMinutes(take(/Z|UTC|GMT|[+-]\d\d(?::?\d\d)?/y))
        break
      case 'y': {
        const year = Number(take(digits))
        parts.y = width === 2 && year < 100 ? 2000 + year : year
        break
      }
      default:
        parts[letter as 'd' | 'H' | 'h' | 'm' | 's' | 'S'] = Number(take(digits))
    }
  }
  const hours = parts.h >= 0 ? (parts.h % 12) + (parts.pm ? 12 : 0) : parts.H
  const local = Date.UTC(parts.y, parts.M - 1, parts.d, hours, parts.m, parts.s, parts.S)
  return local - parts.zoneMinutes * 60_000
}

function zoneMinutes(text: string): number {
  const match = /([+-])(\d\d):?(\d\d)?/.exec(text)
  if (!match) return 0
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3] ?? 0))
}
