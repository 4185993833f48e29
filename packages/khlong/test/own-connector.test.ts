import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { readPipeline } from '../src/config/pipeline.ts'
import { Platform } from '../src/platform.ts'
import type { Snapshot } from '../src/status/snapshot.ts'

const guide = fileURLToPath(new URL('../../../docs/connect/own-connector.md', import.meta.url))

test('a connector of the pipeline’s folder runs in the thread of user code', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(path.join(folder, 'plugins'))
  await mkdir(path.join(folder, 'connectors'))
  const [, code] = /```ts\n(.*?)```/s.exec(await readFile(guide, 'utf8'))!
  await writeFile(path.join(folder, 'plugins', 'ticks.ts'), code!)
  await writeFile(
    path.join(folder, 'connectors', 'ticks.json'),
    JSON.stringify({
      name: 'ticks',
      config: {
        'connector.class': 'com.example.TickSourceConnector',
        topic: 'ticks',
        'interval.ms': '10',
      },
    }),
  )
  await writeFile(path.join(folder, 'khlong.yml'), 'name: own\nconnect:\n  plugins: ./plugins\n')
  const pipeline = await readPipeline({
    folder,
    data: path.join(folder, 'data'),
    set: ['kafka.listen=0', 'zookeeper.listen=0', 'connect.listen=0'],
  })
  let newest: Snapshot | undefined
  const platform = await Platform.start({
    pipeline,
    logger: silentLogger,
    only: ['zookeeper', 'kafka', 'connect'],
    onSnapshot: (snapshot) => {
      newest = snapshot
    },
  })
  t.after(() => platform.stop())
  await eventually(() => {
    const connect = newest?.parts.find(({ name }) => name === 'connect')
    assert.equal(connect?.thread, 'user')
    const ticks = connect.vitals?.items?.find(({ name }) => name === 'ticks')
    assert.ok((ticks?.recordsOut ?? 0) > 2, JSON.stringify(connect.vitals))
  }, 30_000)
})
