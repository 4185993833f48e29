import { globSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Count, Results } from '../compat/suite.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const begin = '<!-- made by npm run compat -- --table -->'
const end = '<!-- end of it -->'

/** Heads of the table by README. */
const heads: Readonly<Record<string, readonly string[]>> = {
  'README.md': ['part', 'suite', 'Khlong', 'the real system', 'what is not passed'],
  'README.th.md': ['ส่วน', 'ชุดทดสอบ', 'Khlong', 'ระบบจริง', 'ที่ยังไม่ผ่าน'],
}

/** Writes the table of results into the READMEs, between its two comments. */
export function writeCompatTable(): void {
  for (const file of Object.keys(heads))
    writeFileSync(
      path.join(root, file),
      withCompatTable(file, readFileSync(path.join(root, file), 'utf8')),
    )
}

/** A README's text with the table as the results have it now. */
export function withCompatTable(file: string, text: string): string {
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from)
    throw new Error(`${file} has no place for the table: ${begin} … ${end}`)
  return `${text.slice(0, from)}${begin}\n${tableOf(heads[file]!)}\n${text.slice(to)}`
}

function tableOf(head: readonly string[]): string {
  const rows = globSync('compat/*/results.json', { cwd: root })
    .sort()
    .map((file): string[] => {
      const folder = path.dirname(file).split(path.sep).join('/')
      const { part, title, scope, khlong, reference } = JSON.parse(
        readFileSync(path.join(root, file), 'utf8'),
      ) as Results
      const what = scope === undefined ? title : `${title}: ${scope}`
      return [part, what, figures(khlong), figures(reference), `[findings](${folder}/findings.md)`]
    })
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

/** `passed / run / total`. */
function figures(counted: Count | undefined): string {
  if (!counted) return '–'
  const { passed, failed, skipped } = counted
  return `${passed} / ${passed + failed} / ${passed + failed + skipped}`
}
