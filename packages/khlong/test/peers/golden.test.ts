import assert from 'node:assert/strict'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { connect } from 'mqtt'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import { countDocuments, readRecords } from '../../../../tools/recount.ts'
import { restoreBackup } from '../../src/backup/restore-backup.ts'

// Data outlive versions: what each release left is opened by the one of today.

const releases = ['0.1.0']

for (const release of releases)
  test(`the data of ${release} are all there, and the pipeline goes on with them`, async (t) => {
    const folder = path.join(await temporaryFolder(t), 'restored')
    const file = fileURLToPath(new URL(`../vectors/${release}.backup`, import.meta.url))
    await restoreBackup(file, folder)
    // They are old by now, and would go.
    const pipeline = await PipelineProcess.at(folder, {
      set: ['kafka.log.retention.ms=-1', 'prometheus.storage.tsdb.retention.time=100y'],
    })
    await using _ended = { [Symbol.asyncDispose]: () => pipeline.kill() }
    await pipeline.start()

    const frames = new Set(
      Array.from({ length: 60 }, (_, seq) => `${7_000 + (seq % 3)}/golden/${seq}`),
    )
    const { ports } = pipeline
    const documents = await countDocuments(`mongodb://127.0.0.1:${ports.mongodb}`, frames)
    assert.deepEqual(documents, new Map([...frames].map((frame) => [frame, 1])))
    const records = await readRecords(`127.0.0.1:${ports.kafka}`)
    assert.deepEqual(new Set(records.keys()), frames)

    // The messages of MQTT: one that waited for its session, and a retained one.
    const away = connect(`mqtt://127.0.0.1:${ports.mqtt}`, {
      clientId: 'away',
      clean: false,
      protocolVersion: 5,
      reconnectPeriod: 0,
      properties: { sessionExpiryInterval: 1_000 },
    })
    const got = new Map<string, string>()
    away.on('message', (topic, payload) => got.set(topic, String(payload)))
    away.on('connect', () => away.subscribe('golden/kept', { qos: 1 }))
    await eventually(
      () =>
        assert.deepEqual(Object.fromEntries(got), {
          'golden/waits': 'for away',
          'golden/kept': 'retained',
        }),
      30_000,
    )

    const json = async (url: string): Promise<unknown> => (await fetch(url)).json()
    const dashboard = await json(`http://127.0.0.1:${ports.grafana}/api/dashboards/uid/golden`)
    assert.equal((dashboard as { dashboard: { title: string } }).dashboard.title, 'Golden')
    const query = encodeURIComponent(
      'count(count_over_time(sample_sensor_metric_temperature[100y]))',
    )
    const series = (await json(
      `http://127.0.0.1:${ports.prometheus}/api/v1/query?query=${query}`,
    )) as { data: { result: { value: [number, string] }[] } }
    assert.equal(series.data.result[0]?.value[1], '3')

    // And it goes on: a new frame becomes a document beside the old ones.
    const frame = { id: '7000', name: 's0', place_id: '1', payload: { temperature: 1 } }
    await away.publishAsync('iot-frames', JSON.stringify({ ...frame, seq: 60, boot: 'new' }), {
      qos: 1,
    })
    const all = new Set([...frames, '7000/new/60'])
    const after = await countDocuments(`mongodb://127.0.0.1:${ports.mongodb}`, all)
    assert.deepEqual(new Set(after.keys()), all)
    await away.endAsync(true)
    assert.equal(await pipeline.stop(), 0)
  })
