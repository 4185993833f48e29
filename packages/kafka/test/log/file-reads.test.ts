import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { FileReads } from '../../src/log/file-reads.ts'

/** A file of 1 MiB and a bit, whose bytes tell where they are. */
function withFile(action: (fd: number, bytes: Buffer) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'khlong-file-reads-'))
    const bytes = Buffer.from(Uint32Array.from({ length: 270_000 }, (_, index) => index).buffer)
    writeFileSync(path.join(folder, 'file'), bytes)
    const fd = openSync(path.join(folder, 'file'), 'r')
    try {
      await action(fd, bytes)
    } finally {
      closeSync(fd)
      rmSync(folder, { recursive: true })
    }
  }
}

test(
  'what is in memory is read at once, as far as the file goes',
  withFile(async (fd, bytes) => {
    const reads = new FileReads(() => 0)
    const into = Buffer.alloc(700_000)
    assert.equal(reads.read(fd, 4_000, into), into.byteLength)
    assert.ok(into.equals(bytes.subarray(4_000, 704_000)))
    const rest = Buffer.alloc(2_000_000)
    assert.equal(reads.read(fd, 500_000, rest), bytes.byteLength - 500_000)
    assert.equal(reads.read(fd, bytes.byteLength, rest), 0)
    assert.equal(reads.read(fd, 0, Buffer.alloc(0)), 0)
  }),
)

test(
  'when a piece took long, the rest and what follows for a second is read aside',
  withFile(async (fd, bytes) => {
    let nowMs = 0
    let stepMs = 2
    const reads = new FileReads(() => {
      nowMs += stepMs
      return nowMs
    })
    const into = Buffer.alloc(700_000)
    const reading = reads.read(fd, 8, into)
    assert.ok(reading instanceof Promise)
    assert.equal(await reading, into.byteLength)
    assert.ok(into.equals(bytes.subarray(8, 700_008)))
    stepMs = 0
    const tooMuch = Buffer.alloc(2_000_000)
    const aside = reads.read(fd, 1_000_000, tooMuch)
    assert.ok(aside instanceof Promise)
    assert.equal(await aside, bytes.byteLength - 1_000_000)
    nowMs += 1_001
    assert.equal(reads.read(fd, 8, into), into.byteLength)
  }),
)
