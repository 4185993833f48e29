import assert from 'node:assert/strict'
import { appendFile, copyFile, mkdir, open, readdir, stat, truncate } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { CutFolder, silentLogger } from '@khlong/core'
import { FakeClock, temporaryFolder } from '@khlong/core/testing'
import { Labels, Matcher } from '../src/labels.ts'
import { Tsdb } from '../src/storage/tsdb.ts'

const hourMs = 3_600_000
const up = Labels.from({ __name__: 'up', job: 'a' })
const all = [new Matcher('=', '__name__', 'up')]

async function openTsdb(t: TestContext, folder: string, clock = new FakeClock(0)): Promise<Tsdb> {
  const tsdb = new Tsdb({
    folder,
    retentionMs: 1_000 * hourMs,
    retentionBytes: 0,
    blockMs: 2 * hourMs,
    logger: silentLogger,
    clock,
  })
  await tsdb.open()
  t.after(() => tsdb.close())
  return tsdb
}

const lastSegment = async (folder: string): Promise<string> => {
  const names = (await readdir(path.join(folder, 'wal'))).sort()
  return path.join(folder, 'wal', names.at(-1)!)
}

test('samples are there again after the process was killed', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openTsdb(t, folder)
  for (let index = 1; index <= 500; index++)
    await first.append([{ labels: up, timeMs: index * 1_000, value: index }])
  // Opened beside the first, which never closed.
  const second = await openTsdb(t, folder)
  const [series] = await second.select(all, 0, 1_000_000)
  assert.equal(series?.samples.values.length, 500)
  assert.equal(series?.samples.values[499], 500)
})

test('a torn tail is cut and what stands before it is kept', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openTsdb(t, folder)
  await first.append([{ labels: up, timeMs: 1_000, value: 1 }])
  await first.append([{ labels: up, timeMs: 2_000, value: 2 }])
  await first.flush()
  const segment = await lastSegment(folder)
  await truncate(segment, (await stat(segment)).size - 3)
  const second = await openTsdb(t, folder)
  const [series] = await second.select(all, 0, 10_000)
  assert.deepEqual([...(series?.samples.values ?? [])], [1])
})

test('damage before the last segment is said with file and position', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openTsdb(t, folder)
  await first.append([{ labels: up, timeMs: 1_000, value: 1 }])
  await first.flush()
  const segment = await lastSegment(folder)
  await first.close()
  await appendFile(segment, Buffer.alloc(20, 7))
  const second = await openTsdb(t, folder)
  await second.append([{ labels: up, timeMs: 2_000, value: 1 }])
  await second.close()
  await assert.rejects(openTsdb(t, folder), { code: 'PROMETHEUS_STORAGE_DAMAGED' })
})

test('old samples move into blocks, none is lost or doubled, also over a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openTsdb(t, folder)
  const count = (9 * hourMs) / 60_000
  for (let index = 0; index < count; index++)
    await first.append([{ labels: up, timeMs: index * 60_000, value: index }])
  await first.maintain()
  assert.ok(first.blocks.length >= 3)
  const expected = Array.from({ length: count }, (_, index) => index)
  const [before] = await first.select(all, 0, 10 * hourMs)
  assert.deepEqual([...before!.samples.values], expected)
  await first.close()
  const second = await openTsdb(t, folder)
  const [after] = await second.select(all, 0, 10 * hourMs)
  assert.deepEqual([...after!.samples.values], expected)
  await second.append([{ labels: up, timeMs: count * 60_000, value: count }])
})

test('blocks past retention are dropped', async (t) => {
  const folder = await temporaryFolder(t)
  const clock = new FakeClock(0)
  const tsdb = await openTsdb(t, folder, clock)
  for (let index = 0; index < 9 * 60; index++)
    await tsdb.append([{ labels: up, timeMs: index * 60_000, value: index }])
  clock.advance(1_006 * hourMs)
  await tsdb.maintain()
  assert.ok(tsdb.minMs >= 4 * hourMs, `earliest ${tsdb.minMs}`)
})

test('a sample that is not later than the newest of its series is counted, not stored', async (t) => {
  const tsdb = await openTsdb(t, await temporaryFolder(t))
  await tsdb.append([{ labels: up, timeMs: 2_000, value: 1 }])
  const result = await tsdb.append([{ labels: up, timeMs: 1_000, value: 5 }])
  assert.deepEqual(result, { appended: 0, outOfOrder: 1, newSeries: 0 })
})

test('what was kept of a database opens with its blocks and the samples that came after them', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openTsdb(t, path.join(folder, 'first'))
  for (let hour = 0; hour < 5; hour++)
    await first.append([{ labels: up, timeMs: hour * hourMs, value: hour }])
  await first.maintain()
  assert.ok(first.blocks.length > 0)
  const cut = new CutFolder(path.join(folder, 'first'), path.join(folder, 'kept'))
  first.cut(cut)
  await first.append([{ labels: up, timeMs: 6 * hourMs, value: 6 }])
  const restored = path.join(folder, 'restored')
  await mkdir(path.join(restored, 'wal'), { recursive: true })
  for (const { path: name, source, sizeBytes } of cut.done({}).files) {
    await copyFile(source, path.join(restored, name))
    await truncate(path.join(restored, name), sizeBytes!)
  }
  const second = await openTsdb(t, restored)
  const [series] = await second.select(all, 0, 10 * hourMs)
  assert.deepEqual([...(series?.samples.values ?? [])], [0, 1, 2, 3, 4])
})

test('a disk that is full for a while costs the samples of that time, and no other', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openTsdb(t, folder)
  await first.append([{ labels: up, timeMs: 1_000, value: 1 }])
  const down = Labels.from({ __name__: 'down' })
  const append = (timeMs: number) =>
    first.append([
      { labels: up, timeMs, value: timeMs },
      { labels: down, timeMs, value: timeMs },
    ])
  const handle = await open(folder, 'r')
  const prototype = Object.getPrototypeOf(handle) as typeof handle
  await handle.close()
  const original = prototype.write
  // Half of it fits, as where a disk becomes full.
  const halfWrite = async function (this: typeof handle, bytes: Buffer, ...rest: number[]) {
    await Reflect.apply(original, this, [bytes, 0, bytes.length >> 1, rest[2]])
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
  const write = t.mock.method(prototype, 'write', halfWrite as unknown as typeof original)
  await assert.rejects(append(2_000), { code: 'ENOSPC' })
  write.mock.restore()
  await append(3_000)
  await first.flush()
  const second = await openTsdb(t, folder)
  const [seriesUp] = await second.select(all, 0, 10_000)
  assert.deepEqual([...(seriesUp?.samples.timesMs ?? [])], [1_000, 3_000])
  const [seriesDown] = await second.select([new Matcher('=', '__name__', 'down')], 0, 10_000)
  assert.deepEqual([...(seriesDown?.samples.timesMs ?? [])], [3_000])
})
