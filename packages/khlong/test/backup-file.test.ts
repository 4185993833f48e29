import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32c } from '@khlong/core/bytes'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import fc from 'fast-check'
import { checkBackupPath } from '../src/backup/backup-path.ts'
import { readBackup } from '../src/backup/backup-reader.ts'
import { BackupWriter } from '../src/backup/backup-writer.ts'
import type { Manifest } from '../src/backup/manifest.ts'
import { restoreBackup, verifyBackup } from '../src/backup/restore-backup.ts'

const manifest: Manifest = {
  format: 'khlong-backup',
  khlong: '0.1.0',
  name: 'test',
  cutMs: 1_769_846_400_000,
  isRunning: true,
  heldMs: 3,
  parts: [{ name: 'mqtt', formats: { 'mqtt-journal': 1 } }],
  elsewhere: [],
}

async function* whole(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20))
}

async function write(file: string, files: Record<string, Buffer>): Promise<void> {
  const writer = await BackupWriter.create(file, manifest)
  for (const [name, bytes] of Object.entries(files))
    await writer.add({ path: name, mode: 0o600, sizeBytes: bytes.length }, whole(bytes))
  await writer.finish()
}

/** A backup record by record, as docs/formats/backup.md has it: what no writer of ours would write. */
function forge(records: readonly (readonly [kind: number, body: Buffer | object])[]): Buffer {
  const parts: Buffer[] = [Buffer.from('KHLONGBK\0\u0001\0\0', 'latin1')]
  for (const [kind, given] of records) {
    const body = Buffer.isBuffer(given) ? given : Buffer.from(JSON.stringify(given))
    const header = Buffer.alloc(9)
    header.writeUInt32BE(body.length)
    header.writeUInt32BE(crc32c(Buffer.concat([Buffer.of(kind), body])), 4)
    header[8] = kind
    parts.push(header, body)
  }
  return Buffer.concat(parts)
}

function forgeEnd(before: Buffer, count: number, bytes: number): Buffer {
  const end = Buffer.alloc(12)
  end.writeUInt32BE(count)
  end.writeBigInt64BE(BigInt(bytes), 4)
  return Buffer.concat([end, createHash('sha256').update(before).digest()])
}

async function newFile(t: TestContext): Promise<string> {
  return path.join(await temporaryFolder(t), 'a.backup')
}

test('what was backed up is restored byte for byte, data that pack and data that do not', async (t) => {
  const file = await newFile(t)
  const random = new SeededRandom(7)
  const noise = Buffer.from(Array.from({ length: 3_000_000 }, () => random.next() * 256))
  const files = {
    'pipeline/khlong.yml': Buffer.from('name: test\n'),
    'data/kafka/iot-frames-0/00000000000000000000.log': noise,
    'data/mqtt/00000001.journal': Buffer.alloc(2_500_000, 'frame '),
    'data/mqtt/empty': Buffer.alloc(0),
  }
  await write(file, files)
  if (process.platform !== 'win32') assert.equal((await stat(file)).mode & 0o777, 0o600)
  const contents = await verifyBackup(file)
  assert.equal(contents.fileCount, 4)
  assert.equal(contents.fileBytes, 3_000_000 + 2_500_000 + 11)
  const folder = path.join(path.dirname(file), 'restored')
  await restoreBackup(file, folder)
  for (const [name, bytes] of Object.entries(files)) {
    const restored = path.join(folder, name.replace(/^pipeline\//, ''))
    assert.ok((await readFile(restored)).equals(bytes), name)
  }
})

test('a byte that was changed anywhere, or is missing, is found', async (t) => {
  const file = await newFile(t)
  await write(file, { 'data/mqtt/a': Buffer.from('acknowledged'), 'data/mqtt/b': Buffer.alloc(99) })
  const good = await readFile(file)
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good)
    bad[at]! ^= 1 << (at % 8)
    await writeFile(file, bad)
    await assert.rejects(readBackup(file), { code: /KHLONG_BACKUP_(DAMAGED|NEWER)/ }, `byte ${at}`)
    await writeFile(file, good.subarray(0, at))
    await assert.rejects(readBackup(file), { code: 'KHLONG_BACKUP_DAMAGED' }, `length ${at}`)
  }
  await writeFile(file, Buffer.concat([good, Buffer.of(0)]))
  await assert.rejects(readBackup(file), { code: 'KHLONG_BACKUP_DAMAGED' })
})

test('any bytes are a backup or an error', async (t) => {
  const file = await newFile(t)
  const head = forge([[1, manifest]])
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, hasHead) => {
      await writeFile(file, hasHead ? Buffer.concat([head, bytes]) : bytes)
      await assert.rejects(readBackup(file), { code: /^KHLONG_BACKUP_/ })
    }),
    { numRuns: 200 },
  )
})

for (const name of [
  '../out',
  'data/../../out',
  '/etc/passwd',
  'data//etc/passwd',
  'C:/out',
  'data/a\\..\\..\\out',
  'data/a:stream',
  'pipeline/data/a',
  'data/nul',
  'data/COM1.txt',
  'data/a.',
  'data/./a',
  'other/a',
  'data',
  'data/a\0b',
  'data/\n',
  `data/${'a'.repeat(256)}`,
  `data/${'a/'.repeat(600)}a`,
])
  test(`a backup with a file named ${JSON.stringify(name.slice(0, 40))} is refused, and nothing is written`, async (t) => {
    assert.throws(() => checkBackupPath(name), { code: 'KHLONG_BACKUP_PATH' })
    const root = await temporaryFolder(t)
    const file = path.join(root, 'a.backup')
    const evil = Buffer.from('evil')
    const before = forge([
      [1, manifest],
      [2, { path: name, mode: 0o600, sizeBytes: evil.length }],
      [3, evil],
      [5, createHash('sha256').update(evil).digest()],
    ])
    const end = forge([[6, forgeEnd(before, 1, evil.length)]]).subarray(12)
    await writeFile(file, Buffer.concat([before, end]))
    const target = path.join(root, 'deep', 'restored')
    await assert.rejects(restoreBackup(file, target), { code: 'KHLONG_BACKUP_PATH' })
    assert.deepEqual(await readdir(root), ['a.backup', 'deep'])
    assert.deepEqual(await readdir(path.join(root, 'deep')), [])
  })

test('what is forged like a good backup is read, so the refusals above are for the names', async (t) => {
  const file = await newFile(t)
  const bytes = Buffer.from('good')
  const before = forge([
    [1, manifest],
    [2, { path: 'data/mqtt/a', mode: 0o600, sizeBytes: bytes.length }],
    [3, bytes],
    [5, createHash('sha256').update(bytes).digest()],
  ])
  const end = forge([[6, forgeEnd(before, 1, bytes.length)]]).subarray(12)
  await writeFile(file, Buffer.concat([before, end]))
  assert.equal((await verifyBackup(file)).fileBytes, 4)
})

test('a file twice, a bomb and a file longer than it says are refused', async (t) => {
  const file = await newFile(t)
  const { zstdCompressSync } = await import('node:zlib')
  const empty = createHash('sha256').digest()
  const entry = { path: 'data/mqtt/a', mode: 0o600, sizeBytes: 0 }
  const twice = [
    [2, entry],
    [5, empty],
    [2, { ...entry, path: 'data/mqtt/A' }],
    [5, empty],
  ] as const
  const bomb = [
    [2, { ...entry, sizeBytes: 100_000_000 }],
    [4, zstdCompressSync(Buffer.alloc(100_000_000))],
  ] as const
  const long = [
    [2, entry],
    [3, Buffer.from('more')],
  ] as const
  for (const records of [twice, bomb, long]) {
    await writeFile(file, forge([[1, manifest], ...records]))
    await assert.rejects(readBackup(file), { code: 'KHLONG_BACKUP_DAMAGED' })
  }
})

test('a newer backup, and one with files of a newer version, are refused by name', async (t) => {
  const file = await newFile(t)
  await write(file, { 'data/mqtt/a': Buffer.from('a') })
  const newer = await readFile(file)
  newer.writeUInt16BE(2, 8)
  await writeFile(file, newer)
  await assert.rejects(verifyBackup(file), {
    code: 'KHLONG_BACKUP_NEWER',
    message: /format version 2, this Khlong reads 1/,
  })
  const parts = [{ name: 'mqtt', formats: { 'mqtt-journal': 99 } }]
  await writeFile(file, forge([[1, { ...manifest, khlong: '9.0.0', parts }]]))
  const folder = path.join(path.dirname(file), 'restored')
  await assert.rejects(restoreBackup(file, folder), {
    code: 'KHLONG_BACKUP_NEWER',
    message: /khlong 9\.0\.0: its mqtt-journal has version 99/,
  })
  assert.equal(existsSync(folder), false)
})

test('a restore does not touch a folder that holds something', async (t) => {
  const file = await newFile(t)
  await write(file, { 'data/mqtt/a': Buffer.from('a') })
  const folder = path.join(path.dirname(file), 'mine')
  await mkdir(folder)
  await writeFile(path.join(folder, 'khlong.yml'), 'name: mine\n')
  await assert.rejects(restoreBackup(file, folder), { code: 'KHLONG_BACKUP_EXISTS' })
  assert.deepEqual(await readdir(folder), ['khlong.yml'])
})
