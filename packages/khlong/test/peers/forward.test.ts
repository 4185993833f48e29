import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin, Consumer } from '@khlong/kafka-client'
import { LoadSensors } from '../../../../tools/load-sensors.ts'
import { reference } from '../../../../tools/peers.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import { startKafka } from '../../../../tools/real-engines.ts'

const run = promisify(execFile)
const topic = 'iot-frames'

/** The frames of each partition, in order, as a consumer of committed records has them. */
async function framesAt(servers: string): Promise<string[][]> {
  await using admin = new Admin({ 'bootstrap.servers': servers })
  const [description] = await admin.describeTopics([topic])
  const places = description!.partitions.map(({ partition }) => ({ topic, partition }))
  await using consumer = new Consumer({
    'bootstrap.servers': servers,
    'isolation.level': 'read_committed',
  })
  consumer.assign(places.map((place) => ({ ...place, offset: 'earliest' as const })))
  const frames: string[][] = places.map(() => [])
  while (places.some((place) => consumer.lag(place) !== 0))
    for (const { partition, records } of await consumer.poll(100))
      for (const { value } of records) {
        const { id, boot, seq } = JSON.parse(String(value)) as Record<string, unknown>
        frames[partition]!.push(`${id}/${boot}/${seq}`)
      }
  return frames
}

const countOf = (frames: readonly (readonly string[])[]): number => frames.flat().length

test('a gateway forwards to a real Kafka that was away, in order and once, also when it is killed', async (t) => {
  const ends: (() => Promise<unknown>)[] = []
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  const folder = await temporaryFolder(t)
  const centreFolder = path.join(folder, 'centre')
  const centre = await startKafka({ push: (end) => ends.push(end) }, centreFolder)
  const gateway = await PipelineProcess.create({
    folder,
    set: [`forward.bootstrap.servers=${centre}`, `forward.topics=[${topic}]`, 'forward.buffer=1GB'],
  })
  ends.push(() => gateway.kill())
  await gateway.start()
  const sensors = new LoadSensors({
    url: `mqtt://127.0.0.1:${gateway.ports.mqtt}`,
    seed: 5,
    framesPerSecond: 200,
  })
  ends.push(() => sensors.disconnect())
  await sensors.connect()
  const acknowledged = async (count: number): Promise<void> => {
    const wanted = sensors.acknowledged.size + count
    await eventually(() => assert.ok(sensors.acknowledged.size >= wanted), 60_000)
  }
  const again = async (): Promise<void> => {
    await gateway.kill()
    await sensors.disconnect()
    await gateway.start()
    await sensors.connect()
  }
  await eventually(async () => assert.ok(countOf(await framesAt(centre)) > 0), 60_000)

  await run('bash', [reference('kafka.sh'), 'stop', centreFolder])
  await acknowledged(300)
  // Killed while records wait here.
  await again()
  await acknowledged(300)

  const port = centre.split(':')[1]!
  await run('bash', [reference('kafka.sh'), 'start', 'kraft', centreFolder, port], {
    env: { ...process.env, KAFKA_HEAP: '-Xmx384M', KAFKA_PARTITIONS: '6' },
    timeout: 120_000,
  })
  const before = countOf(await framesAt(centre))
  await eventually(async () => assert.ok(countOf(await framesAt(centre)) > before), 60_000)
  // Killed while they go to the centre.
  await again()
  await acknowledged(200)
  await sensors.finish()

  const here = `127.0.0.1:${gateway.ports.kafka}`
  await eventually(async () => {
    assert.equal(countOf(await framesAt(centre)), countOf(await framesAt(here)))
  }, 120_000)
  const [there, buffered] = [await framesAt(centre), await framesAt(here)]
  assert.deepEqual(there, buffered)
  const frames = new Set(there.flat())
  assert.deepEqual(
    [...sensors.acknowledged].filter((frame) => !frames.has(frame)),
    [],
  )
  t.diagnostic(JSON.stringify({ acknowledged: sensors.acknowledged.size, records: countOf(there) }))
  await sensors.disconnect()
  assert.equal(await gateway.stop(), 0, gateway.output)
})
