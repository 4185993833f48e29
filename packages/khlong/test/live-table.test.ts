import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import test from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { Snapshot } from '../src/status/snapshot.ts'
import { LiveTable } from '../src/terminal/live-table.ts'

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
