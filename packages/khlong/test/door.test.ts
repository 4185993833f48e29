import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { readPipeline } from '../src/config/pipeline.ts'
import { Platform } from '../src/platform.ts'

test('pipelines that start at the same time get doors of their own', async (t) => {
  const start = async (): Promise<Platform> => {
    const folder = await temporaryFolder(t)
    const pipeline = await readPipeline({ folder, set: ['zookeeper.listen=0'] })
    return Platform.start({ pipeline, logger: silentLogger, only: ['zookeeper'] })
  }
  const platforms = await Promise.all([start(), start(), start()])
  const doors = platforms.map(({ book }) => book.platform)
  await Promise.all(platforms.map((platform) => platform.stop()))
  assert.equal(new Set(doors).size, 3)
})
