import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Target } from './target.ts'

/** What became of one test of a foreign suite. */
export interface Outcome {
  /** The name that the suite itself gives the test. */
  readonly name: string
  readonly result: 'passed' | 'failed' | 'skipped'
  /** Of a test that failed: what it printed; of one that was skipped: why. */
  readonly detail?: string
}

/** A real system's own tests, or a client's, run against our broker or against the real one. */
export interface Suite {
  /** The name of its folder in `compat`. */
  readonly name: string
  /** The part that it is run against. */
  readonly part: string
  /** What the README calls it, with its version. */
  readonly title: string
  /** What of it is run, where that is not all. */
  readonly scope?: string
  /**
   * Runs it. `target` starts what is tested; it is stopped when the run is over. `filter` chooses tests by their
   * names where the suite can, and all run where it is empty.
   */
  run(run: SuiteRun): Promise<readonly Outcome[]>
}

export interface SuiteRun {
  /** Starts the system under test with settings of its own names. */
  start(settings?: Readonly<Record<string, string | number | boolean>>): Promise<Target>
  /** A folder of this run, removed afterwards. */
  readonly folder: string
  /** Where what was downloaded and built is kept between runs. */
  readonly cache: string
  readonly filter?: RegExp
  say(text: string): void
}

/** Passed, failed and skipped, as `results.json` of a suite keeps them. */
export interface Count {
  readonly of: string
  readonly date: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export interface Results {
  readonly title: string
  readonly part: string
  readonly scope?: string
  readonly khlong?: Count
  readonly reference?: Count
}

export const compatFolder: string = fileURLToPath(new URL('.', import.meta.url))

/** The tests that must pass: one name a line, after an opening comment. */
export function mustPass(suite: string): Set<string> {
  try {
    return new Set(
      readFileSync(path.join(compatFolder, suite, 'must-pass.txt'), 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#')),
    )
  } catch {
    return new Set()
  }
}

/** Names on the list that did not pass this time; those that the run left out do not count. */
export function lostTests(
  required: ReadonlySet<string>,
  outcomes: readonly Outcome[],
  filter?: RegExp,
): string[] {
  const passed = new Set(
    outcomes.filter(({ result }) => result === 'passed').map(({ name }) => name),
  )
  return [...required].filter((name) => (!filter || filter.test(name)) && !passed.has(name))
}

export function count(outcomes: readonly Outcome[], of: string, date: string): Count {
  const by = (result: Outcome['result']): number =>
    outcomes.filter((outcome) => outcome.result === result).length
  return { of, date, passed: by('passed'), failed: by('failed'), skipped: by('skipped') }
}
