import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { utimesSync } from 'node:fs'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { Worker } from 'node:worker_threads'
import { type CodedError, makeFolder, openDataFolder } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { formatOwner, ownMark } from '../src/folder-owner.ts'

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

test('a process that runs keeps its folder, and says its id to the next', async (t) => {
  const folder = await temporaryFolder(t)
  const owner = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { openDataFolder } from ${JSON.stringify(import.meta.resolve('@khlong/core'))}
await openDataFolder(${JSON.stringify(folder)})
console.log('taken')
setInterval(() => {}, 1_000)`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => owner.kill('SIGKILL'))
  await once(owner.stdout, 'data')
  await assert.rejects(openDataFolder(folder), (error: CodedError) => {
    assert.equal(error.code, 'DATA_FOLDER_IN_USE')
    assert.equal(error.fields.owner, owner.pid)
    return true
  })
  // Killed, as by a loss of power: nobody gave the folder back.
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  await (await openDataFolder(folder)).release()
})

const onLinux = { skip: process.platform === 'linux' ? false : 'the kernel of Linux tells this' }

test(
  'after a loss of power the folder is free, whoever has the old process id by now',
  onLinux,
  async (t) => {
    const folder = await temporaryFolder(t)
    const mark = { ...ownMark(), processId: process.ppid }
    for (const old of [
      { ...mark, bootId: '00000000-0000-0000-0000-000000000000' },
      { ...mark, began: '1' },
      { ...mark, processId: Number.NaN },
    ]) {
      await writeFile(path.join(folder, 'owner.pid'), formatOwner(old))
      await (await openDataFolder(folder)).release()
    }
  },
)

test('an owner in another container is known by touching its file', onLinux, async (t) => {
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'owner.pid')
  const elsewhere = { ...ownMark(), processId: 1, namespace: 'pid:[1]' }
  await writeFile(file, formatOwner(elsewhere))
  const refused = assert.rejects(openDataFolder(folder), { code: 'DATA_FOLDER_IN_USE' })
  const touching = setInterval(() => utimesSync(file, new Date(), new Date()), 50)
  t.after(() => clearInterval(touching))
  await refused
  clearInterval(touching)
  const longAgo = new Date(Date.now() - 60_000)
  utimesSync(file, longAgo, longAgo)
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

test('the folder of a thread that was lost is free for the one that takes its place', async (t) => {
  const folder = await temporaryFolder(t)
  const code = `import { parentPort } from 'node:worker_threads'
import { openDataFolder } from ${JSON.stringify(import.meta.resolve('@khlong/core'))}
await openDataFolder(${JSON.stringify(folder)})
parentPort.postMessage('taken')`
  const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`)
  const lost = new Worker(url)
  await once(lost, 'message')
  await lost.terminate()
  await (await openDataFolder(folder)).release()
})
