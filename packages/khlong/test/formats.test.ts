import assert from 'node:assert/strict'
import { cp, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '@khlong/core'
import { crc32c } from '@khlong/core/bytes'
import { temporaryFolder } from '@khlong/core/testing'
import { open } from 'lmdb'
import { restoreBackup } from '../src/backup/restore-backup.ts'
import type { PartName } from '../src/config/part-names.ts'
import { makePart, partFormats } from '../src/parts/load.ts'

// Data outlive versions: what a newer Khlong wrote is refused by name, and not taken for damage.

/** A file of a part, and how it looks when a newer version wrote it. */
interface NewerFile {
  readonly part: PartName
  readonly file: string
  /** The code of the part's error. */
  readonly refused: string
  change(bytes: Buffer): Buffer | string
}

const withUint32 =
  (position: number) =>
  (bytes: Buffer): Buffer => {
    bytes.writeUInt32BE(99, position)
    return bytes
  }

const newer: readonly NewerFile[] = [
  {
    part: 'mqtt',
    file: '00000001.journal',
    refused: 'MQTT_JOURNAL_VERSION',
    change: (bytes) => {
      bytes.writeUInt16BE(99, 8)
      return bytes
    },
  },
  {
    part: 'zookeeper',
    file: 'log.0000000000000001',
    refused: 'ZOOKEEPER_FORMAT_UNKNOWN',
    change: withUint32(8),
  },
  {
    part: 'zookeeper',
    file: 'snapshot.0000000000000000',
    refused: 'ZOOKEEPER_FORMAT_UNKNOWN',
    change: withUint32(8),
  },
  {
    part: 'kafka',
    file: 'commit-0.journal',
    refused: 'KAFKA_FORMAT_UNSUPPORTED',
    change: (bytes) => {
      withUint32(8)(bytes).writeUInt32BE(crc32c(bytes.subarray(0, 16)), 16)
      return bytes
    },
  },
  {
    part: 'kafka',
    file: 'recovery-point-offset-checkpoint',
    refused: 'KAFKA_FORMAT_UNSUPPORTED',
    change: (bytes) => String(bytes).replace(/^0\n/, '9\n'),
  },
  {
    part: 'kafka',
    file: 'metadata.json',
    refused: 'KAFKA_FORMAT_UNSUPPORTED',
    change: () =>
      JSON.stringify({
        ...{ format: 'khlong-kafka-metadata', version: 99, clusterId: 'c', nextProducerId: 0 },
        ...{ brokerConfigs: {}, topics: [], acls: [] },
      }),
  },
  {
    part: 'prometheus',
    file: 'wal/00000001.wal',
    refused: 'PROMETHEUS_STORAGE_NEWER',
    change: (bytes) => {
      bytes[4] = 99
      return bytes
    },
  },
  {
    part: 'prometheus',
    file: 'block-0.khpb',
    refused: 'PROMETHEUS_STORAGE_NEWER',
    change: () => Buffer.from('KHPB\u0063........KHPB\u0063', 'latin1'),
  },
  {
    part: 'grafana',
    file: 'dashboards/golden.json',
    refused: 'GRAFANA_STATE_NEWER',
    change: (bytes) =>
      JSON.stringify({
        ...{ format: 'khlong-dashboard', formatVersion: 99 },
        ...(JSON.parse(String(bytes)) as object),
      }),
  },
  {
    part: 'grafana',
    file: 'data-sources.json',
    refused: 'GRAFANA_STATE_NEWER',
    change: () => JSON.stringify({ format: 'khlong-data-sources', version: 99, sources: [] }),
  },
]

async function goldenData(t: TestContext): Promise<string> {
  const folder = path.join(await temporaryFolder(t), 'golden')
  await restoreBackup(fileURLToPath(new URL('vectors/0.1.0.backup', import.meta.url)), folder)
  return path.join(folder, 'data')
}

/** Starts a part on its folder; gives what it refuses with, if it does. */
async function refusalOf(name: PartName, data: string): Promise<unknown> {
  const part = await makePart(name, { data, listen: 0 }, { name: 'test' }, { logger: silentLogger })
  try {
    await part.start()
    return undefined
  } catch (error) {
    return error
  } finally {
    await part.stop({ deadlineMs: 100 })
  }
}

test('each part opens the data of 0.1.0, and refuses each file of a newer version by name', async (t) => {
  const data = await goldenData(t)
  for (const { part, file, refused, change } of newer) {
    const folder = path.join(await temporaryFolder(t), part)
    await cp(path.join(data, part), folder, { recursive: true })
    const place = path.join(folder, file)
    const bytes = await readFile(place).catch(() => Buffer.alloc(0))
    await writeFile(place, change(Buffer.from(bytes)))
    const error = (await refusalOf(part, folder)) as { code: string; message: string }
    assert.equal(error?.code, refused, `${part}/${file}: ${error?.message}`)
    assert.match(error.message, new RegExp(path.basename(file).replaceAll('.', '\\.')))
  }
  for (const part of new Set(newer.map((one) => one.part)))
    assert.equal(await refusalOf(part, path.join(data, part)), undefined, part)
})

test('documents of a newer version are refused by the name of their format', async (t) => {
  const data = await goldenData(t)
  const folder = path.join(data, 'mongodb')
  assert.equal(await refusalOf('mongodb', folder), undefined)
  const root = open<Buffer, Buffer>({
    path: path.join(folder, 'store'),
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    maxDbs: 8_192,
  })
  await root.put(Buffer.from('format'), Buffer.from('khlong-mongodb 99'))
  await root.close()
  const error = (await refusalOf('mongodb', folder)) as Error
  assert.match(error.message, /holds documents in the format "khlong-mongodb 99"; this is/)
})

test('every kind of file that a part writes has a version', async () => {
  for (const part of ['mqtt', 'zookeeper', 'kafka', 'connect', 'mongodb', 'prometheus', 'grafana'])
    for (const [format, version] of Object.entries(await partFormats(part as PartName)))
      assert.ok(Number.isInteger(version) && version > 0, `${part}: ${format}`)
})
