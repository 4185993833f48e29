import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { openDataFolder } from '@khlong/core'
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
