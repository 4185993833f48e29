import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger, systemClock } from '@khlong/core'
import { LocalWork, type LocalWorkOptions } from '../src/runtime/local-work.ts'

/** A worker without connectors that counts its passes. */
function startWork(): { work: LocalWork; passes: () => number } {
  let passCount = 0
  const work = new LocalWork({
    environment: { logger: silentLogger, clock: systemClock },
    share: {
      // Looked at when a pass begins.
      get connectors() {
        passCount++
        return new Set<string>()
      },
      has: () => false,
    },
    afterPass: async () => {},
    onChange: () => {},
  } as unknown as LocalWorkOptions)
  return { work, passes: () => passCount }
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await undefined
}

// What is stored or shared out may change in any turn of the microtask queue, also while a pass ends.
for (let turn = 0; turn < 12; turn++)
  test(`a change ${turn} turns after the last one is followed by a pass of its own`, async () => {
    const { work, passes } = startWork()
    const first = work.apply()
    await turns(turn)
    const before = passes()
    await work.apply()
    await first
    assert.ok(passes() > before, `${before} passes before the change, ${passes()} after it`)
  })
