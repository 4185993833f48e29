import { PrometheusError } from '../errors.ts'

/** What stands between braces, from left to right through its pipes. */
export interface Pipeline {
  readonly variables: readonly string[]
  readonly isAssignment: boolean
  readonly commands: readonly (readonly Operand[])[]
}

export type Operand =
  | { readonly kind: 'dot' | 'nil' }
  | { readonly kind: 'field'; readonly path: readonly string[] }
  | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline; readonly path: readonly string[] }

export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly pipeline: Pipeline
      readonly body: readonly TemplateNode[]
      readonly otherwise: readonly TemplateNode[]
    }
  | { readonly kind: 'template'; readonly name: string; readonly pipeline: Pipeline | undefined }
  | { readonly kind: 'break' | 'continue' }

/** The body of a text and the templates that it defines. */
export interface ParsedTemplate {
  readonly body: readonly TemplateNode[]
  readonly definitions: ReadonlyMap<string, readonly TemplateNode[]>
}

type Token =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | {
      readonly kind: 'field' | 'variable' | 'word' | 'symbol'
      readonly text: string
      spaced: boolean
    }

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly tokens: readonly Token[]; readonly line: number }

const nestingMax = 100

/**
 * Reads a text in Go's template language.
 *
 * @throws PrometheusError `PROMETHEUS_TEMPLATE_INVALID` with the line
 */
export function parseTemplate(name: string, text: string): ParsedTemplate {
  const parser = new Parser(name, split(name, text))
  const { nodes, end } = parser.nodes(0)
  if (end !== '') throw invalid(name, parser.line, `unexpected {{${end}}}`)
  return { body: nodes, definitions: parser.definitions }
}

/** Texts and actions in turn; spaces beside `{{-` and `-}}` are gone. */
function split(name: string, text: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  let line = 1
  let trimNext = false
  for (;;) {
    const open = text.indexOf('{{', at)
    const isLast = open < 0
    let plain = text.slice(at, isLast ? text.length : open)
    line += count(plain)
    if (trimNext) plain = plain.trimStart()
    const trimBefore = !isLast && /^\{\{-\s/.test(text.slice(open, open + 4))
    if (trimBefore) plain = plain.trimEnd()
    if (plain !== '') pieces.push({ kind: 'text', text: plain })
    if (isLast) return pieces
    const start = open + (trimBefore ? 3 : 2)
    const comment = /^\s*\/\*[\s\S]*?\*\/(\s*)(-?)\}\}/.exec(text.slice(start))
    if (comment) {
      line += count(comment[0])
      trimNext = comment[2] === '-'
      at = start + comment[0].length
      continue
    }
    const { tokens, end, trimAfter } = tokenize(name, text, start, line)
    pieces.push({ kind: 'action', tokens, line })
    line += count(text.slice(open, end))
    trimNext = trimAfter
    at = end
  }
}

function count(text: string): number {
  return text.split('\n').length - 1
}

const tokenPattern =
  /(\s+)|("(?:[^"\\\n]|\\.)*")|(`[^`]*`)|('(?:[^'\\\n]|\\.)+')|(\.[A-Za-z_]\w*)|(\$\w*)|([+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(:=|[|=,().])/y

function tokenize(
  name: string,
  text: string,
  start: number,
  line: number,
): { tokens: Token[]; end: number; trimAfter: boolean } {
  const tokens: Token[] = []
  let at = start
  let spaced = true
  for (;;) {
    if (text.startsWith('}}', at)) return { tokens, end: at + 2, trimAfter: false }
    if (text.startsWith('-}}', at) && spaced) return { tokens, end: at + 3, trimAfter: true }
    tokenPattern.lastIndex = at
    const match = tokenPattern.exec(text)
    if (!match)
      throw invalid(
        name,
        line,
        at >= text.length ? 'unclosed action' : `unexpected ${JSON.stringify(text[at])} in action`,
      )
    const [whole, space, quoted, raw, character, field, variable, number, word] = match
    at += whole.length
    if (space !== undefined) {
      spaced = true
      continue
    }
    if (quoted !== undefined) tokens.push({ kind: 'string', text: unquote(name, line, quoted) })
    else if (raw !== undefined) tokens.push({ kind: 'string', text: raw.slice(1, -1) })
    else if (character !== undefined)
      tokens.push({ kind: 'number', text: String(unquote(name, line, character).codePointAt(0)) })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number.replaceAll('_', '') })
    else {
      const kind = field ? 'field' : variable ? 'variable' : word ? 'word' : 'symbol'
      tokens.push({ kind, text: whole, spaced })
    }
    spaced = false
  }
}

function unquote(name: string, line: number, quoted: string): string {
  const simple: Readonly<Record<string, string>> = {
    n: '\n',
    t: '\t',
    r: '\r',
    '\\': '\\',
    '"': '"',
    "'": "'",
    a: '\u0007',
    b: '\b',
    f: '\f',
    v: '\v',
  }
  return quoted
    .slice(1, -1)
    .replace(
      /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/g,
      (_all, x?: string, u?: string, long?: string, letter = '') => {
        const code = x ?? u ?? long
        if (code !== undefined) {
          const point = Number.parseInt(code, 16)
          if (point <= 0x10ffff) return String.fromCodePoint(point)
        }
        const plain = simple[letter]
        if (plain === undefined) throw invalid(name, line, `bad escape in ${quoted}`)
        return plain
      },
    )
}

class Parser {
  readonly definitions = new Map<string, readonly TemplateNode[]>()
  readonly #name: string
  readonly #pieces: readonly Piece[]
  #at = 0
  line = 1

  constructor(name: string, pieces: readonly Piece[]) {
    this.#name = name
    this.#pieces = pieces
  }

  /** Nodes up to `end`, `else` or the end of the text. */
  nodes(depth: number): { nodes: TemplateNode[]; end: '' | 'end' | 'else'; rest: Tokens } {
    if (depth > nestingMax) throw invalid(this.#name, this.line, 'nested too deeply')
    const nodes: TemplateNode[] = []
    for (;;) {
      const piece = this.#pieces[this.#at++]
      if (!piece) return { nodes, end: '', rest: new Tokens(this.#name, this.line, []) }
      if (piece.kind === 'text') {
        nodes.push(piece)
        continue
      }
      this.line = piece.line
      const tokens = new Tokens(this.#name, piece.line, piece.tokens)
      const keyword = tokens.word()
      switch (keyword) {
        case 'end':
        case 'else':
          tokens.take()
          return { nodes, end: keyword, rest: tokens }
        case 'if':
        case 'with':
        case 'range':
          tokens.take()
          nodes.push(this.#branch(keyword, tokens, depth))
          break
        case 'template': {
          tokens.take()
          nodes.push({
            kind: 'template',
            name: tokens.string(),
            pipeline: tokens.optionalPipeline(),
          })
          break
        }
        case 'define':
        case 'block': {
          tokens.take()
          const name = tokens.string()
          const pipeline = tokens.optionalPipeline()
          const { nodes: body, end } = this.nodes(depth + 1)
          if (end !== 'end') throw invalid(this.#name, this.line, `{{${keyword}}} without {{end}}`)
          this.definitions.set(name, body)
          if (keyword === 'block') nodes.push({ kind: 'template', name, pipeline })
          break
        }
        case 'break':
        case 'continue':
          nodes.push({ kind: keyword })
          break
        default:
          nodes.push({ kind: 'action', pipeline: tokens.wholePipeline() })
      }
    }
  }

  #branch(kind: 'if' | 'with' | 'range', tokens: Tokens, depth: number): TemplateNode {
    const pipeline = tokens.wholePipeline()
    const { nodes: body, end, rest } = this.nodes(depth + 1)
    let otherwise: readonly TemplateNode[] = []
    if (end === 'else') {
      const next = rest.word()
      if (next === 'if' || next === 'with') {
        rest.take()
        otherwise = [this.#branch(next, rest, depth + 1)]
      } else {
        const last = this.nodes(depth + 1)
        otherwise = last.nodes
        if (last.end !== 'end') throw invalid(this.#name, this.line, `{{${kind}}} without {{end}}`)
      }
    } else if (end === '') throw invalid(this.#name, this.line, `{{${kind}}} without {{end}}`)
    return { kind, pipeline, body, otherwise }
  }
}

/** The tokens of one action, read from the left. */
class Tokens {
  readonly #name: string
  readonly #line: number
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(name: string, line: number, tokens: readonly Token[]) {
    this.#name = name
    this.#line = line
    this.#tokens = tokens
  }

  take(): Token | undefined {
    return this.#tokens[this.#at++]
  }
  #isSymbol(text: string, offset = 0): boolean {
    const token = this.#tokens[this.#at + offset]
    return token?.kind === 'symbol' && token.text === text
  }
  word(): string | undefined {
    const token = this.#tokens[this.#at]
    return token?.kind === 'word' ? token.text : undefined
  }
  string(): string {
    const token = this.take()
    if (token?.kind !== 'string') throw this.#unexpected(token)
    return token.text
  }
  optionalPipeline(): Pipeline | undefined {
    return this.#at < this.#tokens.length ? this.wholePipeline() : undefined
  }
  wholePipeline(): Pipeline {
    const pipeline = this.#pipeline()
    if (this.#at < this.#tokens.length) throw this.#unexpected(this.#tokens[this.#at])
    return pipeline
  }

  #pipeline(): Pipeline {
    if (++this.#depth > nestingMax) throw invalid(this.#name, this.#line, 'nested too deeply')
    const variables: string[] = []
    let isAssignment = false
    const first = this.#tokens[this.#at]
    if (first?.kind === 'variable') {
      const second = this.#tokens[this.#at + 2]
      if (this.#isSymbol(':=', 1) || this.#isSymbol('=', 1)) {
        isAssignment = this.#isSymbol('=', 1)
        variables.push(first.text)
        this.#at += 2
      } else if (
        this.#isSymbol(',', 1) &&
        second?.kind === 'variable' &&
        (this.#isSymbol(':=', 3) || this.#isSymbol('=', 3))
      ) {
        isAssignment = this.#isSymbol('=', 3)
        variables.push(first.text, second.text)
        this.#at += 4
      }
    }
    const commands: Operand[][] = []
    for (;;) {
      const operands: Operand[] = []
      while (this.#at < this.#tokens.length && !this.#isSymbol('|') && !this.#isSymbol(')'))
        operands.push(this.#operand())
      if (operands.length === 0) throw invalid(this.#name, this.#line, 'missing value for command')
      commands.push(operands)
      if (!this.#isSymbol('|')) break
      this.#at++
    }
    this.#depth--
    return { variables, isAssignment, commands }
  }

  #operand(): Operand {
    const token = this.take()
    switch (token?.kind) {
      case 'string':
        return { kind: 'literal', value: token.text }
      case 'number':
        return { kind: 'literal', value: Number(token.text) }
      case 'field':
        return { kind: 'field', path: [token.text.slice(1), ...this.#path()] }
      case 'variable':
        return { kind: 'variable', name: token.text, path: this.#path() }
      case 'word':
        if (token.text === 'true' || token.text === 'false')
          return { kind: 'literal', value: token.text === 'true' }
        return token.text === 'nil' ? { kind: 'nil' } : { kind: 'function', name: token.text }
      case 'symbol':
        if (token.text === '.') return { kind: 'dot' }
        if (token.text === '(') {
          const pipeline = this.#pipeline()
          if (!this.#isSymbol(')')) throw invalid(this.#name, this.#line, 'unclosed (')
          this.#at++
          return { kind: 'pipeline', pipeline, path: this.#path() }
        }
    }
    throw this.#unexpected(token)
  }

  /** Fields that follow without a space: `$x.A.B`. */
  #path(): string[] {
    const path: string[] = []
    for (;;) {
      const token = this.#tokens[this.#at]
      if (token?.kind !== 'field' || token.spaced) return path
      path.push(token.text.slice(1))
      this.#at++
    }
  }

  #unexpected(token: Token | undefined): PrometheusError {
    return invalid(
      this.#name,
      this.#line,
      `unexpected ${token ? JSON.stringify(token.text) : 'end of action'}`,
    )
  }
}

function invalid(name: string, line: number, what: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_TEMPLATE_INVALID', `template: ${name}:${line}: ${what}`, {
    fields: { name, line },
  })
}
