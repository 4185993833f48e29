import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { eventually, FakeClock } from '@khlong/core/testing'
import { ConfigSpec, type SinkPlugin } from '../src/index.ts'
import { MemoryKafka } from './helpers/memory-kafka.ts'
import { startWorker } from './helpers/worker.ts'

const sinkClass = 'org.apache.kafka.connect.file.FileStreamSinkConnector'

/** A sink that says something at DEBUG. */
const chatty: SinkPlugin = {
  kind: 'sink',
  className: 'com.example.ChattySinkConnector',
  version: '1',
  spec: new ConfigSpec({}, 'Chatty'),
  describe: () => [],
  createTask: (_config, { logger }) => ({
    start: async () => logger.debug({}, 'a word'),
    put: async () => {},
    stop: async () => {},
  }),
}

describe('the REST API', () => {
  test('a connector is made, shown, changed and deleted as in Java', async (t) => {
    const { call, folder, reach, worker } = await startWorker(t)
    const workerId = worker.addresses.http
    const file = `${folder}/out.txt`
    const created = await call('POST', '/connectors', {
      name: 'f',
      config: { 'connector.class': sinkClass, 'tasks.max': 1, topics: 't1', file },
    })
    const config = { 'connector.class': sinkClass, 'tasks.max': '1', topics: 't1', file, name: 'f' }
    assert.deepEqual(created, { status: 201, body: { name: 'f', config, tasks: [], type: 'sink' } })
    await reach('f', 'RUNNING')

    const info = { name: 'f', config, tasks: [{ connector: 'f', task: 0 }], type: 'sink' }
    const running = { state: 'RUNNING', worker_id: workerId, version: '0.1.0' }
    const status = {
      name: 'f',
      connector: running,
      tasks: [{ id: 0, ...running }],
      type: 'sink',
    }
    assert.deepEqual((await call('GET', '/connectors')).body, ['f'])
    assert.deepEqual((await call('GET', '/connectors/f')).body, info)
    assert.deepEqual((await call('GET', '/connectors/f/config')).body, config)
    assert.deepEqual((await call('GET', '/connectors/f/status')).body, status)
    assert.deepEqual((await call('GET', '/connectors?expand=status&expand=info')).body, {
      f: { status, info },
    })
    assert.deepEqual((await call('GET', '/connectors/f/tasks')).body, [
      {
        id: { connector: 'f', task: 0 },
        config: { ...config, 'task.class': 'org.apache.kafka.connect.file.FileStreamSinkTask' },
      },
    ])

    const patched = await call('PATCH', '/connectors/f/config', { file: null, 'tasks.max': 2 })
    assert.equal(patched.status, 200)
    const { file: _file, ...rest } = config
    assert.deepEqual((patched.body as { config: unknown }).config, { ...rest, 'tasks.max': '2' })
    const put = await call('PUT', '/connectors/f/config', { ...config })
    assert.equal(put.status, 200)
    assert.equal((await call('PUT', '/connectors/g/config', { ...config, name: 'g' })).status, 201)
    assert.deepEqual(await call('DELETE', '/connectors/g'), { status: 204, body: undefined })
    assert.deepEqual((await call('GET', '/connectors')).body, ['f'])
  })

  test('pause, resume, stop and restart answer as Java and change the states', async (t) => {
    const { call, create, folder, kafka, reach } = await startWorker(t)
    const file = `${folder}/out.txt`
    await create('f', { 'connector.class': sinkClass, topics: 't1', file })
    await reach('f', 'RUNNING')
    assert.equal((await call('PUT', '/connectors/f/pause')).status, 202)
    await reach('f', 'PAUSED')
    kafka.put('t1', '"while paused"')
    assert.equal((await call('PUT', '/connectors/f/resume')).status, 202)
    await reach('f', 'RUNNING')
    assert.equal((await call('PUT', '/connectors/f/stop')).status, 204)
    const stopped = (await call('GET', '/connectors/f/status')).body
    assert.deepEqual((stopped as { tasks: unknown }).tasks, [])
    assert.equal((stopped as { connector: { state: string } }).connector.state, 'STOPPED')
    assert.equal((await call('PUT', '/connectors/f/resume')).status, 202)
    await reach('f', 'RUNNING')
    assert.equal((await call('POST', '/connectors/f/restart')).status, 204)
    const restarted = await call('POST', '/connectors/f/restart?includeTasks=true')
    assert.equal(restarted.status, 202)
    const { tasks } = restarted.body as { tasks: { state: string }[] }
    assert.equal(tasks[0]?.state, 'RESTARTING')
    assert.equal((await call('POST', '/connectors/f/tasks/0/restart')).status, 204)
    await eventually(async () => assert.equal(await readFile(file, 'utf8'), 'while paused\n'))
  })

  test('errors have the status codes and the words of Java', async (t) => {
    const { call } = await startWorker(t)
    const expectError = async (
      method: string,
      path: string,
      body: unknown,
      status: number,
      message: string | RegExp,
    ): Promise<void> => {
      const answer = await call(method, path, body)
      assert.equal(answer.status, status, `${method} ${path}`)
      const error = answer.body as { error_code: number; message: string }
      assert.equal(error.error_code, status)
      if (typeof message === 'string') assert.equal(error.message, message)
      else assert.match(error.message, message)
    }
    await expectError('GET', '/connectors/nope', undefined, 404, 'Connector nope not found')
    await expectError(
      'GET',
      '/connectors/nope/status',
      undefined,
      404,
      'No status found for connector nope',
    )
    await expectError('PUT', '/connectors/nope/pause', undefined, 404, 'Unknown connector nope')
    await expectError('DELETE', '/connectors/nope', undefined, 404, 'Connector nope not found')
    await expectError('GET', '/foo', undefined, 404, 'HTTP 404 Not Found')
    await expectError('DELETE', '/connectors', undefined, 405, 'HTTP 405 Method Not Allowed')
    await expectError(
      'POST',
      '/connectors',
      { name: 'g', config: {} },
      400,
      'Connector config {name=g} contains no connector type',
    )
    await expectError(
      'POST',
      '/connectors',
      { name: 'g', config: { 'connector.class': 'nope.Nope' } },
      400,
      /^Failed to find any class that implements Connector and which name matches nope\.Nope, available connectors are: PluginDesc\{klass=class /,
    )
    await expectError(
      'POST',
      '/connectors',
      { name: 'g', config: { 'connector.class': 'FileStreamSource', topic: 't' } },
      400,
      'Connector configuration is invalid and contains the following 1 error(s):\nMissing required configuration "file" which has no default value.\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
    )
    await expectError('POST', '/connectors', '{bad', 500, /./)
    const good = { 'connector.class': 'FileStreamSource', topic: 't', file: '/dev/null' }
    await expectError(
      'POST',
      '/connectors',
      { name: 'g', config: { ...good, name: 'h' } },
      400,
      "Connector name configuration (h) doesn't match connector name in the URL (g)",
    )
    assert.equal((await call('POST', '/connectors', { name: 'g', config: good })).status, 201)
    await expectError(
      'POST',
      '/connectors',
      { name: 'g', config: good },
      409,
      'Connector g already exists',
    )
    await expectError(
      'GET',
      '/connectors/g/tasks/7/status',
      undefined,
      404,
      'No status found for task g-7',
    )
    await expectError('POST', '/connectors/g/tasks/9/restart', undefined, 404, 'Unknown task: g-9')
    await expectError(
      'DELETE',
      '/connectors/g/offsets',
      undefined,
      400,
      /must be in the STOPPED state/,
    )
  })

  test('validate reports each option, and one that nobody knows with the nearest', async (t) => {
    const { call } = await startWorker(t)
    const answer = await call('PUT', '/connector-plugins/FileStreamSink/config/validate', {
      'connector.class': 'FileStreamSink',
      name: 'n',
      topics: 't1',
      'tasks.max': 'many',
      'errors.tolerence': 'all',
      transforms: 'a',
      'transforms.a.type': 'org.apache.kafka.connect.transforms.HoistField$Value',
    })
    assert.equal(answer.status, 200)
    const { name, error_count, configs } = answer.body as {
      name: string
      error_count: number
      configs: { value: { name: string; errors: string[] } }[]
    }
    assert.equal(name, 'FileStreamSink')
    const errors = configs.flatMap(({ value }) => value.errors)
    assert.deepEqual(errors, [
      'Invalid value many for configuration tasks.max: Not a number of type INT',
      'Missing required configuration "transforms.a.field" which has no default value.',
      'Configuration is not defined: errors.tolerence; did you mean errors.tolerance?',
    ])
    assert.equal(error_count, errors.length)
    const other = await call('PUT', '/connector-plugins/FileStreamSink/config/validate', {
      'connector.class': 'FileStreamSource',
    })
    assert.deepEqual(other, {
      status: 400,
      body: {
        error_code: 400,
        message:
          'Included connector type FileStreamSource does not match request type FileStreamSink',
      },
    })
  })

  test('a request that Kafka holds up is answered in the end, as in Java', async (t) => {
    const clock = new FakeClock()
    const { call, kafka } = await startWorker(t, {}, { clock })
    const gate = Promise.withResolvers<void>()
    kafka.tableGate = gate.promise
    t.after(() => gate.resolve())
    let answer: Awaited<ReturnType<typeof call>> | undefined
    const config = { 'connector.class': sinkClass, topics: 't' }
    const asked = call('PUT', '/connectors/f/config', config).then((given) => {
      answer = given
    })
    // Nothing says when the request has come to where it waits.
    await eventually(() => {
      clock.advance(90_000)
      assert.ok(answer)
    })
    await asked
    assert.deepEqual(answer, {
      status: 500,
      body: { error_code: 500, message: 'Request timed out' },
    })
    kafka.tableGate = undefined
    gate.resolve()
  })

  test('plugins, worker and loggers are listed', async (t) => {
    const { call } = await startWorker(t)
    const plugins = (await call('GET', '/connector-plugins')).body as {
      class: string
      type: string
    }[]
    const types = new Map(plugins.map((plugin) => [plugin.class, plugin.type]))
    assert.equal(types.size, plugins.length)
    for (const [className, type] of [
      ['com.mongodb.kafka.connect.MongoSinkConnector', 'sink'],
      ['io.confluent.connect.mqtt.MqttSinkConnector', 'sink'],
      ['io.confluent.connect.prometheus.PrometheusMetricsSinkConnector', 'sink'],
      ['io.confluent.connect.jdbc.JdbcSinkConnector', 'sink'],
      [sinkClass, 'sink'],
      ['io.confluent.connect.mqtt.MqttSourceConnector', 'source'],
      ['io.confluent.connect.jdbc.JdbcSourceConnector', 'source'],
      ['org.apache.kafka.connect.file.FileStreamSourceConnector', 'source'],
    ] as const)
      assert.equal(types.get(className), type, className)
    const all = (await call('GET', '/connector-plugins?connectorsOnly=false')).body as {
      type: string
    }[]
    assert.equal(all.filter(({ type }) => type === 'transformation').length, 26)
    assert.equal(all.filter(({ type }) => type === 'predicate').length, 3)
    assert.deepEqual((await call('GET', '/')).body, {
      version: '4.3.1-khlong',
      commit: 'khlong',
      kafka_cluster_id: 'memory-cluster',
    })
    assert.deepEqual((await call('GET', '/health')).body, {
      status: 'healthy',
      message: 'Worker has completed startup and is ready to handle requests.',
    })
    const config = (await call('GET', '/connector-plugins/FileStreamSink/config')).body as {
      name: string
    }[]
    assert.equal(config[0]?.name, 'file')
    assert.deepEqual((await call('GET', '/connector-plugins/Nope/config')).body, {
      error_code: 404,
      message: 'Unknown plugin Nope.',
    })
  })

  test('log levels are shown, and changed for one worker or for all', async (t) => {
    const kafka = new MemoryKafka()
    const debugged: string[] = []
    const logger = {
      ...silentLogger,
      info: (fields: { logger?: string }, message: string) => {
        if (fields.logger) debugged.push(message)
      },
    }
    const { call, worker } = await startWorker(t, {}, { kafka, plugins: [chatty] })
    const other = await startWorker(t, {}, { kafka, plugins: [chatty], logger })
    const root = { level: 'INFO', last_modified: null }
    assert.deepEqual((await call('GET', '/admin/loggers')).body, { root })
    assert.equal((await call('PUT', '/admin/loggers/root', { level: 'HUH' })).status, 404)
    assert.equal((await call('PUT', '/admin/loggers/root', {})).status, 400)
    const own = await call('PUT', '/admin/loggers/com.example', { level: 'debug' })
    assert.deepEqual(own, { status: 200, body: ['com.example'] })
    const { level } = (await call('GET', '/admin/loggers/com.example')).body as { level: string }
    assert.equal(level, 'DEBUG')
    assert.equal((await other.call('GET', '/admin/loggers/com.example')).status, 404)

    // With the first gone, the other one runs whatever is made.
    await worker.stop()
    const all = '/admin/loggers/com.example?scope=cluster'
    assert.equal((await other.call('PUT', all, { level: 'DEBUG' })).status, 204)
    await other.create('c', { 'connector.class': 'com.example.ChattySinkConnector', topics: 't' })
    await eventually(() => assert.deepEqual(debugged, ['a word']))
  })

  test('offsets of a sink are its group’s, and are reset when it is stopped', async (t) => {
    const { call, create, folder, kafka } = await startWorker(t)
    kafka.put('t1', '1', '2')
    await create('f', { 'connector.class': sinkClass, topics: 't1', file: `${folder}/o` })
    // RUNNING says that the task may read, not that it has read.
    await eventually(async () => assert.equal(await readFile(`${folder}/o`, 'utf8'), '1\n2\n'))
    await call('PUT', '/connectors/f/stop')
    await eventually(async () =>
      assert.deepEqual((await call('GET', '/connectors/f/offsets')).body, {
        offsets: [
          { partition: { kafka_topic: 't1', kafka_partition: 0 }, offset: { kafka_offset: 2 } },
        ],
      }),
    )
    const back = {
      offsets: [
        { partition: { kafka_topic: 't1', kafka_partition: 0 }, offset: { kafka_offset: 1 } },
      ],
    }
    assert.deepEqual((await call('PATCH', '/connectors/f/offsets', back)).body, {
      message: 'The offsets for this connector have been altered successfully',
    })
    assert.deepEqual((await call('GET', '/connectors/f/offsets')).body, back)
    const vague = { offsets: [{ partition: { kafka_topic: 't1' }, offset: null }] }
    assert.equal((await call('PATCH', '/connectors/f/offsets', vague)).status, 400)
    assert.deepEqual((await call('DELETE', '/connectors/f/offsets')).body, {
      message: 'The offsets for this connector have been reset successfully',
    })
    assert.deepEqual((await call('GET', '/connectors/f/offsets')).body, { offsets: [] })
    assert.deepEqual((await call('GET', '/connectors/f/topics')).body, { f: { topics: ['t1'] } })
  })
})
