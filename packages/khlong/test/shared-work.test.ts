import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { silentLogger } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { readPipeline } from '../src/config/pipeline.ts'
import { Platform } from '../src/platform.ts'
import { start } from '../src/test/index.ts'

const settings = `
name: shared
zookeeper: false
streams: false
grafana: false
prometheus: false
mongodb: false
mqtt: { listen: 0, websocket: false }
connect: { listen: 0, series.listen: 0 }
`

test('a process whose MQTT is its own does not share connectors with another', async (t) => {
  await using systems = await start({ kafka: true, zookeeper: true, mqtt: true })
  const folder = await temporaryFolder(t)
  await mkdir(path.join(folder, 'connectors'))
  await writeFile(path.join(folder, 'khlong.yml'), settings)
  const servers = `kafka.bootstrap.servers=${systems.kafka.bootstrapServers}`
  const startOne = async (data: string, ...set: string[]): Promise<Platform> =>
    Platform.start({
      pipeline: await readPipeline({
        folder,
        data: path.join(folder, data),
        set: [servers, ...set],
      }),
      logger: silentLogger,
    })
  const first = await startOne('first')
  await assert.rejects(startOne('second'), {
    code: 'KHLONG_WORK_SHARED',
    message: /khlong\.yml:8: mqtt: another process, http:.*connect-cluster.*--mqtt URL/,
  })
  const second = await startOne('second', `mqtt.url=${systems.mqtt.url}`)
  await second.stop()
  const apart = await startOne('second', 'connect.group.id=apart')
  await apart.stop()
  await first.stop()
  // Where nobody is left, nothing is shared.
  await (await startOne('second')).stop()
})
