import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../..', import.meta.url))

describe('the examples of the guides print what they say', () => {
  for (const guide of ['getting-started', 'for-java-people']) {
    const text = readFileSync(new URL(`../../../docs/streams/${guide}.md`, import.meta.url), 'utf8')
    const examples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? '')
    assert.ok(examples.length > 1)
    for (const [index, example] of examples.entries())
      it(`${guide}.md, example ${index + 1}`, async () => {
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--input-type=module-typescript', '--eval', example],
          { cwd: root, timeout: 100_000 },
        )
        const printed = /^\/\/ prints (.*)$/m.exec(example)?.[1]
        assert.equal(stdout.trim(), printed)
      })
  }
})
