import { PrometheusError } from '../errors.ts'

export interface Token {
  readonly kind: 'number' | 'duration' | 'string' | 'identifier' | 'symbol' | 'end'
  readonly text: string
  /** The value of a string, its quotes and escapes resolved. */
  readonly value: string
  readonly position: number
}

const patterns = {
  space: /(?:\s+|#[^\n]*)+/y,
  duration: /(?:\d+(?:ms|[ywdhms]))+(?![\w.])/y,
  number: /0[xX][0-9a-fA-F]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?/y,
  identifier: /[a-zA-Z_:][\w:]*/y,
  symbol: /=~|!~|==|!=|>=|<=|[()[\]{},=<>+\-*/%^@:]/y,
} as const

/** A query that cannot be read; the position is counted from 1 as Prometheus does. */
export function parseError(query: string, position: number, what: string): PrometheusError {
  const before = query.slice(0, position)
  const line = before.split('\n').length
  const column = position - before.lastIndexOf('\n')
  return new PrometheusError('PROMETHEUS_QUERY_PARSE', `${line}:${column}: parse error: ${what}`, {
    fields: { position },
  })
}

/** @throws PrometheusError `PROMETHEUS_QUERY_PARSE` */
export function tokenize(query: string): Token[] {
  const tokens: Token[] = []
  let position = 0
  // Between brackets a colon parts range and step; elsewhere it may begin a name.
  let inBrackets = false
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position
    return pattern.exec(query)?.[0]
  }
  while (position < query.length) {
    const space = match(patterns.space)
    if (space !== undefined) {
      position += space.length
      continue
    }
    const first = query[position]!
    if (first === '"' || first === "'" || first === '`') {
      const end = stringEnd(query, position)
      if (end < 0) throw parseError(query, position, 'unterminated quoted string')
      const text = query.slice(position, end)
      tokens.push({ kind: 'string', text, value: unquote(query, text, position), position })
      position = end
      continue
    }
    let found = false
    for (const kind of ['duration', 'number', 'identifier', 'symbol'] as const) {
      const text = match(patterns[kind])
      if (text === undefined || (inBrackets && kind === 'identifier' && first === ':')) continue
      if (text === '[' || text === ']') inBrackets = text === '['
      tokens.push({ kind, text, value: text, position })
      position += text.length
      found = true
      break
    }
    if (!found) throw parseError(query, position, `unexpected character: '${first}'`)
  }
  tokens.push({ kind: 'end', text: 'end of input', value: '', position })
  return tokens
}

function stringEnd(query: string, start: number): number {
  const quote = query[start]
  for (let at = start + 1; at < query.length; at++) {
    if (query[at] === quote) return at + 1
    if (query[at] === '\\' && quote !== '`') at++
    else if (query[at] === '\n' && quote !== '`') return -1
  }
  return -1
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
}

function unquote(query: string, text: string, position: number): string {
  const inside = text.slice(1, -1)
  if (text[0] === '`' || !inside.includes('\\')) return inside
  return inside.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gs,
    (_, sequence: string) => {
      if (sequence.length === 1) {
        const simple = simpleEscapes[sequence]
        if (simple === undefined)
          throw parseError(query, position, `unknown escape sequence '\\${sequence}'`)
        return simple
      }
      const octal = /^[0-7]/.test(sequence)
      return String.fromCodePoint(
        Number.parseInt(octal ? sequence : sequence.slice(1), octal ? 8 : 16),
      )
    },
  )
}
