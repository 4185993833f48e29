import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { Golden } from './parity/cases.ts'
import { comparable, runOurs } from './parity/run.ts'

// What the Java library 4.3.1 made of these topologies and inputs; `npm run parity -- streams --write`
// makes the file anew.
const goldens = JSON.parse(
  readFileSync(new URL('vectors/parity.json', import.meta.url), 'utf8'),
) as readonly Golden[]

describe('the Java library gives the same, record for record', () => {
  for (const { steps, describe: text, runs } of goldens)
    for (const { outputs, error, ...run } of runs) {
      const java = { name: run.name, describe: text, outputs, ...(error ? { error } : {}) }
      it(run.name, () => {
        assert.deepEqual(comparable(runOurs({ ...run, steps })), comparable(java))
      })
    }
})
