import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { codesInDocument, codesInSource } from './docs/error-codes.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const documented = codesInDocument(readFileSync(path.join(root, 'docs/errors.md'), 'utf8'))

for (const folder of globSync('packages/*', { cwd: root }).sort()) {
  const name = path.basename(folder)
  test(`docs/errors.md explains every error code of ${name}, and no other`, () => {
    const shared = name === 'core' ? [] : codesInSource(root, 'core')
    const own = codesInSource(root, name).filter((code) => !shared.includes(code))
    assert.deepEqual(documented.get(name), own)
  })
}
