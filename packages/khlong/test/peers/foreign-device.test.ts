import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import { peer } from '../../../../tools/peers.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'

const run = promisify(execFile)

const frame = (id: string, temperature: unknown): string =>
  JSON.stringify({
    id,
    name: `sensor ${id}`,
    place_id: 'field',
    payload: { temperature, humidity: 40, pressure: 1_013, luminosity: 300 },
  })

test('frames of a foreign device flow to the end, and bad ones between them stop nothing', async (t) => {
  const folder = await temporaryFolder(t)
  // Short windows, so that an aggregate is there soon.
  const pipeline = await PipelineProcess.create({
    folder,
    set: ['streams.settings.window.size.ms=3000', 'sensors=false'],
  })
  t.after(() => pipeline.kill())
  await pipeline.start()
  const { mqtt, kafka, mongodb, prometheus } = pipeline.ports
  const publish = async (...message: string[]): Promise<void> => {
    const place = ['-h', '127.0.0.1', '-p', String(mqtt), '-t', 'iot-frames', '-q', '1']
    await run(peer('mosquitto_pub'), [...place, ...message])
  }
  const consume = async (topic: string, count: number): Promise<string[]> => {
    const { stdout } = await run(
      peer('kcat'),
      // Of each record its size and its headers, which hold traces of many lines.
      [
        '-b',
        `127.0.0.1:${kafka}`,
        '-C',
        '-q',
        '-t',
        topic,
        '-c',
        String(count),
        '-f',
        '%S %h\\n====\\n',
      ],
      { timeout: 30_000 },
    )
    return stdout.split('\n====\n').slice(0, -1)
  }

  const large = path.join(folder, 'large.json')
  await writeFile(large, JSON.stringify({ id: 'large', text: 'x'.repeat(1_500_000) }))
  await publish('-m', frame('first', 20))
  await publish('-m', 'no JSON')
  await publish('-m', '{"id":"lacking"}')
  await publish('-f', large)
  await publish('-m', frame('hot', 'hot'))
  await publish('-m', frame('last', 21.5))

  const client = await MongoClient.connect(`mongodb://127.0.0.1:${mongodb}`)
  t.after(() => client.close())
  const database = client.db('iot')
  const frames = database.collection('iot_frames')
  await eventually(async () => {
    assert.equal((await frames.findOne({ id: 'first' }))?.payload.temperature, 20)
    assert.equal((await frames.findOne({ id: 'last' }))?.payload.temperature, 21.5)
  }, 10_000)

  const fromDevice = await consume('iot-frames-dead-letters', 2)
  assert.match(fromDevice.join('\n'), /exception\.message=.*Unexpected token/)
  const cut = fromDevice.find((letter) => /RecordTooLargeException/.test(letter)) ?? ''
  assert.match(cut, /^65536 /)
  const fromStreams = (await consume('iot-processor-dead-letters', 2)).join('\n')
  assert.match(fromStreams, /temperature is not a number but "hot"/)
  assert.match(fromStreams, /payload is not a JSON object/)

  const ask = async (query: string): Promise<string | undefined> => {
    const response = await fetch(
      `http://127.0.0.1:${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`,
    )
    const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } }
    return data.result[0]?.value[1]
  }
  await eventually(async () => {
    assert.equal(await ask('sample_sensor_metric_temperature{sensor_id="last"}'), '21.5')
    assert.equal(await ask('sum(khlong_streams_dead_letters_total)'), '2')
  }, 20_000)
  // Windows close by the clock when no further frame comes.
  await eventually(async () => {
    const sensors = await database.collection('iot_aggregate_metrics_sensor').find().toArray()
    assert.deepEqual(sensors.map(({ sensor_id }) => sensor_id).toSorted(), ['first', 'last'])
    const places = await database.collection('iot_aggregate_metrics_place').find().toArray()
    const total = places.reduce((sum, place) => sum + place.count_measures, 0)
    assert.equal(total, 2)
  }, 30_000)
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})
