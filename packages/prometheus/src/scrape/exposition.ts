import { PrometheusError } from '../errors.ts'

/** One sample as a target exposes it. */
export interface ExposedSample {
  readonly name: string
  /** name, value, name, value… in the order written. */
  readonly labels: readonly string[]
  readonly value: number
  readonly timeMs: number | undefined
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
 * seconds; exemplars are read over).
 *
 * @throws PrometheusError `PROMETHEUS_EXPOSITION_MALFORMED` with the line
 */
export function parseExposition(text: string, openMetrics = false): Exposition {
  const samples: ExposedSample[] = []
  const metadata = new Map<string, MetricMetadata>()
  let start = 0
  for (let line = 1; start < text.length; line++) {
    let end = text.indexOf('\n', start)
    if (end < 0) end = text.length
    const content = text.slice(start, end).trim()
    start = end + 1
    if (content === '') continue
    if (content.startsWith('#')) {
      if (openMetrics && content === '# EOF') break
      readComment(content, metadata)
    } else samples.push(readSample(content, line, openMetrics))
  }
  return { samples, metadata }
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

function readSample(content: string, line: number, openMetrics: boolean): ExposedSample {
  const fail = (what: string): PrometheusError =>
    new PrometheusError('PROMETHEUS_EXPOSITION_MALFORMED', `line ${line}: ${what}`, {
      fields: { line },
    })
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
  const [valueText, timeText] = content.slice(at).trim().split(/\s+/)
  const value = parseValue(valueText ?? '')
  if (value === undefined) throw fail(`expected a value, found ${JSON.stringify(valueText ?? '')}`)
  if (timeText === undefined || timeText === '#') return { name, labels, value, timeMs: undefined }
  const time = Number(timeText)
  if (!Number.isFinite(time)) throw fail(`expected a time, found ${JSON.stringify(timeText)}`)
  return { name, labels, value, timeMs: Math.round(openMetrics ? time * 1_000 : time) }
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
