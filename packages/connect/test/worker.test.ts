import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import {
  ConfigSpec,
  ConnectWorker,
  configField,
  resolveConnectOptions,
  type SinkPlugin,
} from '../src/index.ts'
import { MemoryKafka } from './helpers/memory-kafka.ts'
import { startWorker } from './helpers/worker.ts'

const sinkClass = 'org.apache.kafka.connect.file.FileStreamSinkConnector'
const sourceClass = 'org.apache.kafka.connect.file.FileStreamSourceConnector'

const textOf = (value: Uint8Array | null): string | undefined =>
  value === null ? undefined : Buffer.from(value).toString()

const headersOf = (headers: readonly (readonly [string, Uint8Array | null])[]) =>
  Object.fromEntries(headers.map(([key, value]) => [key, textOf(value)]))

describe('a worker', () => {
  test('goes on after a restart with connectors, states and offsets', async (t) => {
    const kafka = new MemoryKafka()
    const folder = await temporaryFolder(t)
    const first = await startWorker(t, {}, { kafka })
    await first.create('run', { 'connector.class': sinkClass, topics: 't1', file: `${folder}/run` })
    await first.create('rest', {
      'connector.class': sinkClass,
      topics: 't1',
      file: `${folder}/rest`,
    })
    await first.call('PUT', '/connectors/rest/pause')
    kafka.put('t1', '"a"')
    await first.reach('run', 'RUNNING')
    await eventually(async () => assert.equal(await readFile(`${folder}/run`, 'utf8'), 'a\n'))
    await first.worker.stop()

    const second = await startWorker(t, {}, { kafka })
    await second.reach('run', 'RUNNING')
    await second.reach('rest', 'PAUSED')
    kafka.put('t1', '"b"')
    await eventually(async () => assert.equal(await readFile(`${folder}/run`, 'utf8'), 'a\nb\n'))
    await second.call('PUT', '/connectors/run/stop')
    await second.worker.stop()

    const third = await startWorker(t, {}, { kafka })
    const { body } = await third.call('GET', '/connectors/run/status')
    assert.equal((body as { connector: { state: string } }).connector.state, 'STOPPED')
  })

  test('applies the files of its folder once, and again when one changed', async (t) => {
    const kafka = new MemoryKafka()
    const folder = await temporaryFolder(t)
    const connectors = `${folder}/connectors`
    await mkdir(`${connectors}/optional`, { recursive: true })
    const config = { 'connector.class': sinkClass, topics: 't1', 'tasks.max': 1 }
    const write = (file: string, content: unknown) =>
      writeFile(
        `${connectors}/${file}`,
        typeof content === 'string' ? content : JSON.stringify(content),
      )
    await write('a.json', { name: 'a', config: { ...config, file: `\${env:KHLONG_OUT}` } })
    await write('flat.json', { ...config, name: 'b', file: `${folder}/b` })
    await write('broken.json', '{"name": ')
    await write('unknown.json', { name: 'u', config: { ...config, 'connector.class': 'com.X' } })
    await write('optional/c.json', { name: 'c', config })
    const options = { connectors, data: `${folder}/data`, env: { KHLONG_OUT: `${folder}/a` } }
    const first = await startWorker(t, options, { kafka })
    assert.deepEqual((await first.call('GET', '/connectors')).body, ['a', 'b'])
    const info = (await first.call('GET', '/connectors/a/config')).body as { file: string }
    assert.equal(info.file, `\${env:KHLONG_OUT}`)
    kafka.put('t1', '"x"')
    await first.worker.settled()
    const failed = first.worker.vitals().items.filter((item) => item.state === 'failed')
    assert.deepEqual(
      failed.map((item) => item.name),
      ['broken', 'u'],
    )
    assert.match(failed[0]?.note ?? '', /^broken\.json: not JSON/)
    await first.call('PATCH', '/connectors/a/config', {
      'tasks.max': '1',
      'errors.tolerance': 'all',
    })
    await first.worker.stop()
    assert.equal(await readFile(`${folder}/a`, 'utf8'), 'x\n')

    const second = await startWorker(t, options, { kafka })
    const kept = (await second.call('GET', '/connectors/a/config')).body as Record<string, string>
    assert.equal(kept['errors.tolerance'], 'all')
    await second.worker.stop()

    await write('a.json', { name: 'a', config: { ...config, file: `${folder}/changed` } })
    const third = await startWorker(t, options, { kafka })
    const changed = (await third.call('GET', '/connectors/a/config')).body as { file: string }
    assert.equal(changed.file, `${folder}/changed`)
  })

  test('a variable that is not set fails the creation and names itself', async (t) => {
    const { call } = await startWorker(t, { env: {} })
    const { status, body } = await call('POST', '/connectors', {
      name: 'f',
      config: { 'connector.class': sinkClass, topics: 't', file: `\${env:KHLONG_NOT_THERE}` },
    })
    assert.equal(status, 400)
    assert.match((body as { message: string }).message, /no variable KHLONG_NOT_THERE/)
  })

  test('what a variable holds is used and never shown', async (t) => {
    const { call } = await startWorker(t, { env: { KHLONG_MQTT_URL: 'secret://u:p@host' } })
    const { body } = await call('PUT', '/connector-plugins/MqttSource/config/validate', {
      'connector.class': 'MqttSource',
      name: 'm',
      'mqtt.topics': 'a',
      'mqtt.server.uri': `\${env:KHLONG_MQTT_URL}`,
    })
    const text = JSON.stringify(body)
    assert.match(
      text,
      /Invalid value \$\{env:KHLONG_MQTT_URL\} for configuration mqtt\.server\.uri/,
    )
    assert.doesNotMatch(text, /u:p@host/)
  })

  test('a setting that is unknown or not supported is refused by name', () => {
    assert.throws(() => resolveConnectOptions({ 'bootstrap.server': 'x' }), {
      code: 'SETTINGS_INVALID',
      message: 'options: bootstrap.server: unknown setting; did you mean bootstrap.servers?',
    })
    for (const [setting, value, message] of [
      ['rest.extension.classes', 'a.B', /rest\.extension\.classes: not supported yet/],
      ['topic.creation.enable', 'false', /topic\.creation\.enable: false is not supported yet/],
      ['connector.client.config.override.policy', 'None', /policy: not supported yet but for All/],
      ['rest.port', '8083', /rest\.port: Kafka 3\.0 has it no more; write listeners=/],
      [
        'consumer.max.poll.record',
        '5',
        /consumer\.max\.poll\.record: .* did you mean max\.poll\.records/,
      ],
    ] as const)
      assert.throws(() => resolveConnectOptions({ [setting]: value }), { message })
  })

  test('where REST listens is said by listen before listeners, and once read is read again alike', () => {
    const listenOf = (settings: object): unknown => {
      const options = resolveConnectOptions(settings)
      assert.deepEqual(resolveConnectOptions(options), options)
      return options.listen
    }
    assert.equal(listenOf({}), 8083)
    assert.equal(listenOf({ listeners: 'http://localhost:1' }), 'localhost:1')
    assert.equal(listenOf({ listeners: 'HTTP://:1' }), '0.0.0.0:1')
    assert.equal(listenOf({ listeners: 'http://localhost:1', listen: 2 }), 2)
    assert.equal(listenOf({ 'producer.acks': '1', 'plugin.path': 'x' }), 8083)
  })

  test('a port that is taken is said', async (t) => {
    const { worker } = await startWorker(t)
    const other = new ConnectWorker(
      { listen: worker.addresses.http!, data: await temporaryFolder(t) },
      { kafka: new MemoryKafka() },
    )
    await assert.rejects(other.start(), { code: 'LISTEN_TAKEN' })
    assert.equal(other.status, 'failed')
  })

  test('a bad record fails the task with a trace, and with tolerance it becomes a dead letter', async (t) => {
    const { call, create, folder, kafka, reach } = await startWorker(t)
    const config = {
      'connector.class': sinkClass,
      topics: 't1',
      file: `${folder}/out`,
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter.schemas.enable': false,
    }
    kafka.put('t1', '{"n":1}', 'not json', '{"n":2}')
    await create('f', config)
    const { trace } = await reach('f', 'FAILED')
    assert.match(
      trace ?? '',
      /^org\.apache\.kafka\.connect\.errors\.ConnectException: Tolerance exceeded in error handler\n/,
    )
    assert.match(trace ?? '', /Caused by: org\.apache\.kafka\.connect\.errors\.DataException/)

    await call('PATCH', '/connectors/f/config', {
      'errors.tolerance': 'all',
      'errors.deadletterqueue.topic.name': 'letters',
      'errors.deadletterqueue.context.headers.enable': true,
    })
    const [letter] = await kafka.waitFor('letters', 1)
    assert.equal(textOf(letter!.value), 'not json')
    const headers = headersOf(letter!.headers)
    assert.equal(headers['__connect.errors.topic'], 't1')
    assert.equal(headers['__connect.errors.partition'], '0')
    assert.equal(headers['__connect.errors.offset'], '1')
    assert.equal(headers['__connect.errors.connector.name'], 'f')
    assert.equal(headers['__connect.errors.task.id'], '0')
    assert.equal(headers['__connect.errors.stage'], 'VALUE_CONVERTER')
    assert.equal(
      headers['__connect.errors.class.name'],
      'org.apache.kafka.connect.json.JsonConverter',
    )
    assert.equal(
      headers['__connect.errors.exception.class.name'],
      'org.apache.kafka.connect.errors.DataException',
    )
    await call('PUT', '/connectors/f/stop')
    assert.equal(await readFile(`${folder}/out`, 'utf8'), '{n=1}\n{n=2}\n')
    assert.equal(kafka.committed.get('connect-f/t1'), 3)
  })

  test('a connector gets another class under the same name', async (t) => {
    const { call, create, folder, kafka, reach } = await startWorker(t)
    kafka.put('t1', '"x"')
    const file = `${folder}/f`
    await create('c', { 'connector.class': sinkClass, topics: 't1', file })
    await eventually(async () => assert.equal(await readFile(file, 'utf8'), 'x\n'))
    const source = { 'connector.class': sourceClass, topic: 't2', file }
    assert.equal((await call('PUT', '/connectors/c/config', source)).status, 200)
    await reach('c', 'RUNNING')
    assert.equal(textOf((await kafka.waitFor('t2', 1))[0]!.value), '"x"')
    const { body } = await call('GET', '/connectors/c')
    assert.equal((body as { type: string }).type, 'source')
  })

  test('tasks that cannot be stored now are stored later', async (t) => {
    const { create, folder, kafka, reach } = await startWorker(t)
    kafka.failTablePuts = 1
    kafka.failTableKey = 'task-c-0'
    await create('c', { 'connector.class': sinkClass, topics: 't1', file: `${folder}/f` })
    await reach('c', 'RUNNING')
    assert.equal(kafka.failTablePuts, 0)
  })

  test('a file source follows its file and goes on behind the last line', async (t) => {
    const { call, create, folder, kafka, worker } = await startWorker(t, {
      'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    })
    const file = `${folder}/in.txt`
    await writeFile(file, 'one\ntwo\nhalf')
    await create('s', { 'connector.class': sourceClass, file, topic: 'lines' })
    assert.deepEqual(
      (await kafka.waitFor('lines', 2)).map(({ value }) => textOf(value)),
      ['one', 'two'],
    )
    assert.equal(worker.sourcesSubscribed(), true)
    await call('PUT', '/connectors/s/stop')
    assert.deepEqual((await call('GET', '/connectors/s/offsets')).body, {
      offsets: [{ partition: { filename: file }, offset: { position: 8 } }],
    })
    await writeFile(file, 'one\ntwo\nhalf and whole\n')
    await call('PUT', '/connectors/s/resume')
    const lines = await kafka.waitFor('lines', 3)
    assert.equal(textOf(lines[2]!.value), 'half and whole')
  })

  test('a connector of the user’s own runs, and one that hangs is cut when the worker stops', async (t) => {
    const seen: string[] = []
    const spec = new ConfigSpec({ greeting: configField.string('What to say.') }, 'Own')
    let release: () => void = () => {}
    const own: SinkPlugin = {
      kind: 'sink',
      className: 'com.example.OwnSinkConnector',
      version: '1.0',
      spec,
      describe: () => ['own'],
      createTask(config) {
        const { greeting } = spec.parse(config)
        return {
          start: async () => {},
          put(records) {
            for (const { value } of records) seen.push(`${greeting} ${String(value)}`)
            return new Promise((resolve) => {
              release = resolve
            })
          },
          stop: async () => release(),
        }
      },
    }
    const options = { 'task.shutdown.graceful.timeout.ms': 10 }
    const { create, kafka, worker } = await startWorker(t, options, { plugins: [own] })
    kafka.put('t1', '"world"')
    await create('o', { 'connector.class': 'OwnSink', topics: 't1', greeting: 'hello' })
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await worker.stop()
    assert.deepEqual(seen, ['hello world'])
  })

  test('its metrics and vitals tell of connectors by their names', async (t) => {
    const { create, folder, kafka, reach, worker } = await startWorker(t)
    kafka.put('t1', '1', '2')
    await create('f', { 'connector.class': sinkClass, topics: 't1', file: `${folder}/o` })
    await reach('f', 'RUNNING')
    while (!worker.metrics().includes('sink_record_send_total{connector="f",task="0"} 2'))
      await new Promise((resolve) => setImmediate(resolve))
    assert.match(worker.metrics(), /kafka_connect_worker_connector_count 1\n/)
    assert.match(worker.metrics(), /kafka_connect_worker_rebalance_rebalancing 0\n/)
    assert.match(
      worker.metrics(),
      /kafka_connect_worker_rebalance_completed_rebalances_total [1-9]\n/,
    )
    assert.match(
      worker.metrics(),
      /kafka_connect_connector_status\{connector="f",status="running"\} 1\n/,
    )
    assert.deepEqual(worker.vitals().items, [
      {
        kind: 'connector',
        name: 'f',
        state: 'running',
        recordsIn: 2,
        recordsOut: 2,
        lag: 0,
        deadLetters: 0,
        from: ['t1'],
        to: [`file:${folder}/o`],
      },
    ])
  })
})
