import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { type CodedError, makeFolder, openDataFolder } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'

test('a data folder has one owner', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openDataFolder(folder)
  await assert.rejects(openDataFolder(folder), { code: 'DATA_FOLDER_IN_USE' })
  await first.release()
  const second = await openDataFolder(folder)
  await second.release()
})

test('the owner file of a process that is gone is taken over', async (t) => {
  const folder = await temporaryFolder(t)
  const gone = spawn(process.execPath, ['-e', ''])
  await once(gone, 'exit')
  await writeFile(path.join(folder, 'owner.pid'), `${gone.pid}\n`)
  await (await openDataFolder(folder)).release()
})

test('a path that cannot be a folder gives one clear error', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(path.join(folder, 'file'), '')
  await assert.rejects(openDataFolder(path.join(folder, 'file')), {
    code: 'DATA_FOLDER_UNWRITABLE',
  })
})

test('a folder is made with those above it, also by two at once', async (t) => {
  const folder = await temporaryFolder(t)
  const deep = path.join(folder, 'a', 'b', 'c')
  await Promise.all([makeFolder(deep), makeFolder(deep)])
  await makeFolder(deep)
  assert.deepEqual(await readdir(deep), [])
})

test('a place that takes no folders is said at once', { timeout: 5_000 }, async (t) => {
  // On Linux a folder that says ENOENT; elsewhere a file, which says ENOTDIR or ENOENT too.
  const file = path.join(await temporaryFolder(t), 'file')
  await writeFile(file, '')
  for (const root of [process.platform === 'linux' ? '/proc' : file, file])
    await assert.rejects(openDataFolder(path.join(root, 'khlong', 'data')), {
      code: 'DATA_FOLDER_UNWRITABLE',
    })
})

test('a folder that this user may not write to is said', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'shut')
  await mkdir(folder)
  await chmod(folder, 0o555)
  await chmod(path.dirname(folder), 0o755)
  // Permissions do not hold root back, so that root becomes nobody for a moment.
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    for (const name of ['.', 'data'])
      await assert.rejects(openDataFolder(path.join(folder, name)), (error: CodedError) => {
        assert.equal(error.code, 'DATA_FOLDER_UNWRITABLE')
        assert.equal((error.cause as NodeJS.ErrnoException).code, 'EACCES')
        return true
      })
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})
