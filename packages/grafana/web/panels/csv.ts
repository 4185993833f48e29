import { type AnswerFrame, tableOf } from '../../src/model/series.ts'
import { saveFile } from '../lib/save-file.ts'

/** Gives a panel's data as a CSV file, times in ISO. */
export function downloadCsv(title: string, frames: readonly AnswerFrame[]): void {
  const { columns } = tableOf(frames)
  const rows = columns[0]?.values.length ?? 0
  const lines = [columns.map(({ name }) => quoted(name)).join(',')]
  for (let row = 0; row < rows; row++)
    lines.push(
      columns
        .map(({ type, values }) => {
          const value = values[row]
          if (value === null || value === undefined) return ''
          return quoted(type === 'time' ? new Date(Number(value)).toISOString() : String(value))
        })
        .join(','),
    )
  saveFile(`${title || 'panel'}.csv`, `${lines.join('\n')}\n`, 'text/csv')
}

function quoted(value: string): string {
  // A cell that begins like a formula would run in a spreadsheet.
  const safe = /^[=+@\t]|^-[^\d.]/.test(value) ? `'${value}` : value
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
