import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import http from 'node:http'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { connectAsync } from 'mqtt'
import { restoreBackup, verifyBackup } from '../src/backup/restore-backup.ts'
import { takeBackup } from '../src/backup/take-backup.ts'
import { type Pipeline, readPipeline } from '../src/config/pipeline.ts'
import { Platform } from '../src/platform.ts'
import { readControlFile } from '../src/status/control-file.ts'

async function newPipeline(t: TestContext): Promise<Pipeline> {
  const folder = path.join(await temporaryFolder(t), 'mine')
  await mkdir(path.join(folder, 'streams'), { recursive: true })
  await mkdir(path.join(folder, 'node_modules/big'), { recursive: true })
  await writeFile(path.join(folder, 'khlong.yml'), 'name: mine\nmqtt: { websocket: false }\n')
  await writeFile(path.join(folder, 'streams/app.ts'), 'export default 1\n')
  await writeFile(path.join(folder, 'node_modules/big/index.js'), 'big')
  if (process.platform !== 'win32') await symlink('/etc', path.join(folder, 'link'))
  return readPipeline({ folder, set: ['mqtt.listen=0'] })
}

async function startPlatform(t: TestContext, pipeline: Pipeline): Promise<Platform> {
  const platform = await Platform.start({ pipeline, logger: silentLogger, only: ['mqtt'] })
  t.after(() => platform.stop())
  return platform
}

const urlOf = ({ book }: Platform): string =>
  book.parts.mqtt.kind === 'embedded' ? `mqtt://${book.parts.mqtt.listeners.listen}` : ''

/** The retained message of a topic. */
async function retained(platform: Platform, topic: string): Promise<string> {
  const client = await connectAsync(urlOf(platform), { reconnectPeriod: 0 })
  const got = new Promise<string>((resolve) => {
    client.once('message', (_topic, payload) => resolve(String(payload)))
  })
  await client.subscribeAsync(topic)
  const payload = await got
  await client.endAsync(true)
  return payload
}

test('a pipeline is backed up while it runs and when it does not, and starts elsewhere', async (t) => {
  const pipeline = await newPipeline(t)
  const first = await startPlatform(t, pipeline)
  const client = await connectAsync(urlOf(first), { reconnectPeriod: 0 })
  await client.publishAsync('place', 'kept', { qos: 1, retain: true })
  await client.endAsync(true)
  const running = path.join(path.dirname(pipeline.folder), 'running.backup')
  const taken = await takeBackup(pipeline, running)
  assert.equal(taken.manifest.isRunning, true)
  if (process.platform !== 'win32')
    assert.deepEqual(taken.leftOut, ['link: it is a link or no plain file'])
  await eventually(() => assert.equal(existsSync(path.join(pipeline.data, 'cut')), false))
  await first.stop()
  assert.equal(existsSync(path.join(pipeline.data, 'control.json')), false)
  const atRest = path.join(pipeline.folder, 'rest.backup')
  assert.equal((await takeBackup(pipeline, atRest)).manifest.isRunning, false)
  await assert.rejects(takeBackup(pipeline, atRest), { code: 'KHLONG_BACKUP_EXISTS' })

  // A backup in the folder is in no later one.
  const again = await takeBackup(pipeline, path.join(pipeline.folder, 'again.backup'))
  assert.deepEqual(
    again.leftOut.filter((reason) => reason.includes('backup')),
    ['again.backup.partial: it is a backup itself', 'rest.backup: it is a backup itself'],
  )
  for (const [index, file] of [running, atRest].entries()) {
    assert.equal((await verifyBackup(file)).manifest.name, 'mine')
    const folder = path.join(path.dirname(pipeline.folder), `restored-${index}`)
    await restoreBackup(file, folder)
    assert.equal(await readFile(path.join(folder, 'streams/app.ts'), 'utf8'), 'export default 1\n')
    assert.equal(existsSync(path.join(folder, 'node_modules')), false)
    const restored = await readPipeline({ folder, set: ['mqtt.listen=0'] })
    const platform = await startPlatform(t, restored)
    assert.equal(await retained(platform, 'place'), 'kept')
    await platform.stop()
  }
})

test('only who may read the data folder gets a cut, and one at a time', async (t) => {
  const pipeline = await newPipeline(t)
  // One that was left by a process that was killed is gone with the next start.
  await mkdir(path.join(pipeline.data, 'cut/mqtt'), { recursive: true })
  const platform = await startPlatform(t, pipeline)
  assert.equal(existsSync(path.join(pipeline.data, 'cut')), false)
  const control = path.join(pipeline.data, 'control.json')
  if (process.platform !== 'win32') assert.equal((await stat(control)).mode & 0o777, 0o600)
  const { address, token } = (await readControlFile(pipeline.data))!
  const ask = (bearer: string): http.ClientRequest =>
    http.request(`http://${address}/-/backup`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}` },
    })
  const answer = async (request: http.ClientRequest): Promise<http.IncomingMessage> => {
    request.end()
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    return response
  }
  for (const wrong of ['', 'guessed', platform.book.token])
    assert.equal((await answer(ask(wrong))).statusCode, 401)
  const first = ask(token)
  const cut = await answer(first)
  assert.equal(cut.statusCode, 200)
  await once(cut, 'data')
  assert.equal(existsSync(path.join(pipeline.data, 'cut/mqtt/00000001.journal')), true)
  assert.equal((await answer(ask(token))).statusCode, 409)
  // Whoever asked is gone, and so is what was kept for him.
  first.destroy()
  await eventually(() => assert.equal(existsSync(path.join(pipeline.data, 'cut')), false))
  assert.equal((await answer(ask(token))).statusCode, 200)
})
