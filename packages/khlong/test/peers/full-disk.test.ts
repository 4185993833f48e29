import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { eventually } from '@khlong/core/testing'
import { LoadSensors } from '../../../../tools/load-sensors.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import { countDocuments } from '../../../../tools/recount.ts'
import { fillDisk, smallDisk } from '../../../../tools/small-disk.ts'

/** What state each part is in, by the door of the platform. */
async function partStates(pipeline: PipelineProcess): Promise<string[]> {
  const file = path.join(pipeline.folder, 'data/control.json')
  const { address } = JSON.parse(await readFile(file, 'utf8')) as { address: string }
  const snapshot = (await (await fetch(`http://${address}/-/parts`)).json()) as {
    parts: { status: string }[]
  }
  return snapshot.parts.map(({ status }) => status)
}

test('a disk that becomes full in the middle of the load costs no frame that was acknowledged', async () => {
  await using disk = await smallDisk(160)
  const pipeline = await PipelineProcess.create({ folder: disk.folder })
  const sensors = new LoadSensors({
    url: `mqtt://127.0.0.1:${pipeline.ports.mqtt}`,
    seed: 5,
    framesPerSecond: 300,
  })
  await using _ended = {
    [Symbol.asyncDispose]: async () => {
      await sensors.disconnect()
      await pipeline.kill()
    },
  }
  await pipeline.start()
  await sensors.connect()
  await eventually(() => assert.ok(sensors.acknowledged.size > 1_000), 60_000)
  const filler = await fillDisk(disk.folder)
  // Nothing can be written: what the sensors go on to send is not acknowledged.
  await eventually(() => assert.ok(sensors.waitingCount > 900), 60_000)
  const acknowledged = sensors.acknowledged.size
  await rm(filler)
  await eventually(() => assert.ok(sensors.acknowledged.size > acknowledged + 2_000), 120_000)
  await sensors.finish()
  await eventually(async () => {
    // What failed for lack of room is started again, with pauses of up to half a minute.
    const parts = await partStates(pipeline)
    assert.ok(
      parts.every((status) => status === 'ready'),
      parts.join(),
    )
  }, 90_000)
  const url = `mongodb://127.0.0.1:${pipeline.ports.mongodb}`
  const documents = await countDocuments(url, sensors.acknowledged)
  const missing = [...sensors.acknowledged].filter((frame) => !documents.has(frame))
  assert.deepEqual(missing, [], pipeline.output.slice(-4_000))
  assert.equal(await pipeline.stop(), 0)
})
