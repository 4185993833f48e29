import assert from 'node:assert/strict'
import { appendFile, writeFile } from 'node:fs/promises'
import { describe, type TestContext, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import {
  ConfigSpec,
  configField,
  type SourcePlugin,
  type SourceRecord,
  type SourceTaskContext,
} from '../src/index.ts'
import { resolveConnectOptions } from '../src/options.ts'
import type { MemoryKafka } from './helpers/memory-kafka.ts'
import { ScriptedBroker } from './helpers/scripted-broker.ts'
import { startWorker, type TestWorker } from './helpers/worker.ts'

const fileSource = 'org.apache.kafka.connect.file.FileStreamSourceConnector'
const enabled = { 'exactly.once.source.support': 'enabled' } as const
const text = { 'value.converter': 'org.apache.kafka.connect.storage.StringConverter' }

const valuesOf = (kafka: MemoryKafka, topic: string): string[] =>
  kafka.records(topic).map(({ value }) => String(value))
const keysOf = (kafka: MemoryKafka, topic: string): string[] =>
  kafka.records(topic).map(({ key }) => String(key))

async function startFileSource(
  t: TestContext,
  lines: string,
  config: Record<string, string> = {},
): Promise<TestWorker & { file: string }> {
  const started = await startWorker(t, { ...enabled, ...text })
  const file = `${started.folder}/in`
  await writeFile(file, lines)
  await started.create('s', { 'connector.class': fileSource, topic: 'lines', file, ...config })
  return { ...started, file }
}

/** A source that gives what a test tells it to, batch by batch, and counts what is committed. */
class ScriptedSource {
  readonly batches: string[][] = []
  committed = 0
  context: SourceTaskContext | undefined
  onPoll: (records: readonly SourceRecord[]) => void = () => {}

  readonly plugin: SourcePlugin = {
    kind: 'source',
    className: 'org.example.ScriptedSource',
    version: '1',
    spec: new ConfigSpec({ topic: configField.string('Topic.') }, null),
    describe: () => ['script'],
    topics: (config) => [config.topic!],
    taskCount: (_config, tasksMax) => tasksMax,
    definesTransactions: () => true,
    createTask: (config, context) => {
      this.context = context
      return {
        isReady: true,
        start: async () => {},
        poll: async (signal) => {
          const batch = this.batches.shift()
          if (!batch) {
            await Promise.race([
              new Promise((resolve) => setTimeout(resolve, 5)),
              new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })),
            ])
            return []
          }
          const records = batch.map(
            (value): SourceRecord => ({
              topic: config.topic!,
              partition: null,
              keySchema: undefined,
              key: null,
              valueSchema: undefined,
              value,
              timestampMs: null,
              headers: [],
              sourcePartition: { script: 1 },
              sourceOffset: { at: value },
            }),
          )
          this.onPoll(records)
          return records
        },
        commit: (count) => {
          this.committed += count
        },
        stop: async () => {},
      }
    },
  }
}

describe('sources that write by transactions', () => {
  test('records and the offset of the source are committed together, by each batch', async (t) => {
    const { kafka, file, call, worker } = await startFileSource(t, 'a\nb\n')
    // Told without a change of a state: the source begins after its task counts as running.
    await worker.settled()
    await kafka.waitFor('lines', 2)
    assert.equal(kafka.commits, 1)
    await appendFile(file, 'c\n')
    await kafka.waitFor('lines', 3)
    assert.deepEqual(valuesOf(kafka, 'lines'), ['a', 'b', 'c'])
    assert.equal(kafka.commits, 2)
    const { body } = await call('GET', '/connectors/s/offsets')
    assert.deepEqual(body, {
      offsets: [{ partition: { filename: file }, offset: { position: 6 } }],
    })
  })

  test('a transaction whose end is unknown is followed by a new beginning where the offsets are', async (t) => {
    const { kafka, file, reach } = await startFileSource(t, 'a\n')
    await kafka.waitFor('lines', 1)
    let failures = 2
    kafka.onCommit = () => {
      if (failures-- > 0) throw new Error('no answer')
    }
    await appendFile(file, 'b\nc\n')
    await kafka.waitFor('lines', 3)
    assert.deepEqual(valuesOf(kafka, 'lines'), ['a', 'b', 'c'])
    await reach('s', 'RUNNING')
  })

  test('a record that Kafka never takes is a dead letter of the same transaction', async (t) => {
    const started = await startWorker(t, { ...enabled, ...text })
    const { kafka, folder, create } = started
    kafka.refuse = (record) =>
      record.topic === 'lines' && String(record.value).startsWith('big')
        ? { isTooLarge: true, isRetriable: false, error: new Error('too large') }
        : undefined
    await writeFile(`${folder}/in`, 'a\nbig1\nb\nbig2\n')
    await create('s', {
      'connector.class': fileSource,
      topic: 'lines',
      file: `${folder}/in`,
      'errors.tolerance': 'all',
      'errors.deadletterqueue.topic.name': 'dead',
    })
    await kafka.waitFor('lines', 2)
    assert.deepEqual(valuesOf(kafka, 'lines'), ['a', 'b'])
    assert.deepEqual(valuesOf(kafka, 'dead'), ['big1', 'big2'])
    assert.equal(kafka.commits, 1)
  })

  test('nothing of a transaction is left where nothing is tolerated', async (t) => {
    const { kafka, folder, create, reach } = await startWorker(t, { ...enabled, ...text })
    kafka.refuse = (record) =>
      String(record.value) === 'big'
        ? { isTooLarge: true, isRetriable: false, error: new Error('too large') }
        : undefined
    await writeFile(`${folder}/in`, 'a\nbig\n')
    await create('s', { 'connector.class': fileSource, topic: 'lines', file: `${folder}/in` })
    const { trace } = await reach('s', 'FAILED')
    assert.match(trace ?? '', /Tolerance exceeded/)
    assert.deepEqual(valuesOf(kafka, 'lines'), [])
  })

  test('with the boundary interval a transaction takes what is polled for so long', async (t) => {
    const source = new ScriptedSource()
    const { kafka, create } = await startWorker(
      t,
      { ...enabled, ...text },
      { plugins: [source.plugin] },
    )
    source.batches.push(['a'], ['b'], ['c'])
    await create('s', {
      'connector.class': 'org.example.ScriptedSource',
      topic: 'out',
      'transaction.boundary': 'INTERVAL',
      'transaction.boundary.interval.ms': '1500',
    })
    await kafka.waitFor('out', 3)
    assert.equal(kafka.commits, 1)
    await eventually(() => assert.equal(source.committed, 3))
    assert.equal(kafka.overrides.get('connect-cluster-s-0')?.['transaction.timeout.ms'], '61500')
  })

  test('with the boundary connector the source says what is committed and what is taken back', async (t) => {
    const source = new ScriptedSource()
    const { kafka, create, call } = await startWorker(
      t,
      { ...enabled, ...text },
      { plugins: [source.plugin] },
    )
    source.onPoll = (records) => {
      const { transactions } = source.context!
      for (const record of records)
        if (record.value === 'commit') transactions?.commit(record)
        else if (record.value === 'abort') transactions?.abort(record)
      if (records.at(-1)?.value === 'end') transactions?.commit()
    }
    source.batches.push(['a', 'commit', 'b', 'abort', 'c'], ['d', 'end'])
    await create('s', {
      'connector.class': 'org.example.ScriptedSource',
      topic: 'out',
      'transaction.boundary': 'connector',
    })
    await kafka.waitFor('out', 5)
    assert.deepEqual(valuesOf(kafka, 'out'), ['a', 'commit', 'c', 'd', 'end'])
    await eventually(() => assert.equal(source.committed, 7))
    const { body } = await call('GET', '/connectors/s/offsets')
    assert.deepEqual(body, { offsets: [{ partition: { script: 1 }, offset: { at: 'end' } }] })
  })

  test('an offsets topic of the connector’s own is in the transaction, and the workers’ is told', async (t) => {
    const { kafka, file, call } = await startFileSource(t, 'a\n', {
      'offsets.storage.topic': 'own-offsets',
    })
    await kafka.waitFor('connect-offsets', 1)
    assert.deepEqual(keysOf(kafka, 'own-offsets'), [`["s",{"filename":"${file}"}]`])
    assert.deepEqual(keysOf(kafka, 'connect-offsets'), keysOf(kafka, 'own-offsets'))
    await call('PUT', '/connectors/s/stop')
    assert.equal((await call('DELETE', '/connectors/s/offsets')).status, 200)
    const { body } = await call('GET', '/connectors/s/offsets')
    assert.deepEqual(body, { offsets: [] })
    await call('PUT', '/connectors/s/resume')
    await kafka.waitFor('lines', 2)
    assert.deepEqual(valuesOf(kafka, 'lines'), ['a', 'a'])
  })

  test('the MQTT source acknowledges what is committed, and gets the rest again', async (t) => {
    const broker = await ScriptedBroker.start(t)
    const { kafka, create } = await startWorker(t, { ...enabled, ...text })
    let isFailing = true
    kafka.onCommit = () => {
      if (isFailing) throw new Error('no answer')
    }
    await create('s', {
      'connector.class': 'MqttSource',
      'mqtt.server.uri': broker.url,
      'mqtt.topics': 'iot-frames',
      'mqtt.qos': '1',
      'mqtt.clean.session.enabled': 'false',
      'mqtt.reconnect.backoff.ms': '1',
      'kafka.topic': 'frames',
      'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
    })
    const first = await broker.accept()
    await broker.acceptSubscription(first)
    first.publish(1, 'a')
    // The transaction failed: the source begins anew, and nothing was acknowledged.
    await first.closed()
    assert.deepEqual(
      first.waiting.filter(({ cmd }) => cmd === 'puback'),
      [],
    )
    isFailing = false
    const second = await broker.accept({ sessionPresent: true })
    second.publish(1, 'a', { dup: true })
    assert.equal((await second.next('puback')).messageId, 1)
    assert.deepEqual(valuesOf(kafka, 'frames'), ['a'])
  })

  test('before tasks begin the leader fences those of the generation before, by Java’s names', async (t) => {
    const source = new ScriptedSource()
    const { kafka, create, call, reach } = await startWorker(
      t,
      { ...enabled, ...text },
      { plugins: [source.plugin] },
    )
    const config = { 'connector.class': 'org.example.ScriptedSource', topic: 'out' }
    const fencings = () =>
      kafka
        .records('connect-configs')
        .filter(({ key }) => String(key) === 'tasks-fencing-s')
        .map(({ value }) => JSON.parse(String(value)))
    await create('s', { ...config, 'tasks.max': '3' })
    await eventually(() => assert.deepEqual(fencings(), [{ 'task-count': 3 }]))
    assert.deepEqual(kafka.fenced, [])
    // Kafka does not answer at once: the task waits for it, and does not fail.
    kafka.failFences = 1
    kafka.failClaims = 1
    await call('PUT', '/connectors/s/config', { ...config, 'tasks.max': '1' })
    await eventually(() => assert.deepEqual(fencings(), [{ 'task-count': 3 }, { 'task-count': 1 }]))
    assert.deepEqual(kafka.fenced, [
      'connect-cluster-s-0',
      'connect-cluster-s-1',
      'connect-cluster-s-2',
    ])
    await reach('s', 'RUNNING')
    // One in the place of one: it takes the id over itself.
    await call('PATCH', '/connectors/s/config', { topic: 'other' })
    await eventually(() => assert.equal(fencings().length, 3))
    assert.equal(kafka.fenced.length, 3)
    assert.deepEqual(await call('PUT', '/connectors/s/fence'), { status: 200, body: undefined })
    assert.equal(fencings().length, 3)
    assert.equal((await call('PUT', '/connectors/nope/fence')).status, 404)
  })

  test('what cannot be given is refused in the words of Java', async (t) => {
    const { call, create, folder } = await startWorker(t, enabled)
    const errorsOf = async (config: Record<string, string>): Promise<string[]> => {
      const { body } = await call(
        'PUT',
        `/connector-plugins/${config['connector.class']}/config/validate`,
        { name: 'v', ...config },
      )
      return (body as { configs: { value: { errors: string[] } }[] }).configs.flatMap(
        ({ value }) => value.errors,
      )
    }
    const file = { 'connector.class': fileSource, topic: 't', file: `${folder}/in` }
    const mqtt = {
      'connector.class': 'io.confluent.connect.mqtt.MqttSourceConnector',
      'mqtt.server.uri': 'tcp://127.0.0.1:1',
      'mqtt.topics': 't',
    }
    const required = { 'exactly.once.support': 'required' }
    assert.deepEqual(await errorsOf({ ...file, ...required }), [])
    assert.deepEqual(await errorsOf({ ...mqtt, ...required }), [
      'The connector does not support exactly-once semantics with the provided configuration.',
    ])
    assert.match(
      (await errorsOf({ ...file, 'transaction.boundary': 'connector' }))[0] ?? '',
      /does not support connector-defined transaction boundaries/,
    )
    await create('sink', {
      'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector',
      topics: 't',
      file: `${folder}/out`,
    })
    assert.equal((await call('PUT', '/connectors/sink/fence')).status, 500)
    const other = await startWorker(t)
    const refused = await other.call('POST', '/connectors', {
      name: 's',
      config: { ...file, ...required },
    })
    assert.equal(refused.status, 400)
    assert.match(
      JSON.stringify(refused.body),
      /This worker does not have exactly-once source support enabled\./,
    )
    assert.throws(
      () => resolveConnectOptions({ ...enabled, 'offset.storage.file.filename': 'x' }),
      { message: /exactly\.once\.source\.support: needs workers with a group/ },
    )
  })
})
