import path from 'node:path'
import { formatBytes } from '../terminal/format.ts'
import { tableLines } from '../terminal/live-table.ts'
import { version } from '../version.ts'
import type { Diagnosis } from './doctor.ts'
import { retentionLines } from './examine-disk.ts'
import type { Finding } from './finding.ts'
import type { PipelineState } from './running-pipeline.ts'

/** A diagnosis as lines of text; the last one sums up. */
export function reportLines(diagnosis: Diagnosis, colour: boolean): string[] {
  const { pipeline, state, space, disk, findings } = diagnosis
  const paint = (code: string, text: string): string =>
    colour ? `\u001b[${code}m${text}\u001b[0m` : text
  const lines = [
    `khlong ${version}, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
  ]
  if (pipeline) lines.push(`pipeline ${pipeline.name} in ${relative(pipeline.folder)}`)
  if (state) lines.push(...stateLines(state, colour))
  if (pipeline && space) {
    lines.push(
      '',
      `data in ${pipeline.data}: ${formatBytes(space.bytes)}; ${formatBytes(space.freeBytes)} of ${formatBytes(space.totalBytes)} are free`,
    )
    for (const { name, bytes } of space.parts)
      lines.push(`  ${name.padEnd(12)}${formatBytes(bytes).padStart(9)}`)
  }
  if (pipeline && disk) {
    const percent = Math.round((100 * disk.usedBytes) / disk.limitBytes)
    lines.push(
      '',
      `${percent} % of what the data may take: disk.budget is ${formatBytes(Math.round(disk.budgetBytes))}; kept are`,
      ...retentionLines(pipeline),
    )
  }
  const wrong = findings.filter(({ level }) => level === 'wrong')
  const notes = findings.filter(({ level }) => level === 'note')
  const say = (title: string, code: string, group: readonly Finding[]): void => {
    if (group.length === 0) return
    lines.push('')
    for (const { what, remedy } of group) {
      lines.push(`${paint(code, title.padEnd(6))} ${what}`)
      if (remedy !== undefined) lines.push(`       ${remedy}`)
    }
  }
  say('note', '33', notes)
  say('wrong', '31', wrong)
  lines.push('', summary(wrong.length, colour))
  return lines
}

function stateLines(state: PipelineState, colour: boolean): string[] {
  if (state.kind !== 'running') return ['it does not run now']
  return [`it runs as process ${state.processId}`, '', ...tableLines(state.snapshot, colour)]
}

function summary(wrong: number, colour: boolean): string {
  const text =
    wrong === 0
      ? 'nothing is wrong'
      : wrong === 1
        ? '1 thing is wrong'
        : `${wrong} things are wrong`
  return colour ? `\u001b[${wrong === 0 ? '32' : '31'}m${text}\u001b[0m` : text
}

function relative(folder: string): string {
  const shown = path.relative(process.cwd(), folder)
  return shown === '' ? '.' : shown.startsWith('..') ? folder : shown
}
