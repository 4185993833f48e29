/**
 * The labels of a series: names and values, sorted by name, without empty values. Immutable; what
 * is derived of one is made once and remembered, for queries derive the same at each step.
 */
export class Labels {
  static readonly empty: Labels = new Labels([])

  /** name, value, name, value… sorted by name. */
  readonly pairs: readonly string[]
  /** Equal for equal labels. */
  readonly key: string
  readonly #derived = new Map<string, Labels>()

  private constructor(pairs: readonly string[]) {
    this.pairs = pairs
    this.key = pairs.join('\u0001')
  }

  static from(record: Readonly<Record<string, string>>): Labels {
    const names = Object.keys(record).filter((name) => record[name] !== '')
    names.sort()
    return new Labels(names.flatMap((name) => [name, record[name]!]))
  }

  /** Of a flat list of names and values in any order. */
  static fromPairs(pairs: readonly string[]): Labels {
    const record: Record<string, string> = Object.create(null)
    for (let index = 0; index < pairs.length; index += 2) record[pairs[index]!] = pairs[index + 1]!
    return Labels.from(record)
  }

  /** The value of a label; empty where there is none. */
  get(name: string): string {
    const { pairs } = this
    for (let index = 0; index < pairs.length; index += 2)
      if (pairs[index] === name) return pairs[index + 1]!
    return ''
  }

  get name(): string {
    return this.get('__name__')
  }

  toRecord(): Record<string, string> {
    const record: Record<string, string> = {}
    const { pairs } = this
    for (let index = 0; index < pairs.length; index += 2) record[pairs[index]!] = pairs[index + 1]!
    return record
  }

  /** With labels added or changed; an empty value removes. */
  with(changes: Readonly<Record<string, string>>): Labels {
    return Labels.from({ ...this.toRecord(), ...changes })
  }

  withoutName(): Labels {
    return this.without(nameOnly)
  }

  /** Without the labels named. */
  without(names: readonly string[]): Labels {
    return this.#derive(`-${names.join(',')}`, (name) => !names.includes(name))
  }

  /** With the labels named only. */
  only(names: readonly string[]): Labels {
    return this.#derive(`+${names.join(',')}`, (name) => names.includes(name))
  }

  #derive(key: string, keep: (name: string) => boolean): Labels {
    let derived = this.#derived.get(key)
    if (!derived) {
      const pairs: string[] = []
      for (let index = 0; index < this.pairs.length; index += 2)
        if (keep(this.pairs[index]!)) pairs.push(this.pairs[index]!, this.pairs[index + 1]!)
      derived = pairs.length === this.pairs.length ? this : new Labels(pairs)
      this.#derived.set(key, derived)
    }
    return derived
  }

  /** As PromQL writes it: `up{job="khlong"}`. */
  toString(): string {
    const { __name__: name = '', ...rest } = this.toRecord()
    const inside = Object.entries(rest).map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    return inside.length > 0 || name === '' ? `${name}{${inside.join(', ')}}` : name
  }
}

const nameOnly = ['__name__']

export type MatchKind = '=' | '!=' | '=~' | '!~'

/** One condition of a selector; regular expressions are anchored at both ends. */
export class Matcher {
  readonly kind: MatchKind
  readonly name: string
  readonly value: string
  readonly #pattern: RegExp | undefined

  /** @throws SyntaxError where the regular expression is none. */
  constructor(kind: MatchKind, name: string, value: string) {
    this.kind = kind
    this.name = name
    this.value = value
    this.#pattern = kind === '=~' || kind === '!~' ? anchored(value) : undefined
  }

  matches(value: string): boolean {
    switch (this.kind) {
      case '=':
        return value === this.value
      case '!=':
        return value !== this.value
      case '=~':
        return this.#pattern!.test(value)
      case '!~':
        return !this.#pattern!.test(value)
    }
  }

  toString(): string {
    return `${this.name}${this.kind}${JSON.stringify(this.value)}`
  }
}

/**
 * A regular expression over the whole text, in RE2's dialect as far as JavaScript has it.
 *
 * @throws SyntaxError
 */
export function anchored(pattern: string): RegExp {
  const inline = /^\(\?([ims]+)\)/.exec(pattern)
  const flags = new Set(`us${inline?.[1] ?? ''}`.replace('m', ''))
  const body = (inline ? pattern.slice(inline[0].length) : pattern).replaceAll('(?P<', '(?<')
  const source = `^(?:${body})$`
  try {
    return new RegExp(source, [...flags].join(''))
  } catch {
    // RE2 takes escapes that the strict Unicode mode refuses, such as \- or \_.
    return new RegExp(source, [...flags].filter((flag) => flag !== 'u').join(''))
  }
}
