// npm test [-- PATTERN]            unit and server tests: nothing needed beyond the packages
// npm run test:peers [-- PATTERN]  foreign clients and engines; `--install` gets those that are missing

import { appendFileSync, globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { installPeers } from './peers.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const [tier, ...patterns] = process.argv.slice(2)
if (tier !== 'unit' && tier !== 'peers') throw new Error('usage: test.ts unit|peers [PATTERN…]')

const isPeer = (file: string): boolean => file.split(path.sep).includes('peers')
const files = globSync(['packages/*/{src,test}/**/*.test.ts', 'tools/**/*.test.ts'], { cwd: root })
  .filter((file) => isPeer(file) === (tier === 'peers'))
  .filter((file) => {
    const wanted = patterns.filter((pattern) => !pattern.startsWith('--'))
    return wanted.length === 0 || wanted.some((pattern) => file.includes(pattern))
  })
  .sort()

if (tier === 'peers' && (patterns.includes('--install') || process.env.CI)) installPeers()

let passed = 0
let failed = 0
const failures: string[] = []
run({
  files: files.map((file) => path.join(root, file)),
  // Foreign engines take a core each; alone they are steadier.
  concurrency: tier === 'unit' ? availableParallelism() : 1,
  timeout: tier === 'unit' ? 120_000 : 600_000,
})
  .on('test:pass', ({ details, skip }) => {
    if (details.type !== 'suite' && !skip) passed++
  })
  .on('test:fail', ({ details, name, file, todo }) => {
    if (details.type === 'suite' || todo) return
    failed++
    failures.push(`${path.relative(root, file ?? '')}: ${name}`)
  })
  .compose(new spec())
  .on('end', () => {
    for (const failure of failures) process.stdout.write(`failed: ${failure}\n`)
    process.stdout.write(`\n${tier}: ${passed} passed, ${failed} failed\n`)
    if (process.env.KHLONG_SUMMARY)
      appendFileSync(process.env.KHLONG_SUMMARY, `${passed} ${failed}\n`)
    process.exitCode = failed > 0 || passed === 0 ? 1 : 0
  })
  .pipe(process.stdout)
