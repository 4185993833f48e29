import assert from 'node:assert/strict'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { findTidyProblems } from './tidy.ts'

test('parts never import each other, and files stay short', () => {
  assert.deepEqual(findTidyProblems(fileURLToPath(new URL('..', import.meta.url))), [])
})
