import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { uncompressSync } from 'snappy'
import { encodeWriteRequest } from '../src/connectors/prometheus/write-request.ts'
import { startHttpTarget } from './helpers/http-target.ts'
import { startWorker } from './helpers/worker.ts'

const metric = (timestamp: number, t: unknown): string =>
  JSON.stringify({ name: 'm', timestamp, dimensions: { 'place id': 'hall' }, values: { t } })
const config = {
  'connector.class': 'PrometheusRemoteWriteSink',
  topics: 'metrics',
  'errors.tolerance': 'all',
  'errors.deadletterqueue.topic.name': 'dead',
}

describe('the remote write sink', () => {
  test('a write request has the bytes of its protobuf messages', () => {
    const bytes = encodeWriteRequest([
      {
        labels: [
          ['__name__', 'm_t'],
          ['a', 'b'],
        ],
        value: 1.5,
        timestampMs: 1_769_846_400_000,
      },
    ])
    assert.equal(
      bytes.toString('hex'),
      '0a2b' +
        '0a0f0a085f5f6e616d655f5f12036d5f74' +
        '0a060a0161120162' +
        '121009000000000000f83f1080c8c398c133',
    )
  })

  test('sends samples, and those that are refused become dead letters alone', async (t) => {
    const target = await startHttpTarget(t)
    const { kafka, create } = await startWorker(t)
    target.answers.push(
      { status: 500 },
      { status: 400, body: 'out of order' },
      { status: 204 },
      { status: 400 },
    )
    kafka.put('metrics', metric(1_000, 1), metric(500, 2), metric(1, 'x'))
    await create('p', { ...config, 'remote_write.url': `${target.url}/api/v1/write` })
    await kafka.waitFor('dead', 2)
    await eventually(() => assert.equal(target.requests.length, 4))
    const [first] = target.requests
    assert.deepEqual(
      [first?.headers['content-encoding'], first?.headers['x-prometheus-remote-write-version']],
      ['snappy', '0.1.0'],
    )
    const text = String(uncompressSync(first!.body))
    assert.match(text, /__name__.*m_t/)
    assert.match(text, /place_id.*hall/)
  })
})
