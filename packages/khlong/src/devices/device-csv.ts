import { KhlongError } from '../errors.ts'
import { checkDevice, type DeviceGiven } from './device.ts'

const columns: readonly string[] = ['name', 'place', 'id', 'kind', 'rate']

/**
 * Reads devices from CSV (RFC 4180) whose first line names the columns `name` and `place`, and where
 * wanted `id`, `kind` and `rate`, in any order.
 *
 * @throws KhlongError `KHLONG_DEVICE_INVALID` with file and line
 */
export function parseDeviceCsv(text: string, file: string): DeviceGiven[] {
  const [header, ...rows] = parseRows(text.replace(/^\uFEFF/, ''), file)
  const names = header?.cells.map((cell) => cell.trim().toLowerCase()) ?? []
  const unknown = names.find((name) => !columns.includes(name))
  if (unknown !== undefined || !names.includes('name') || !names.includes('place'))
    throw invalid(
      file,
      1,
      `expected the columns name, place and where wanted id, kind, rate${unknown ? `, found ${unknown}` : ''}`,
    )
  return rows.map(({ cells, line }) => {
    if (cells.length !== names.length)
      throw invalid(file, line, `expected ${names.length} columns, found ${cells.length}`)
    const cell = (name: string): string | undefined =>
      cells[names.indexOf(name)]?.trim() || undefined
    const rate = cell('rate')
    if (rate !== undefined && !Number.isFinite(Number(rate)))
      throw invalid(file, line, `rate: expected a number, found ${rate}`)
    const given = {
      name: cell('name') ?? '',
      place: cell('place') ?? '',
      id: cell('id'),
      kind: cell('kind'),
      rate: rate === undefined ? undefined : Number(rate),
    }
    try {
      return checkDevice(given)
    } catch (error) {
      throw invalid(file, line, (error as Error).message)
    }
  })
}

interface Row {
  readonly line: number
  readonly cells: readonly string[]
}

function parseRows(text: string, file: string): Row[] {
  const rows: Row[] = []
  let line = 1
  let position = 0
  while (position < text.length) {
    const cells: string[] = []
    const startLine = line
    for (;;) {
      const quoted = /"((?:[^"]|"")*)"/y
      quoted.lastIndex = position
      const plain = /[^,"\r\n]*/y
      plain.lastIndex = position
      const match = text[position] === '"' ? quoted.exec(text) : plain.exec(text)
      if (!match) throw invalid(file, line, 'a quotation mark is not closed')
      cells.push((match[1] ?? match[0]).replaceAll('""', '"'))
      line += match[0].split('\n').length - 1
      position += match[0].length
      if (text[position] !== ',') break
      position++
    }
    if (text[position] === '\r') position++
    if (position < text.length && text[position] !== '\n')
      throw invalid(file, line, 'expected a comma or the end of the line')
    position++
    line++
    if (cells.length > 1 || cells[0]?.trim() !== '') rows.push({ line: startLine, cells })
  }
  return rows
}

function invalid(file: string, line: number, what: string): KhlongError {
  return new KhlongError('KHLONG_DEVICE_INVALID', `${file}:${line}: ${what}`, {
    fields: { file, line },
  })
}
