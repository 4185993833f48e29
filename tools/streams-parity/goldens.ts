import { readFileSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Case, Golden, Result } from '../../packages/streams/test/parity/cases.ts'

export const goldensFile: URL = new URL(
  '../../packages/streams/test/vectors/parity.json',
  import.meta.url,
)

/** What Java made of the cases, cases of one topology together. */
export function goldensOf(cases: readonly Case[], results: readonly Result[]): Golden[] {
  const goldens: { steps: Case['steps']; describe: string; runs: Golden['runs'][number][] }[] = []
  for (const [index, { steps, ...run }] of cases.entries()) {
    const { describe, outputs, error } = results[index]!
    let golden = goldens.find((one) => isDeepStrictEqual(one.steps, steps))
    if (!golden) {
      golden = { steps, describe, runs: [] }
      goldens.push(golden)
    }
    golden.runs.push({ ...run, outputs, ...(error === undefined ? {} : { error }) })
  }
  return goldens
}

/** Writes one topology a line, so that a change shows where it is. */
export function writeGoldens(goldens: readonly Golden[]): void {
  const lines = goldens.map((golden) => JSON.stringify(golden))
  writeFileSync(goldensFile, `[\n${lines.join(',\n')}\n]\n`)
}

export const readGoldens = (): Golden[] => JSON.parse(readFileSync(goldensFile, 'utf8')) as Golden[]
