import assert from 'node:assert/strict'
import { appendFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { CutFolder } from '../src/index.ts'
import { temporaryFolder } from '../src/testing/index.ts'

test('a kept file counts as it was, although it grows and its name goes', async (t) => {
  const folder = await temporaryFolder(t)
  const from = path.join(folder, 'from')
  const cut = new CutFolder(from, path.join(folder, 'into'))
  await mkdir(path.join(from, 'below'), { recursive: true })
  const file = path.join(from, 'below', 'a.log')
  await writeFile(file, 'acknowledged')
  cut.keep('below/a.log')
  await appendFile(file, ', later')
  await rm(file)
  const [kept] = cut.done({}).files
  assert.equal(kept?.path, 'below/a.log')
  const bytes = await readFile(kept!.source)
  assert.equal(bytes.subarray(0, kept!.sizeBytes).toString(), 'acknowledged')
})

test('owners, locks, links and files on their way are no part of a cut', async (t) => {
  const folder = await temporaryFolder(t)
  const from = path.join(folder, 'from')
  await mkdir(from)
  for (const name of [
    'users.json',
    'owner.pid',
    'users.lock',
    'users.json.new',
    'a.tmp',
    'lock.mdb',
  ])
    await writeFile(path.join(from, name), name)
  if (process.platform !== 'win32') await symlink('/etc/passwd', path.join(from, 'link'))
  const cut = new CutFolder(from, path.join(folder, 'into'))
  cut.keepAll()
  assert.deepEqual(
    cut.done({}).files.map((file) => file.path),
    ['users.json'],
  )
})
