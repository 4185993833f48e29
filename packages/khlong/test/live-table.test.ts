import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import test from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { PartSnapshot, Snapshot } from '../src/status/snapshot.ts'
import { LiveTable, tableLines } from '../src/terminal/live-table.ts'

const snapshot: Snapshot = {
  name: 'iot',
  version: '0.0.0',
  processId: 1,
  folder: '/pipeline',
  data: '/data',
  uptimeMs: 1_000,
  ready: true,
  memory: { anonymousBytes: 1, rssBytes: 1 },
  cpuPercent: 1,
  parts: [],
}

test('a command to copy is whole on a narrow terminal, and is drawn over with all its lines', () => {
  const out = Object.assign(new PassThrough({ encoding: 'utf8' }), { columns: 40 })
  const command = `  npx khlong mqtt pub iot-frames '${'x'.repeat(60)}'`
  const table = new LiveTable(out as unknown as NodeJS.WriteStream, [command])
  table.draw(snapshot)
  const first: string = out.read()
  assert.ok(stripVTControlCharacters(first).includes(command))
  table.draw(snapshot)
  const second: string = out.read()
  // Two lines of the table, an empty one, and three that the command of 95 columns takes.
  assert.ok(second.startsWith('\u001b[6A'), JSON.stringify(second.slice(0, 8)))
})

test('a connector that has failed is said below the table with its reason, and not all of many', () => {
  const vitals = {
    recordsIn: 0,
    recordsOut: 0,
    facts: {},
    items: Array.from({ length: 7 }, (_, index) => ({
      kind: 'connector' as const,
      name: `sink-${index}`,
      state: 'failed' as const,
      recordsIn: 0,
      recordsOut: 0,
      note: 'no such host\n    at connect (net.ts:1:1)',
    })),
  }
  const connect: PartSnapshot = {
    name: 'connect',
    kind: 'embedded',
    status: 'ready',
    address: '127.0.0.1:8083',
    addresses: {},
    thread: 'main',
    restarts: 0,
    memoryBytes: 0,
    ratePerSecond: 0,
    vitals,
  }
  const lines = tableLines({ ...snapshot, parts: [connect] }, false)
  assert.equal(lines[2], 'connect: connector sink-0 has failed: no such host…')
  assert.equal(lines[7], '… and 2 more: npx khlong doctor')
  assert.equal(lines.length, 9)
})
