/** One command of a shell script, as far as an import needs it. */
export interface ScriptCommand {
  /** Its words without their quotes, with variables filled in. */
  readonly words: readonly string[]
  /** The bodies of its here-documents. */
  readonly documents: readonly string[]
}

/** Tells the value of a variable; undefined where nobody knows it. */
export type VariableOf = (name: string) => string | undefined

/**
 * Reads the commands of a shell script: quotes, continued lines, here-documents and variables, those that the script
 * sets itself included. A variable that nobody knows stays `${NAME}`. What a command prints (`$(…)`) is not
 * known either; nothing is run.
 */
export function readScript(text: string, variableOf: VariableOf): ScriptCommand[] {
  return new ScriptReader(text, variableOf).read()
}

const assignment = /^([A-Za-z_]\w*)=(.*)$/s
const ends = new Set([';', '&', '|', '(', ')'])

interface AwaitedDocument {
  /** The line that ends it. */
  readonly end: string
  /** Its text is taken as it is. */
  readonly isQuoted: boolean
  /** Tabs before its lines do not count. */
  readonly isIndented: boolean
  readonly documents: string[]
}

class ScriptReader {
  readonly #text: string
  readonly #outside: VariableOf
  readonly #own = new Map<string, string>()
  readonly #commands: ScriptCommand[] = []
  #at = 0
  #words: string[] = []
  #documents: string[] = []
  /** Here-documents that begin after this line. */
  readonly #awaited: AwaitedDocument[] = []

  constructor(text: string, variableOf: VariableOf) {
    this.#text = text.replace(/\r\n/g, '\n')
    this.#outside = variableOf
  }

  read(): ScriptCommand[] {
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]!
      if (char === '\n') {
        this.#at++
        this.#end()
        for (const awaited of this.#awaited.splice(0))
          awaited.documents.push(this.#document(awaited))
      } else if (this.#text.startsWith('\\\n', this.#at)) this.#at += 2
      else if (/\s/.test(char)) this.#at++
      else if (char === '#') this.#at = this.#lineEnd()
      else if (this.#text.startsWith('<<', this.#at) && this.#text[this.#at + 2] !== '<')
        this.#awaitDocument()
      else if (ends.has(char)) {
        this.#at++
        this.#end()
      } else this.#words.push(this.#word())
    }
    this.#end()
    return this.#commands
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#at)
    return end < 0 ? this.#text.length : end
  }

  #end(): void {
    const words = this.#words[0] === 'export' ? this.#words.slice(1) : this.#words
    const set = words.map((word) => assignment.exec(word))
    if (set.length > 0 && set.every((match) => match !== null))
      for (const match of set) this.#own.set(match![1]!, match![2]!)
    if (this.#words.length > 0)
      this.#commands.push({ words: this.#words, documents: this.#documents })
    this.#words = []
    this.#documents = []
  }

  #awaitDocument(): void {
    this.#at += 2
    const isIndented = this.#text[this.#at] === '-'
    if (isIndented) this.#at++
    while (/[ \t]/.test(this.#text[this.#at] ?? '')) this.#at++
    const isQuoted = /['"\\]/.test(this.#text[this.#at] ?? '')
    const end = this.#word()
    if (end !== '') this.#awaited.push({ end, isQuoted, isIndented, documents: this.#documents })
  }

  #document({ end, isQuoted, isIndented }: AwaitedDocument): string {
    const lines: string[] = []
    while (this.#at < this.#text.length) {
      const lineEnd = this.#lineEnd()
      const written = this.#text.slice(this.#at, lineEnd)
      this.#at = lineEnd + 1
      const line = isIndented ? written.replace(/^\t+/, '') : written
      if (line.trimEnd() === end) break
      lines.push(line)
    }
    const text = lines.join('\n')
    return isQuoted ? text : this.#fill(text)
  }

  #word(): string {
    let word = ''
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]!
      if (/\s/.test(char) || ends.has(char)) break
      if (char === "'") {
        const end = this.#text.indexOf("'", this.#at + 1)
        const stop = end < 0 ? this.#text.length : end
        word += this.#text.slice(this.#at + 1, stop)
        this.#at = stop + 1
      } else if (char === '"') word += this.#quoted()
      else if (char === '\\') {
        if (this.#text[this.#at + 1] !== '\n') word += this.#text[this.#at + 1] ?? ''
        this.#at += 2
      } else if (char === '$') word += this.#expansion()
      else {
        word += char
        this.#at++
      }
    }
    return word
  }

  #quoted(): string {
    let text = ''
    this.#at++
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      const char = this.#text[this.#at]!
      const next = this.#text[this.#at + 1] ?? ''
      if (char === '\\' && '"\\$`\n'.includes(next)) {
        if (next !== '\n') text += next
        this.#at += 2
      } else if (char === '$') text += this.#expansion()
      else {
        text += char
        this.#at++
      }
    }
    this.#at++
    return text
  }

  /** What stands at a `$`: a variable, what a command prints (nothing is known of it), or a mere dollar. */
  #expansion(): string {
    const rest = this.#text.slice(this.#at)
    const match = /^\$(?:(\w+)|\{(\w+)(?:(:?[-=?+])([^}]*))?\})/.exec(rest)
    if (match) {
      this.#at += match[0].length
      return this.#valueOf(match[1] ?? match[2]!, match[3] ?? '', match[4] ?? '')
    }
    if (rest.startsWith('$(')) {
      let depth = 0
      for (this.#at++; this.#at < this.#text.length; this.#at++) {
        if (this.#text[this.#at] === '(') depth++
        if (this.#text[this.#at] === ')' && --depth === 0) break
      }
      this.#at++
      return ''
    }
    this.#at++
    return '$'
  }

  #valueOf(name: string, operator: string, operand: string): string {
    const value = this.#own.get(name) ?? this.#outside(name)
    // With a colon a variable that is empty counts as none.
    const isSet = operator.startsWith(':') ? Boolean(value) : value !== undefined
    if (/[-=]$/.test(operator) && !isSet) return operand
    if (operator.endsWith('+')) return isSet ? operand : ''
    return value ?? `\${${name}}`
  }

  /** Variables in a here-document, where quotes are text. */
  #fill(text: string): string {
    const reader = new ScriptReader(text, (name) => this.#own.get(name) ?? this.#outside(name))
    let filled = ''
    while (reader.#at < text.length) {
      const char = text[reader.#at]!
      if (char === '\\' && '\\$`\n'.includes(text[reader.#at + 1] ?? 'x')) {
        filled += text[reader.#at + 1] === '\n' ? '' : text[reader.#at + 1]
        reader.#at += 2
      } else if (char === '$') filled += reader.#expansion()
      else {
        filled += char
        reader.#at++
      }
    }
    return filled
  }
}
