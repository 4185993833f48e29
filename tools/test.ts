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

// What a fetcher got back is overwritten, in the processes that tests start, too.
process.env.KHLONG_POISON_BUFFERS = '1'

const isPeer = (file: string): boolean => file.split(path.sep).includes('peers')
const files = globSync(['packages/*/{src,test}/**/*.test.ts', 'tools/**/*.test.ts'], { cwd: root })
  .filter((file) => isPeer(file) === (tier === 'peers'))
  .filter((file) => {
    const wanted = patterns.filter((pattern) => !pattern.startsWith('--'))
    return wanted.length === 0 || wanted.some((pattern) => file.includes(pattern))
  })
  .sort()
  .map((file) => path.join(root, file))

if (tier === 'peers' && (patterns.includes('--install') || process.env.CI)) installPeers()

/** What became of the tests of one file. */
interface Outcome {
  passed: number
  readonly failures: string[]
}

const outcomes = await runFiles(files)
if (process.env.CI) await tryAgain(outcomes)
const passed = [...outcomes.values()].reduce((sum, outcome) => sum + outcome.passed, 0)
const failures = [...outcomes].flatMap(([file, outcome]) =>
  outcome.failures.map((name) => `${path.relative(root, file)}: ${name}`),
)
for (const failure of failures) process.stdout.write(`failed: ${failure}\n`)
process.stdout.write(`\n${tier}: ${passed} passed, ${failures.length} failed\n`)
if (process.env.KHLONG_SUMMARY)
  appendFileSync(process.env.KHLONG_SUMMARY, `${passed} ${failures.length}\n`)
process.exitCode = failures.length > 0 || passed === 0 ? 1 : 0

/**
 * CI's machine is shared and foreign engines start in their own time, so files that failed run once
 * more, alone. What passes only then is named: it is a bug of the test, to be found.
 */
async function tryAgain(first: Map<string, Outcome>): Promise<void> {
  // A suite that several files share is reported as a file of its own; run alone it holds no test, and
  // would pass. Its failures stay.
  const failed = [...first].filter(
    ([file, { failures }]) => failures.length > 0 && files.includes(file),
  )
  for (const [file, { failures }] of failed) {
    const again = (await runFiles([file])).get(file)
    if (!again) continue
    first.set(file, again)
    for (const name of failures)
      if (!again.failures.includes(name))
        process.stdout.write(`flaky: ${path.relative(root, file)}: ${name}\n`)
  }
}

/** Runs test files and gives their outcomes by file. */
function runFiles(wanted: readonly string[]): Promise<Map<string, Outcome>> {
  const found = new Map<string, Outcome>()
  const outcomeOf = (file: string): Outcome => {
    const outcome = found.get(file) ?? { passed: 0, failures: [] }
    found.set(file, outcome)
    return outcome
  }
  return new Promise((resolve) => {
    const reported = run({
      files: [...wanted],
      // Foreign engines take a core each; alone they are steadier.
      concurrency: tier === 'unit' ? availableParallelism() : 1,
      timeout: tier === 'unit' ? 120_000 : 600_000,
    })
      .on('test:pass', ({ details, skip, file }) => {
        if (details.type !== 'suite' && !skip) outcomeOf(file ?? '').passed++
      })
      .on('test:fail', ({ details, name, file, todo }) => {
        if (details.type !== 'suite' && !todo) outcomeOf(file ?? '').failures.push(name)
      })
      .compose(new spec())
    reported.on('end', () => resolve(found))
    reported.pipe(process.stdout, { end: false })
  })
}
