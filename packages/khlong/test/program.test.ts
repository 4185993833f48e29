import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import test from 'node:test'
import { loadZodLanguagesLate } from '@khlong/core/zod-languages'

const loaded: string[] = []
registerHooks({
  load: (url, context, nextLoad) => {
    loaded.push(url)
    return nextLoad(url, context)
  },
})
loadZodLanguagesLate()
const { families } = await import('../src/cli/families.ts')
const { makeProgram } = await import('../src/cli/program.ts')
const { standaloneSettings } = await import('../src/cli/standalone-settings.ts')
const { makePart } = await import('../src/parts/load.ts')

test('a broker that starts alone loads no client, no YAML, no users, and Zod in one language', async () => {
  const program = await makeProgram('kafka')
  assert.deepEqual(
    program.commands.map((command) => command.name()),
    ['kafka'],
  )
  const settings = await standaloneSettings('kafka', {
    listen: '127.0.0.1:0',
    set: ['ack.flush=all', 'group.initial.rebalance.delay.ms=0'],
  })
  const part = await makePart('kafka', settings, { name: 'command line' }, {})
  assert.equal(part.status, 'idle')
  const needless =
    /node_modules\/yaml\/|\/kafka-client\/|\/core\/src\/access\/|\/zod\/v4\/locales\/(?!en\.js)/
  assert.deepEqual(
    loaded.filter((url) => !url.startsWith('data:') && needless.test(url)),
    [],
  )
})

test('each family of commands adds those that it names, and the whole program has all of them', async () => {
  const names: string[] = []
  for (const family of families) {
    const program = await makeProgram(family.names[0])
    assert.deepEqual(
      program.commands.map((command) => command.name()),
      family.names,
    )
    names.push(...family.names)
  }
  const program = await makeProgram()
  assert.deepEqual(
    program.commands.map((command) => command.name()),
    names,
  )
})
