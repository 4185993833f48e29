// npm run check: format, lint, types, and the rules of the repository that no linter knows.

import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findTidyProblems } from './tidy.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name: string): string => path.join(root, 'node_modules', name)

const checks: [name: string, run: () => boolean][] = [
  [
    'format and lint',
    () => script(bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings'),
  ],
  ['types', () => script(bin('typescript/bin/tsc'), '-p', 'tsconfig.json')],
  ['types of the console', () => checkConsoleTypes()],
  ['tidy', () => checkTidy()],
]

let failed = 0
for (const [name, run] of checks) {
  const startMs = performance.now()
  const passed = run()
  if (!passed) failed++
  process.stdout.write(
    `${passed ? 'ok' : 'NOT OK'}: ${name} (${Math.round(performance.now() - startMs)} ms)\n`,
  )
}
process.stdout.write(`check: ${checks.length - failed} passed, ${failed} failed\n`)
if (process.env.KHLONG_SUMMARY)
  appendFileSync(process.env.KHLONG_SUMMARY, `${checks.length - failed} ${failed}\n`)
process.exitCode = failed > 0 ? 1 : 0

function script(file: string, ...args: string[]): boolean {
  return spawnSync(process.execPath, [file, ...args], { cwd: root, stdio: 'inherit' }).status === 0
}

function checkConsoleTypes(): boolean {
  const project = 'packages/grafana/web/tsconfig.json'
  return !existsSync(path.join(root, project)) || script(bin('typescript/bin/tsc'), '-p', project)
}

function checkTidy(): boolean {
  const problems = findTidyProblems(root)
  for (const problem of problems) process.stdout.write(`${problem}\n`)
  return problems.length === 0
}
