import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { lostTests, mustPass, type Results } from '../compat/suite.ts'
import { withCompatTable } from './compat-table.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

test('the READMEs’ table of foreign suites is what the results say', () => {
  for (const name of ['README.md', 'README.th.md']) {
    const text = readFileSync(path.join(root, name), 'utf8')
    assert.equal(withCompatTable(name, text), text, `${name}: npm run compat -- --table`)
  }
})

test('what a suite passed is on its list of tests that must pass', () => {
  for (const file of globSync('compat/*/results.json', { cwd: root })) {
    const { khlong } = JSON.parse(readFileSync(path.join(root, file), 'utf8')) as Results
    const listed = mustPass(path.basename(path.dirname(file)))
    assert.ok(listed.size >= (khlong?.passed ?? 0), file)
  }
})

test('a test on the list that failed, was skipped or is gone is found out', () => {
  const required = new Set(['a', 'b', 'c', 'd'])
  const outcomes = [
    { name: 'a', result: 'passed' },
    { name: 'b', result: 'failed' },
    { name: 'c', result: 'skipped' },
  ] as const
  assert.deepEqual(lostTests(required, outcomes), ['b', 'c', 'd'])
  assert.deepEqual(lostTests(required, outcomes, /[ac]/), ['c'])
})
