import { Matcher, type MatchKind } from '../../labels.ts'
import type { LabelSet } from './alert.ts'

const pattern = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!=|!~|=)\s*([\s\S]*?)\s*$/

/**
 * Reads one condition such as `severity="page"`, `team=~a|b`.
 *
 * @throws SyntaxError
 */
export function parseMatcher(text: string): Matcher {
  const match = pattern.exec(text)
  if (!match) throw new SyntaxError(`bad matcher format: ${text}`)
  const [, name = '', kind = '=', written = ''] = match
  const isQuoted = written.startsWith('"')
  if (isQuoted && !/^"(?:[^"\\]|\\.)*"$/s.test(written))
    throw new SyntaxError(`matcher value not valid: ${written}`)
  if (!isQuoted && /(^|[^\\])"/.test(written))
    throw new SyntaxError(`matcher value contains unescaped double quote: ${written}`)
  const inside = isQuoted ? written.slice(1, -1) : written
  const value = inside.replace(/\\(["n\\])/g, (_all, letter: string) =>
    letter === 'n' ? '\n' : letter,
  )
  return new Matcher(kind as MatchKind, name, value)
}

/** Reads conditions that may stand in braces with commas between: `{a="b", c!~"d"}`. */
export function parseMatchers(text: string): Matcher[] {
  const inside = text.trim().replace(/^\{([\s\S]*)\}$/, '$1')
  const parts: string[] = []
  let part = ''
  let isQuoted = false
  for (let index = 0; index < inside.length; index++) {
    const letter = inside[index]!
    if (letter === '\\' && isQuoted) {
      part += letter + (inside[++index] ?? '')
      continue
    }
    if (letter === '"') isQuoted = !isQuoted
    if (letter === ',' && !isQuoted) {
      parts.push(part)
      part = ''
    } else part += letter
  }
  if (part.trim() !== '' || parts.length === 0) parts.push(part)
  return parts.map(parseMatcher)
}

export function matchesAll(matchers: readonly Matcher[], labels: LabelSet): boolean {
  return matchers.every((matcher) => matcher.matches(labels[matcher.name] ?? ''))
}

/** As Alertmanager writes them in group keys: `{a="b",c=~"d"}`. */
export function formatMatchers(matchers: readonly Matcher[]): string {
  return `{${matchers.map(String).join(',')}}`
}
