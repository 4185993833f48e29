import { stripVTControlCharacters } from 'node:util'
import type { PartSnapshot, Snapshot } from '../status/snapshot.ts'
import { firstLine, formatBytes, formatCount, formatRate } from './format.ts'

interface Column {
  readonly title: string
  readonly align: 'left' | 'right'
  value(part: PartSnapshot): string
}

const columns: readonly Column[] = [
  { title: 'part', align: 'left', value: ({ name }) => name },
  { title: 'state', align: 'left', value: (part) => stateText(part) },
  { title: 'address', align: 'left', value: ({ address }) => address ?? '' },
  { title: 'rate', align: 'right', value: ({ ratePerSecond }) => formatRate(ratePerSecond) },
  {
    title: 'lag',
    align: 'right',
    value: ({ vitals }) => (vitals?.lag === undefined ? '' : formatCount(vitals.lag)),
  },
  {
    title: 'memory',
    align: 'right',
    value: ({ thread, memoryBytes }) =>
      thread === undefined ? '' : `${formatBytes(memoryBytes)} ${thread.padEnd(5)}`,
  },
]

function stateText({ status, restarts }: PartSnapshot): string {
  return restarts > 0 ? `${status} (${restarts} restarts)` : status
}

/** More of them would push the table out of the window. */
const problemsShownMax = 5

/** The table of the parts as lines of text; colours only where `colour` is set. */
export function tableLines(snapshot: Snapshot, colour: boolean): string[] {
  const paint = (code: string, text: string): string =>
    colour ? `\u001b[${code}m${text}\u001b[0m` : text
  const rows = snapshot.parts.map((part) => columns.map((column) => column.value(part)))
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => row[index]!.length)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) =>
        columns[index]!.align === 'left'
          ? cell.padEnd(widths[index]!)
          : cell.padStart(widths[index]!),
      )
      .join('  ')
      .trimEnd()
  const body = rows.map((row, index) => {
    const { status } = snapshot.parts[index]!
    const text = line(row)
    if (status === 'ready' || status === 'external') return text
    return paint(status === 'failed' ? '31' : '33', text)
  })
  const { memory, cpuPercent, uptimeMs } = snapshot
  const problems = snapshot.parts.flatMap(problemsOf)
  const shown = problems.slice(0, problemsShownMax).map((text) => paint('31', text))
  if (problems.length > shown.length)
    shown.push(paint('31', `… and ${problems.length - shown.length} more: npx khlong doctor`))
  return [
    paint('2', line(columns.map(({ title }) => title))),
    ...body,
    ...shown,
    paint(
      '2',
      `one process: ${formatBytes(memory.anonymousBytes)}, ${cpuPercent} % of a core, up ${formatUptime(uptimeMs)}`,
    ),
  ]
}

/** What has failed of a part: itself, or connectors and applications in it. */
function problemsOf({ name, status, error, vitals }: PartSnapshot): string[] {
  if (status !== 'ready') return error === undefined ? [] : [`${name}: ${error}`]
  return (
    (vitals?.items ?? [])
      // A target that is scraped while it starts is down for a moment: that is for the doctor.
      .filter(({ kind, state }) => state === 'failed' && kind !== 'job')
      .map((item) => `${name}: ${item.kind} ${item.name} has failed: ${firstLine(item.note ?? '')}`)
  )
}

function formatUptime(uptimeMs: number): string {
  const seconds = Math.floor(uptimeMs / 1_000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`
}

/** Draws the table over itself at the bottom of a terminal. */
export class LiveTable {
  readonly #out: NodeJS.WriteStream
  readonly #footer: readonly string[]
  /** Columns that each line on the terminal takes. */
  #drawnWidths: readonly number[] = []

  constructor(out: NodeJS.WriteStream, footer: readonly string[]) {
    this.#out = out
    this.#footer = footer
  }

  draw(snapshot: Snapshot): void {
    const width = this.#out.columns
    // What is there to be copied wraps; the table is cut.
    const lines = [
      ...tableLines(snapshot, true).map((text) => fit(text, width)),
      '',
      ...this.#footer,
    ]
    this.#out.write(`${this.#rewind()}${lines.map((text) => `${text}\u001b[K\n`).join('')}\u001b[J`)
    this.#drawnWidths = lines.map((text) => stripVTControlCharacters(text).length)
  }

  /** Prints lines above the table. */
  print(text: string): void {
    this.#out.write(`${this.#rewind()}\u001b[J${text}\n`)
    this.#drawnWidths = []
  }

  #rewind(): string {
    const columns = Math.max(1, this.#out.columns)
    let rows = 0
    for (const width of this.#drawnWidths) rows += Math.max(1, Math.ceil(width / columns))
    return rows === 0 ? '' : `\u001b[${rows}A`
  }
}

/** Cuts a line that would wrap; a line with colours is cut without them. */
function fit(text: string, width: number): string {
  const plain = stripVTControlCharacters(text)
  return plain.length <= width ? text : `${plain.slice(0, width - 1)}…`
}
