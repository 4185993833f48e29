import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { franzGo } from '../../../../compat/franz-go/run.ts'
import { lostTests, mustPass } from '../../../../compat/suite.ts'
import { dataFolder, startBroker } from '../helpers.ts'

// The chains of groups and transactions; all of the suite runs by npm run compat -- franz-go.
const filter = /^Test(GroupETL|TxnEtl|Issue\d+.*)$/

test('franz-go’s own tests of groups and transactions pass', async (t) => {
  const outcomes = await franzGo.run({
    start: async () => {
      const { broker, address } = await startBroker(t)
      return { name: 'Khlong', bootstrapServers: address, stop: () => broker.stop() }
    },
    folder: dataFolder(),
    cache: path.join(homedir(), '.cache/khlong-compat'),
    filter,
    say: (text) => t.diagnostic(text),
  })
  const lost = lostTests(mustPass(franzGo.name), outcomes, filter)
  const details = outcomes.filter(({ name }) => lost.includes(name))
  assert.deepEqual(lost, [], JSON.stringify(details, undefined, 2))
})
