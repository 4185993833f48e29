import { GrafanaError } from '../errors.ts'

/** A call in a query text: `.find({…})`. */
export interface QueryCall {
  readonly name: string
  readonly arguments: readonly unknown[]
}

export interface QueryText {
  readonly collection: string
  readonly calls: readonly QueryCall[]
}

/** Builds the values that only the database's own types can hold. */
export interface TypeBuilders {
  ObjectId(hex: string): unknown
  ISODate(text: string | undefined): unknown
  NumberLong(text: string): unknown
  NumberDecimal(text: string): unknown
}

const nestingMax = 64

/**
 * Reads `db.collection.find({a: {$gt: 1}}).sort({b: -1}).limit(5)` as mongosh writes it: literals
 * only, keys with or without quotes, `ISODate()`, `ObjectId()`, `NumberLong()`, regular expressions.
 * Nothing is evaluated.
 *
 * @throws GrafanaError `GRAFANA_BAD_REQUEST` with the position of what could not be read.
 */
export function parseQueryText(text: string, build: TypeBuilders): QueryText {
  return new QueryTextParser(text, build).parse()
}

class QueryTextParser {
  readonly #text: string
  readonly #build: TypeBuilders
  #position = 0
  #depth = 0

  constructor(text: string, build: TypeBuilders) {
    this.#text = text
    this.#build = build
  }

  parse(): QueryText {
    if (this.#identifier() !== 'db') this.#fail('expected db.COLLECTION.find(…) or .aggregate(…)')
    const path: string[] = []
    const calls: QueryCall[] = []
    while (this.#peek() === '.' || this.#peek() === '[') {
      if (this.#take('[')) {
        path.push(String(this.#value()))
        this.#expect(']')
        continue
      }
      this.#expect('.')
      const name = this.#identifier()
      if (!this.#take('(')) {
        path.push(name)
        continue
      }
      const values = this.#list(')')
      if (name === 'getCollection' && calls.length === 0) path.push(String(values[0]))
      else calls.push({ name, arguments: values })
    }
    this.#take(';')
    if (this.#peek() !== '') this.#fail('expected the end of the query')
    if (path.length === 0) this.#fail('expected the name of a collection')
    return { collection: path.join('.'), calls }
  }

  #value(): unknown {
    if (++this.#depth > nestingMax) this.#fail(`nested deeper than ${nestingMax} levels`)
    try {
      const next = this.#peek()
      if (next === '{') return this.#object()
      if (this.#take('[')) return this.#list(']')
      if (next === '"' || next === "'") return this.#string()
      if (next === '/') return this.#regularExpression()
      if (/[-+.\d]/.test(next)) return this.#number()
      return this.#word()
    } finally {
      this.#depth--
    }
  }

  #object(): Record<string, unknown> {
    this.#expect('{')
    const object: Record<string, unknown> = {}
    while (!this.#take('}')) {
      const next = this.#peek()
      const key = next === '"' || next === "'" ? this.#string() : this.#key()
      if (key === '__proto__') this.#fail('the key __proto__ is not allowed')
      this.#expect(':')
      object[key] = this.#value()
      if (!this.#take(',')) {
        this.#expect('}')
        break
      }
    }
    return object
  }

  #list(end: string): unknown[] {
    const values: unknown[] = []
    while (!this.#take(end)) {
      values.push(this.#value())
      if (!this.#take(',')) {
        this.#expect(end)
        break
      }
    }
    return values
  }

  #word(): unknown {
    let word = this.#identifier()
    if (word === 'new') word = this.#identifier()
    if (word === 'true') return true
    if (word === 'false') return false
    if (word === 'null' || word === 'undefined') return null
    if (!this.#take('(')) return this.#fail(`${word} is not a value`)
    const values = this.#list(')')
    const first = values[0]
    const text = first === undefined ? undefined : String(first)
    switch (word) {
      case 'ISODate':
      case 'Date':
        return typeof first === 'number' ? new Date(first) : this.#build.ISODate(text)
      case 'ObjectId':
        return this.#build.ObjectId(text ?? '')
      case 'NumberLong':
      case 'Long':
        return this.#build.NumberLong(text ?? '0')
      case 'NumberDecimal':
      case 'Decimal128':
        return this.#build.NumberDecimal(text ?? '0')
      case 'NumberInt':
      case 'Int32':
      case 'Double':
        return Number(first)
      default:
        return this.#fail(`${word}() is not supported in a query`)
    }
  }

  #string(): string {
    const quote = this.#peek()
    const start = this.#position
    for (let at = start + 1; at < this.#text.length; at++) {
      const character = this.#text[at]
      if (character === '\\') at++
      else if (character === quote) {
        this.#position = at + 1
        return unescapeText(this.#text.slice(start + 1, at))
      }
    }
    return this.#fail('unterminated string')
  }

  #regularExpression(): RegExp {
    const match = /^\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+)\/([imsxu]*)/.exec(
      this.#text.slice(this.#position),
    )
    if (!match) return this.#fail('unterminated regular expression')
    this.#position += match[0].length
    try {
      return new RegExp(match[1]!, match[2]!.replaceAll('x', ''))
    } catch {
      return this.#fail('the regular expression is not valid')
    }
  }

  #number(): number {
    const match = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/.exec(
      this.#text.slice(this.#position),
    )
    if (!match) return this.#fail('expected a number')
    this.#position += match[0].length
    return Number(match[0])
  }

  #key(): string {
    const match = /^[\w$.]+/.exec(this.#text.slice(this.#position))
    if (!match) return this.#fail('expected a key')
    this.#position += match[0].length
    return match[0]
  }

  #identifier(): string {
    this.#peek()
    const match = /^[A-Za-z_$][\w$-]*/.exec(this.#text.slice(this.#position))
    if (!match) return this.#fail('expected a name')
    this.#position += match[0].length
    return match[0]
  }

  #peek(): string {
    const space = /^(?:\s|\/\/[^\n]*(?:\n|$))+/.exec(this.#text.slice(this.#position))
    if (space) this.#position += space[0].length
    return this.#text[this.#position] ?? ''
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#position++
    return true
  }

  #expect(character: string): void {
    if (!this.#take(character)) this.#fail(`expected ${character}`)
  }

  #fail(message: string): never {
    const found = this.#text.slice(this.#position, this.#position + 12) || 'the end'
    throw new GrafanaError(
      'GRAFANA_BAD_REQUEST',
      `query, position ${this.#position + 1}: ${message}, found ${found}`,
    )
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }

function unescapeText(text: string): string {
  return text.replaceAll(/\\(u[\da-fA-F]{4}|.)/gs, (_, code: string) =>
    code.length === 5
      ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
      : (escapes[code] ?? code),
  )
}
