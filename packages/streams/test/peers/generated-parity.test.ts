import assert from 'node:assert/strict'
import { it } from 'node:test'
import { generateCase } from '../../../../tools/streams-parity/generate.ts'
import { runJava } from '../../../../tools/streams-parity/java.ts'
import { comparable, runOurs } from '../parity/run.ts'

const count = 60

it(`${count} generated topologies give what the Java library gives`, (t) => {
  const first = Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000)
  t.diagnostic(`seeds ${first} to ${first + count - 1} (KHLONG_SEED=${first} repeats them)`)
  const cases = Array.from({ length: count }, (_, index) => generateCase(first + index))
  const results = runJava(cases)
  for (const [index, one] of cases.entries())
    assert.deepEqual(
      comparable(runOurs(one)),
      comparable(results[index]!),
      `seed ${first + index}: ${JSON.stringify(one.steps)}`,
    )
})
