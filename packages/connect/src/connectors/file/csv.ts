import { dataError } from '../../errors.ts'

export interface CsvFormat {
  readonly separator: string
  readonly quote: string
}

/**
 * Cuts text into rows of fields as it comes (RFC 4180): fields in quotes may have separators and line
 * ends in them, and a quote twice stands for one. A row is given when its line end is there.
 */
export class CsvReader {
  readonly #format: CsvFormat
  readonly #fieldCharactersMax: number
  #fields: string[] = []
  #field = ''
  #isQuoted = false
  /** Behind a quote within quotes: the end of the field, or the first of two. */
  #isAfterQuote = false
  #isAfterReturn = false
  #hasContent = false

  constructor(format: CsvFormat, fieldCharactersMax: number = 1024 * 1024) {
    this.#format = format
    this.#fieldCharactersMax = fieldCharactersMax
  }

  /** Whether a row has begun that has no end yet. */
  get isWithinRow(): boolean {
    return this.#hasContent
  }

  /** @throws ConnectError `CONNECT_DATA` where a field is longer than allowed. */
  read(text: string): string[][] {
    const { separator, quote } = this.#format
    const rows: string[][] = []
    for (const character of text) {
      if (this.#isAfterReturn && character === '\n') {
        this.#isAfterReturn = false
        continue
      }
      this.#isAfterReturn = false
      if (this.#isQuoted && !this.#isAfterQuote) {
        if (character === quote) this.#isAfterQuote = true
        else this.#add(character)
        continue
      }
      if (this.#isAfterQuote && character === quote) {
        this.#isAfterQuote = false
        this.#add(quote)
        continue
      }
      if (character === separator) this.#endField()
      else if (character === '\n' || character === '\r') {
        this.#isAfterReturn = character === '\r'
        this.#endRow(rows)
      } else if (character === quote && this.#field === '' && !this.#isQuoted) {
        this.#isQuoted = true
        this.#hasContent = true
      } else this.#add(character)
    }
    return rows
  }

  /** The last row, where no line end follows it. */
  end(): string[][] {
    const rows: string[][] = []
    if (this.#hasContent) this.#endRow(rows)
    return rows
  }

  #add(character: string): void {
    this.#hasContent = true
    if (this.#field.length >= this.#fieldCharactersMax)
      throw dataError(`a field of a CSV file has more than ${this.#fieldCharactersMax} characters`)
    this.#field += character
  }

  #endField(): void {
    this.#hasContent = true
    this.#fields.push(this.#field)
    this.#field = ''
    this.#isQuoted = false
    this.#isAfterQuote = false
  }

  #endRow(rows: string[][]): void {
    // An empty line is no row.
    if (this.#hasContent) {
      this.#endField()
      rows.push(this.#fields)
    }
    this.#fields = []
    this.#hasContent = false
  }
}

/** One field, in quotes where it needs them. */
export function csvField(text: string, { separator, quote }: CsvFormat): string {
  const needsQuotes =
    text.includes(separator) || text.includes(quote) || /[\r\n]/.test(text) || text === ''
  return needsQuotes ? `${quote}${text.replaceAll(quote, quote + quote)}${quote}` : text
}
