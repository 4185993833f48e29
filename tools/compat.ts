// npm run compat -- NAME [--reference] [--only REGEXP]: a real system's own suite against ours. A test that
// has passed once must pass for ever: names that are new among the passed go into compat/NAME/must-pass.txt.
// `--reference` runs it against the real system instead, which says what can be passed at all.
// npm run compat -- --table: writes the READMEs' table from the results.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { franzGo } from '../compat/franz-go/run.ts'
import { kafkaJava } from '../compat/kafka-java/run.ts'
import { sarama } from '../compat/sarama/run.ts'
import {
  compatFolder,
  count,
  lostTests,
  mustPass,
  type Outcome,
  type Results,
  type Suite,
} from '../compat/suite.ts'
import { type Settings, startKhlong, startReference, type Target } from '../compat/target.ts'
import { writeCompatTable } from './compat-table.ts'

const suites: readonly Suite[] = [franzGo, kafkaJava, sarama]

const { values, positionals } = parseArgs({
  options: {
    reference: { type: 'boolean', default: false },
    only: { type: 'string' },
    table: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const suite = suites.find(({ name }) => name === positionals[0])
if (values.table) writeCompatTable()
else if (suite) process.exitCode = (await runSuite(suite)) ? 0 : 1
else {
  const names = suites.map(({ name }) => name).join('|')
  process.stderr.write(
    `usage: npm run compat -- ${names} [--reference] [--only REGEXP]\n       npm run compat -- --table\n`,
  )
  process.exitCode = 2
}

async function runSuite(suite: Suite): Promise<boolean> {
  const filter = values.only === undefined ? undefined : new RegExp(values.only)
  const { outcomes, targetName } = await collect(suite, filter)
  const date = new Date().toISOString().slice(0, 10)
  const counted = count(outcomes, targetName, date)
  for (const { name, result, detail } of outcomes)
    if (result === 'failed') process.stdout.write(`failed: ${name}\n${detail ?? ''}\n`)
  process.stdout.write(
    `${suite.name} on ${targetName}: ${counted.passed} passed, ${counted.failed} failed, ${counted.skipped} skipped\n`,
  )
  if (!filter) await keep(suite, values.reference ? { reference: counted } : { khlong: counted })
  if (values.reference) return counted.failed === 0
  const required = mustPass(suite.name)
  const lost = lostTests(required, outcomes, filter)
  for (const name of lost) process.stdout.write(`must pass and did not: ${name}\n`)
  for (const { name, result } of outcomes) if (result === 'passed') required.add(name)
  await writeList(suite, required)
  return lost.length === 0
}

async function collect(
  suite: Suite,
  filter?: RegExp,
): Promise<{ outcomes: readonly Outcome[]; targetName: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), `khlong-compat-${suite.name}-`))
  const targets: Target[] = []
  const start = async (settings: Settings = {}): Promise<Target> => {
    const target = values.reference
      ? await startReference(settings)
      : await startKhlong(path.join(folder, `target-${targets.length}`), settings)
    targets.push(target)
    return target
  }
  try {
    const outcomes = await suite.run({
      start,
      folder,
      cache: path.join(homedir(), '.cache/khlong-compat'),
      ...(filter ? { filter } : {}),
      say: (text) => process.stdout.write(`${text}\n`),
    })
    return { outcomes, targetName: targets[0]?.name ?? 'nothing' }
  } finally {
    for (const target of targets) await target.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function keep(suite: Suite, counted: Pick<Results, 'khlong' | 'reference'>): Promise<void> {
  const file = path.join(compatFolder, suite.name, 'results.json')
  const before = await readFile(file, 'utf8').catch(() => '{}')
  const { title, part, scope } = suite
  const results: Results = {
    ...(JSON.parse(before) as Results),
    title,
    part,
    ...(scope === undefined ? {} : { scope }),
    ...counted,
  }
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`)
  writeCompatTable()
}

async function writeList(suite: Suite, names: ReadonlySet<string>): Promise<void> {
  const head =
    '# Tests that have passed, and must; `npm run compat` adds to them, nobody takes away.'
  const file = path.join(compatFolder, suite.name, 'must-pass.txt')
  await writeFile(file, `${[head, ...[...names].sort()].join('\n')}\n`)
}
