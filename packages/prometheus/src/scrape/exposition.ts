import { PrometheusError } from '../errors.ts'

/** One sample as a target exposes it. */
export interface ExposedSample {
  /** Name and labels as they were written: the same text from scrape to scrape. */
  readonly series: string
  readonly value: number
  readonly timeMs: number | undefined
  /** Where it stands, for errors. */
  readonly line: number
}

/** What the text of a series says. */
export interface ExposedSeries {
  readonly name: string
  /** name, value, name, value… in the order written. */
  readonly labels: readonly string[]
}

/** What `# HELP` and `# TYPE` say of a metric. */
export interface MetricMetadata {
  type: string
  help: string
  unit: string
}

export interface Exposition {
  readonly samples: readonly ExposedSample[]
  readonly metadata: ReadonlyMap<string, MetricMetadata>
}

/**
 * Parses Prometheus's text format 0.0.4, and OpenMetrics 1.0 where `openMetrics` is set (times in
 * seconds; exemplars are read over). Labels are left as text: a target exposes the same series again
 * and again, and {@link parseSeries} is needed for new ones only.
 *
 * @throws PrometheusError `PROMETHEUS_EXPOSITION_MALFORMED` with the line
 */
export function parseExposition(text: string, openMetrics = false): Exposition {
  const samples: ExposedSample[] = []
  const metadata = new Map<string, MetricMetadata>()
  let next = 0
  for (let line = 1; next < text.length; line++) {
    const start = skipSpaces(text, next)
    let end = text.indexOf('\n', next)
    if (end < 0) end = text.length
    next = end + 1
    if (start >= end) continue
    if (text.charCodeAt(start) === hash) {
      const content = text.slice(start, end).trimEnd()
      if (openMetrics && content === '# EOF') break
      readComment(content, metadata)
    } else samples.push(readSample(text, start, end, line, openMetrics))
  }
  return { samples, metadata }
}

const hash = 0x23
const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0d

function skipSpaces(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function skipWord(text: string, at: number, end: number): number {
  while (at < end && !isSpace(text.charCodeAt(at))) at++
  return at
}

function readSample(
  text: string,
  start: number,
  end: number,
  line: number,
  openMetrics: boolean,
): ExposedSample {
  const seriesEnd = skipSeries(text, start, end, line)
  const valueStart = skipSpaces(text, seriesEnd)
  const valueEnd = skipWord(text, valueStart, end)
  const valueText = text.slice(Math.min(valueStart, end), valueEnd)
  const value = parseValue(valueText)
  if (value === undefined)
    throw malformed(line, `expected a value, found ${JSON.stringify(valueText)}`)
  const series = text.slice(start, seriesEnd)
  const timeStart = skipSpaces(text, valueEnd)
  if (timeStart >= end || text.charCodeAt(timeStart) === hash)
    return { series, value, timeMs: undefined, line }
  const timeText = text.slice(timeStart, skipWord(text, timeStart, end))
  const time = Number(timeText)
  if (!Number.isFinite(time))
    throw malformed(line, `expected a time, found ${JSON.stringify(timeText)}`)
  return { series, value, timeMs: Math.round(openMetrics ? time * 1_000 : time), line }
}

/** Where name and labels end. */
function skipSeries(text: string, start: number, end: number, line: number): number {
  let at = start
  while (at < end && text.charCodeAt(at) !== openBrace && !isSpace(text.charCodeAt(at))) at++
  const nameEnd = at
  at = skipSpaces(text, at)
  if (at >= end || text.charCodeAt(at) !== openBrace) return nameEnd
  let isQuoted = false
  for (at++; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) isQuoted = !isQuoted
    else if (code === backslash && isQuoted) at++
    else if (code === closeBrace && !isQuoted) return at + 1
  }
  throw malformed(line, isQuoted ? 'unterminated label value' : 'expected } behind the labels')
}

function malformed(line: number, what: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_EXPOSITION_MALFORMED', `line ${line}: ${what}`, {
    fields: { line },
  })
}

function readComment(content: string, metadata: Map<string, MetricMetadata>): void {
  const match = /^#\s+(HELP|TYPE|UNIT)\s+(\S+)\s?(.*)$/.exec(content)
  if (!match) return
  const [, what, name, text] = match as unknown as [string, string, string, string]
  const entry = metadata.get(name) ?? { type: 'unknown', help: '', unit: '' }
  metadata.set(name, entry)
  if (what === 'TYPE') entry.type = text === 'untyped' ? 'unknown' : text
  else if (what === 'UNIT') entry.unit = text
  else
    entry.help = text.replace(/\\(n|\\)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : '\\'))
}

/**
 * Reads name and labels of a series.
 *
 * @throws PrometheusError `PROMETHEUS_EXPOSITION_MALFORMED`
 */
export function parseSeries({ series: content, line }: ExposedSample): ExposedSeries {
  const fail = (what: string): PrometheusError => malformed(line, what)
  const nameMatch = /^[a-zA-Z_:][\w:]*/.exec(content)
  let name = nameMatch?.[0] ?? ''
  let at = name.length
  const labels: string[] = []
  if (content[at] === ' ' && /^\s*\{/.test(content.slice(at))) at = content.indexOf('{', at)
  if (content[at] === '{') {
    at++
    for (;;) {
      while (content[at] === ' ' || content[at] === ',') at++
      if (content[at] === '}') {
        at++
        break
      }
      // UTF-8 names are quoted, and the metric's own name may stand among the labels.
      if (content[at] === '"') {
        const [quoted, after] = readQuoted(content, at, fail)
        at = after
        while (content[at] === ' ') at++
        if (content[at] !== '=') {
          name = quoted
          continue
        }
        labels.push(quoted)
      } else {
        const label = /^[a-zA-Z_]\w*/.exec(content.slice(at))?.[0]
        if (!label) throw fail(`expected a label name at column ${at + 1}`)
        at += label.length
        labels.push(label)
      }
      while (content[at] === ' ') at++
      if (content[at] !== '=') throw fail(`expected = at column ${at + 1}`)
      at++
      while (content[at] === ' ') at++
      if (content[at] !== '"') throw fail(`expected a quoted label value at column ${at + 1}`)
      const [value, after] = readQuoted(content, at, fail)
      labels.push(value)
      at = after
    }
  }
  if (name === '') throw fail('expected a metric name')
  if (at < content.length) throw fail(`expected nothing at column ${at + 1}`)
  return { name, labels }
}

/** The text between quotes at `at`, and the position behind them. */
function readQuoted(
  content: string,
  at: number,
  fail: (what: string) => PrometheusError,
): [string, number] {
  let text = ''
  let from = at + 1
  for (let position = from; position < content.length; position++) {
    const character = content[position]
    if (character === '"') return [text + content.slice(from, position), position + 1]
    if (character !== '\\') continue
    const escaped = content[position + 1]
    text += content.slice(from, position)
    if (escaped === 'n') text += '\n'
    else if (escaped === '\\' || escaped === '"') text += escaped
    else text += `\\${escaped ?? ''}`
    position++
    from = position + 1
  }
  throw fail('unterminated label value')
}

function parseValue(text: string): number | undefined {
  switch (text.toLowerCase()) {
    case '':
      return undefined
    case 'nan':
      return Number.NaN
    case '+inf':
    case 'inf':
      return Number.POSITIVE_INFINITY
    case '-inf':
      return Number.NEGATIVE_INFINITY
  }
  const value = Number(text)
  return Number.isNaN(value) ? undefined : value
}
