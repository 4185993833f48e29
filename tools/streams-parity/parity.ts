import { mkdirSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { comparable, runOurs } from '../../packages/streams/test/parity/run.ts'
import { tableCells } from './cells.ts'
import { goldensOf, writeGoldens } from './goldens.ts'
import { runJava } from './java.ts'
import { operators } from './operators.ts'
import { parityPage } from './table.ts'
import { topologies } from './topologies.ts'

/** Runs every case through Java's library and ours; says whether they agree. Needs Java, Maven and the reference Kafka. */
export function streamsParity(isWriting: boolean): boolean {
  const cells = tableCells()
  const cases = [...topologies, ...cells.flatMap(({ case: one }) => one ?? [])]
  const results = runJava(cases)
  let records = 0
  let unequal = 0
  for (const [index, one] of cases.entries()) {
    const java = results[index]!
    for (const output of java.outputs) records += output.length
    if (isDeepStrictEqual(comparable(runOurs(one)), comparable(java))) continue
    unequal++
    process.stdout.write(`not equal: ${one.name}\n`)
  }
  if (isWriting) {
    writeGoldens(goldensOf(cases, results))
    const folder = new URL('../../docs/streams/', import.meta.url)
    mkdirSync(folder, { recursive: true })
    writeFileSync(new URL('parity.md', folder), parityPage())
  }
  const reasons = cells.filter(({ reason }) => reason !== undefined).length
  process.stdout.write(
    `streams: ${cases.length} cases (${topologies.length} topologies, and ${operators.length} operators in ${cells.length - reasons} cells, ${reasons} with a reason), ` +
      `${records} records of Java; ${cases.length - unequal} equal, ${unequal} failed\n`,
  )
  return unequal === 0
}
