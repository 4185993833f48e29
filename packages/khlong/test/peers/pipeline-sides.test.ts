import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import { peer } from '../../../../tools/peers.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'

// What hangs at the sides of the pipeline: WebSocket, files, lag that is told, windows over a restart.

const run = promisify(execFile)
const windowMs = 600_000

test('WebSocket, file connectors, the alert of lag, and open windows over a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const pipeline = await PipelineProcess.create({
    folder,
    set: [
      'sensors=false',
      `streams.settings.window.size.ms=${windowMs}`,
      // Frames count at their own time, so that it is the test that closes windows.
      'streams.settings.frame.time.tolerance.ms=3000000',
    ],
  })
  t.after(() => pipeline.kill())
  const rules = path.join(pipeline.folder, 'rules/iot.yml')
  const written = await readFile(rules, 'utf8')
  // The alert as it is, but for how long it must last.
  await writeFile(rules, written.replace(/(ConsumerLag\n.*> 1000\n *for:) 1m/, '$1 2s'))
  const connectors = path.join(pipeline.folder, 'connectors')
  const optional = await readFile(path.join(connectors, 'optional/frames-to-file.json'), 'utf8')
  const frameFile = path.join(folder, 'frames.txt')
  const { name, config } = JSON.parse(optional) as { name: string; config: object }
  await writeFile(
    path.join(connectors, 'frames-to-file.json'),
    JSON.stringify({ name, config: { ...config, file: frameFile } }),
  )
  await pipeline.start()
  const { ports } = pipeline
  const connect = async (): Promise<MongoClient> => {
    const client = await MongoClient.connect(`mongodb://127.0.0.1:${ports.mongodb}`)
    t.after(() => client.close())
    return client
  }
  const database = (await connect()).db('iot')
  // A window that the clock reaches only after the test.
  const startMs = (Math.floor(Date.now() / windowMs) + 1) * windowMs
  const frame = (id: string, temperature: number, timestamp = startMs): string =>
    JSON.stringify({
      id,
      name: id,
      place_id: `place of ${id}`,
      timestamp,
      payload: { temperature, humidity: 40, pressure: 1_013, luminosity: 300 },
    })

  const browser = await mqtt.connectAsync(`ws://127.0.0.1:${ports.websocket}`)
  t.after(() => browser.endAsync(true))
  for (const temperature of [10, 20, 30])
    await browser.publishAsync('iot-frames', frame('ws', temperature), { qos: 1 })
  await eventually(async () => {
    assert.equal(await database.collection('iot_frames').countDocuments({ id: 'ws' }), 3)
    assert.equal((await readFile(frameFile, 'utf8')).trim().split('\n').length, 3)
  }, 20_000)

  const rest = async (method: string, target: string, body?: object): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${ports.connect}/connectors/${target}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    assert.ok(answer.ok, `${target}: ${answer.status} ${await answer.text()}`)
  }
  const lines = path.join(folder, 'lines.txt')
  await writeFile(lines, 'one\ntwo\n')
  await rest('PUT', 'lines/config', {
    'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    file: lines,
    topic: 'lines',
  })
  const consume = async (): Promise<string> => {
    const at = ['-b', `127.0.0.1:${ports.kafka}`, '-C', '-e', '-q', '-t', 'lines']
    return (await run(peer('kcat'), at, { timeout: 30_000 })).stdout
  }
  await eventually(async () => assert.equal(await consume(), 'one\ntwo\n'), 20_000)
  await appendFile(lines, 'three\n')
  await eventually(async () => assert.equal(await consume(), 'one\ntwo\nthree\n'), 20_000)

  const lagAlerts = async (): Promise<{ state: string; annotations: { summary: string } }[]> => {
    const answer = await fetch(`http://127.0.0.1:${ports.prometheus}/api/v1/alerts`)
    const { data } = (await answer.json()) as {
      data: {
        alerts: {
          state: string
          labels: { alertname: string }
          annotations: { summary: string }
        }[]
      }
    }
    return data.alerts.filter(({ labels }) => labels.alertname === 'ConsumerLag')
  }
  await rest('PUT', 'iot-frames-mongodb-sink/pause')
  await Promise.all(
    Array.from({ length: 1_200 }, (_, index) =>
      browser.publishAsync('iot-frames', frame(`lag ${index % 5}`, 20), { qos: 1 }),
    ),
  )
  await eventually(async () => {
    const [alert] = await lagAlerts()
    assert.equal(alert?.state, 'firing')
    assert.match(
      alert?.annotations.summary ?? '',
      /^connect-iot-frames-mongodb-sink is 1\.\d+k records behind in iot-frames$/,
    )
  }, 60_000)
  await rest('PUT', 'iot-frames-mongodb-sink/resume')
  await eventually(async () => assert.deepEqual(await lagAlerts(), []), 60_000)
  const aggregates = database.collection('iot_aggregate_metrics_sensor')
  assert.equal(await aggregates.countDocuments(), 0)

  assert.equal(await pipeline.stop(), 0, pipeline.output)
  await pipeline.start()
  const again = await mqtt.connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`)
  t.after(() => again.endAsync(true))
  for (const temperature of [40, 50])
    await again.publishAsync('iot-frames', frame('ws', temperature), { qos: 1 })
  await again.publishAsync('iot-frames', frame('ws', 99, startMs + windowMs), { qos: 1 })
  const resumed = (await connect()).db('iot').collection('iot_aggregate_metrics_sensor')
  const closed = await eventually(async () => {
    const found = await resumed.findOne({ sensor_id: 'ws' })
    assert.ok(found, 'the window did not close')
    return found
  }, 30_000)
  assert.deepEqual(
    [closed.start_agg, closed.end_agg, closed.count_measures, closed.avg_temperature],
    [startMs, startMs + windowMs, 5, 30],
  )
  // Nor are lines of a file read twice.
  assert.equal(await consume(), 'one\ntwo\nthree\n')
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})
