import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongodbServer } from '@khlong/mongodb'
import { MongoClient } from 'mongodb'
import { connectAsync } from 'mqtt'
import { readDiskSettings } from '../src/config/disk-settings.ts'
import { readPipeline } from '../src/config/pipeline.ts'
import { SettingsTree } from '../src/config/settings-tree.ts'
import { diskState } from '../src/disk/disk-watch.ts'
import { keepExpiry } from '../src/disk/document-expiry.ts'
import { Platform } from '../src/platform.ts'
import { startWithoutTtl } from './mongodb-without-ttl.ts'

async function settings(yaml: string): Promise<SettingsTree> {
  const tree = new SettingsTree()
  await tree.layYaml('khlong.yml', yaml)
  return tree
}

test('a budget is a size or a share of the disk, and 80 % where nothing is written', async () => {
  const budget = async (written: string) =>
    readDiskSettings(await settings(`disk: { budget: ${written} }`)).budget
  assert.deepEqual(readDiskSettings(await settings('{}')).budget, { share: 0.8 })
  assert.deepEqual(await budget('20GB'), { bytes: 20e9 })
  assert.deepEqual(await budget('1.5 GiB'), { bytes: 1.5 * 2 ** 30 })
  assert.deepEqual(await budget('1000'), { bytes: 1_000 })
  assert.deepEqual(await budget('35%'), { share: 0.35 })
})

test('what is wrong in the section disk is said with line, key and the nearest key', async () => {
  const refused = (yaml: string, message: RegExp) =>
    assert.rejects(async () => readDiskSettings(await settings(yaml)), {
      code: 'SETTINGS_INVALID',
      message,
    })
  await refused('disk:\n  budget: much', /khlong.yml:2: disk.budget: expected a size/)
  await refused('disk: { budget: 120% }', /disk.budget: expected a size/)
  await refused('disk: { budget: 0 }', /disk.budget: expected a size/)
  await refused('disk: { bugdet: 1GB }', /disk.bugdet: unknown key; did you mean budget\?/)
  await refused(
    'disk: { expire: { frames: { field: a, after: 1d } } }',
    /expected DATABASE.COLLECTION/,
  )
  await refused(
    'disk: { expire: { a.b: { field: a, after: soon } } }',
    /expected a time such as 30d/,
  )
  await refused('disk: { expire: { a.b: { after: 1d } } }', /expected a field/)
})

test('sources wait at the budget and at a full disk, and go on when there is some room again', () => {
  const disk = { budget: { bytes: 1_000 }, expire: [] }
  const space = (bytes: number, freeBytes: number) => ({
    parts: [],
    bytes,
    freeBytes,
    totalBytes: 10_000,
  })
  assert.equal(diskState(disk, space(999, 5_000)).held, undefined)
  const full = diskState(disk, space(1_000, 5_000))
  assert.match(full.held ?? '', /disk.budget is 1000 B/)
  assert.notEqual(diskState(disk, space(990, 5_000), full).held, undefined)
  assert.equal(diskState(disk, space(979, 5_000), full).held, undefined)
  const nearlyFull = diskState(disk, space(10, 500))
  assert.match(nearlyFull.held ?? '', /the disk has only 500 B left/)
  assert.equal(nearlyFull.limitBytes, 10)
  assert.notEqual(diskState(disk, space(10, 600), nearlyFull).held, undefined)
  assert.equal(diskState(disk, space(10, 701), nearlyFull).held, undefined)
})

async function startPlatform(t: TestContext, data: string, budget: string): Promise<Platform> {
  const pipeline = await readPipeline({
    folder: path.dirname(data),
    data,
    set: ['mqtt.listen=0', 'mqtt.websocket=false', `disk.budget=${budget}`],
  })
  const platform = await Platform.start({ pipeline, logger: silentLogger, only: ['mqtt'] })
  t.after(() => platform.stop())
  return platform
}

test('a pipeline at its budget acknowledges nothing, says so, and takes everything with more room', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(path.join(folder, 'khlong.yml'), 'name: small\n')
  const data = path.join(folder, 'data')
  const first = await startPlatform(t, data, '1')
  const { mqtt } = first.book.parts
  assert.equal(mqtt.kind, 'embedded')
  const url = `mqtt://${mqtt.kind === 'embedded' ? mqtt.listeners.listen : ''}`
  const held = await connectAsync(url, { reconnectPeriod: 0 })
  let isAcknowledged = false
  held.publish('iot-frames', 'x', { qos: 1 }, (error) => {
    if (!error) isAcknowledged = true
  })
  const metrics = await (await fetch(`http://${first.book.platform}/metrics/khlong`)).text()
  assert.match(metrics, /^khlong_sources_held 1$/m)
  assert.match(metrics, /^khlong_disk_budget_bytes 1$/m)
  await eventually(() => {
    const part = first.latest?.parts.find(({ name }) => name === 'mqtt')
    assert.match(part?.vitals?.items[0]?.note ?? '', /disk.budget is 1 B; publishers wait/)
  })
  assert.equal(isAcknowledged, false)
  await held.endAsync(true)
  await first.stop()

  const second = await startPlatform(t, data, '100%')
  const { listeners } = second.book.parts.mqtt as { listeners: Record<string, string> }
  const free = await connectAsync(`mqtt://${listeners.listen}`, { reconnectPeriod: 0 })
  await free.publishAsync('iot-frames', 'x', { qos: 1 })
  await free.endAsync(true)
})

test('documents expire by indexes that are made, and changed where the time is another', async (t) => {
  const server = new MongodbServer({
    listen: 0,
    data: await temporaryFolder(t),
    'setParameter.ttlMonitorSleepSecs': 1,
  })
  await server.start()
  const uri = `mongodb://${server.addresses.mongodb}`
  const client = await MongoClient.connect(uri)
  t.after(async () => {
    await client.close()
    await server.stop()
  })
  const expiry = { database: 'iot', collection: 'frames', field: 'recorded_at' }
  const signal = new AbortController().signal
  await keepExpiry(uri, [{ ...expiry, afterSeconds: 1_000 }], silentLogger, signal)
  await keepExpiry(uri, [{ ...expiry, afterSeconds: 60 }], silentLogger, signal)
  const frames = client.db('iot').collection('frames')
  const times = (await frames.indexes()).map((index) => index.expireAfterSeconds)
  assert.deepEqual(times, [undefined, 60])
  await frames.insertMany([
    { name: 'old', recorded_at: new Date(Date.now() - 61_000) },
    { name: 'new', recorded_at: new Date() },
    { name: 'without' },
  ])
  await eventually(async () => {
    const names = (await frames.find().toArray()).map((frame) => String(frame.name))
    assert.deepEqual(names.sort(), ['new', 'without'])
  })
})

test('a server that has no times to live is told of once, and not asked again', async (t) => {
  const server = new MongodbServer({ listen: 0, data: await temporaryFolder(t) })
  await server.start()
  t.after(() => server.stop())
  const other = await startWithoutTtl(t, server.addresses.mongodb!)
  const said: string[] = []
  const logger = { ...silentLogger, warn: (_fields: object, what: string) => said.push(what) }
  const expire = ['a', 'b'].map((collection) => ({
    database: 'iot',
    collection,
    field: 'recorded_at',
    afterSeconds: 60,
  }))
  await keepExpiry(other.uri, expire, logger, AbortSignal.timeout(10_000))
  assert.deepEqual(said, ['documents do not expire: the MongoDB server has no TTL indexes'])
  assert.equal(other.refusedCount, 1)
})
