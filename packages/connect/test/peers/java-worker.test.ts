import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { startKafka } from '../../../../tools/real-engines.ts'
import { ConnectWorker } from '../../src/index.ts'
import { stopsOf } from '../helpers/stops.ts'
import { startJavaWorker } from './engines.ts'

const sink = 'org.apache.kafka.connect.file.FileStreamSinkConnector'
const source = 'org.apache.kafka.connect.file.FileStreamSourceConnector'

type Call = readonly [method: string, path: string, body?: unknown]

/** What is each worker's own, and what differs by design (see the README). */
const ownFields = new Set(['worker_id', 'version', 'commit', 'kafka_cluster_id'])

function withoutOwn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOwn)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !ownFields.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, withoutOwn(item)]),
  )
}

const sinkOffset = (partition: unknown, offset: unknown) => ({
  offsets: [
    {
      partition: { kafka_topic: 't1', kafka_partition: partition },
      offset: { kafka_offset: offset },
    },
  ],
})

async function answer(base: string, [method, path, body]: Call) {
  const response = await fetch(base + path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) }
}

/** Waits until a connector has this state, with so many tasks in it. */
function reach(base: string, name: string, state: string, tasks: number): Promise<void> {
  return eventually(async () => {
    const { body } = await answer(base, ['GET', `/connectors/${name}/status`])
    const { connector, tasks: found = [] } = body as {
      connector?: { state: string }
      tasks?: { state: string }[]
    }
    const isThere =
      connector?.state === state &&
      found.length === tasks &&
      found.every((task) => task.state === state)
    assert.ok(isThere, `${name} did not get ${state}: ${JSON.stringify(body)}`)
  }, 30_000)
}

/** Asks again while the worker says that tasks it was told to stop are still about it. */
function settled(url: string, call: Call): ReturnType<typeof answer> {
  return eventually(async () => {
    const given = await answer(url, call)
    assert.doesNotMatch(JSON.stringify(given.body), /haven't stopped completely yet/)
    return given
  }, 30_000)
}

test('a Java worker and ours answer the same calls with the same status and JSON', {
  timeout: 240_000,
}, async (t) => {
  const stops = stopsOf(t)
  const folder = await temporaryFolder(t)
  const kafka = await startKafka(stops, `${folder}/kafka`)
  const java = await startJavaWorker(`${folder}/kafka`)
  const worker = new ConnectWorker({
    listen: 0,
    data: `${folder}/connect`,
    'bootstrap.servers': kafka,
    'config.storage.topic': 'our-configs',
    'offset.storage.topic': 'our-offsets',
    'status.storage.topic': 'our-status',
  })
  stops.push(() => worker.stop())
  await worker.start()
  const ours = `http://${worker.addresses.http}`

  let count = 0
  const compare = async (...calls: Call[]): Promise<void> => {
    for (const call of calls) {
      const [expected, actual] = [await settled(java, call), await settled(ours, call)]
      assert.deepEqual(withoutOwn(actual), withoutOwn(expected), `${call[0]} ${call[1]}`)
      count++
    }
  }
  const both = async (name: string, state: string, tasks: number): Promise<void> => {
    await reach(java, name, state, tasks)
    await reach(ours, name, state, tasks)
  }

  const config = { 'connector.class': sink, 'tasks.max': 1, topics: 't1', file: `${folder}/out` }
  await compare(
    ['GET', '/'],
    ['GET', '/health'],
    ['GET', '/connectors'],
    ['POST', '/connectors', { name: 'f', config }],
    ['POST', '/connectors', { name: 'f', config }],
    ['POST', '/connectors', { name: 'g', config: {} }],
    ['POST', '/connectors', { name: 'g', config: { ...config, name: 'h' } }],
  )
  await both('f', 'RUNNING', 1)
  await compare(
    ['GET', '/connectors'],
    ['GET', '/connectors/f'],
    ['GET', '/connectors/f/config'],
    ['GET', '/connectors/f/status'],
    ['GET', '/connectors/f/tasks'],
    ['GET', '/connectors/f/tasks/0/status'],
    ['GET', '/connectors/f/tasks/7/status'],
    ['GET', '/connectors/f/topics'],
    ['GET', '/connectors?expand=status&expand=info'],
    ['GET', '/connectors?expand=info'],
    ['GET', '/connectors/nope'],
    ['GET', '/connectors/nope/config'],
    ['GET', '/connectors/nope/status'],
    ['GET', '/connectors/nope/tasks'],
    ['GET', '/connectors/nope/offsets'],
    ['GET', '/connectors/nope/topics'],
    ['DELETE', '/connectors/nope'],
    ['PUT', '/connectors/nope/pause'],
    ['PUT', '/connectors/nope/resume'],
    ['PUT', '/connectors/nope/stop'],
    ['POST', '/connectors/nope/restart'],
    ['POST', '/connectors/f/tasks/9/restart'],
    ['DELETE', '/connectors/f/offsets'],
    ['GET', '/foo'],
    ['DELETE', '/connectors'],
    ['PUT', '/connectors/f/pause'],
  )
  await both('f', 'PAUSED', 1)
  await compare(['GET', '/connectors/f/status'], ['PUT', '/connectors/f/resume'])
  await both('f', 'RUNNING', 1)
  await compare(['PUT', '/connectors/f/stop'])
  await both('f', 'STOPPED', 0)
  await compare(
    ['GET', '/connectors/f/status'],
    ['PATCH', '/connectors/f/offsets', {}],
    ['PATCH', '/connectors/f/offsets', { offsets: [{ offset: { kafka_offset: 1 } }] }],
    ['PATCH', '/connectors/f/offsets', { offsets: [{ partition: { kafka_topic: 't1' } }] }],
    ['PATCH', '/connectors/f/offsets', sinkOffset('zero', 1)],
    ['PATCH', '/connectors/f/offsets', sinkOffset(0, 'one')],
    ['PATCH', '/connectors/f/offsets', sinkOffset(0, 0)],
    ['GET', '/connectors/f/offsets'],
    ['DELETE', '/connectors/f/offsets'],
    ['GET', '/connectors/f/offsets'],
    ['PUT', '/connectors/f/resume'],
  )
  await both('f', 'RUNNING', 1)
  await compare(
    ['POST', '/connectors/f/restart'],
    ['POST', '/connectors/f/restart?includeTasks=true'],
  )
  await both('f', 'RUNNING', 1)
  await compare(
    ['POST', '/connectors/f/tasks/0/restart'],
    ['PATCH', '/connectors/f/config', { file: null, 'errors.tolerance': 'all' }],
    ['GET', '/connectors/f/config'],
    ['PUT', '/connectors/f/config', config],
    ['PUT', '/connectors/f/topics/reset'],
  )
  await compare(
    ['PUT', '/connector-plugins/FileStreamSink/config/validate', { 'connector.class': source }],
    ['GET', '/connector-plugins/Nope/config'],
    ['GET', '/admin/loggers/nope.x'],
    ['PUT', '/admin/loggers/root', { level: 'HUH' }],
    ['PUT', '/admin/loggers/root', {}],
    ['PUT', '/admin/loggers/org.example', { level: 'debug' }],
    ['PUT', '/admin/loggers/org.example?scope=cluster', { level: 'WARN' }],
    [
      'PUT',
      '/connectors/s/config',
      { 'connector.class': source, topic: 't', file: `${folder}/in` },
    ],
  )
  await both('s', 'RUNNING', 1)
  const withSource = (options: Record<string, string>): Call => [
    'POST',
    '/connectors',
    { name: 'x', config: { 'connector.class': source, topic: 't', file: 'f', ...options } },
  ]
  await compare(
    withSource({ 'exactly.once.support': 'required' }),
    withSource({ 'transaction.boundary': 'connector' }),
    withSource({ 'transaction.boundary': 'sometimes' }),
    withSource({ 'exactly.once.support': 'perhaps' }),
  )
  await compare(
    ['GET', '/connectors/s/offsets'],
    ['GET', '/connectors/s'],
    ['DELETE', '/connectors/s'],
  )
  t.diagnostic(`${count} calls answered alike`)
})
