import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { describe, test } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import type { ConnectorStatus } from '../../src/runtime/herder.ts'
import { MemoryKafka } from '../helpers/memory-kafka.ts'
import { startWorker, type TestWorker } from '../helpers/worker.ts'

const sinkClass = 'org.apache.kafka.connect.file.FileStreamSinkConnector'

const statuses = async ({ call }: TestWorker): Promise<ConnectorStatus[]> => {
  const { body } = await call('GET', '/connectors?expand=status')
  return Object.values(body as Record<string, { status: ConnectorStatus }>).map(
    ({ status }) => status,
  )
}

/** How many connectors and tasks each worker runs. */
async function shares(from: TestWorker): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { connector, tasks } of await statuses(from))
    for (const { state, worker_id: worker } of [connector, ...tasks])
      if (state === 'RUNNING') counts[worker] = (counts[worker] ?? 0) + 1
  return counts
}

describe('workers of one group', () => {
  test('start at once with the same files, also where the one that decides is slow', async (t) => {
    const connectors = await temporaryFolder(t)
    await writeFile(
      `${connectors}/a.json`,
      JSON.stringify({
        'connector.class': sinkClass,
        topics: 'lines',
        file: `${connectors}/lines`,
      }),
    )
    const kafka = new MemoryKafka()
    const leading = Promise.withResolvers<void>()
    const refused = Promise.withResolvers<void>()
    // REST of the first is not open before it knows its cluster, and by then it decides already.
    const slow = new Proxy(kafka, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (name !== 'clusterId') return typeof value === 'function' ? value.bind(target) : value
        return async () => {
          leading.resolve()
          await refused.promise
          return target.clusterId()
        }
      },
    })
    const onAnswer = (message: unknown): void => {
      const { response } = message as { response: { statusCode: number } }
      if (response.statusCode === 503) refused.resolve()
    }
    subscribe('undici:request:headers', onAnswer)
    t.after(() => unsubscribe('undici:request:headers', onAnswer))
    const first = startWorker(t, { connectors }, { kafka: slow })
    await leading.promise
    const second = startWorker(t, { connectors }, { kafka })
    for (const { worker } of await Promise.all([first, second]))
      for (const { name, state, note } of worker.vitals().items ?? [])
        assert.notEqual(state, 'failed', `${name}: ${note}`)
    assert.deepEqual((await (await second).call('GET', '/connectors')).body, ['a'])
  })

  test('share connectors and tasks, and each answers for all of them', async (t) => {
    const kafka = new MemoryKafka()
    const folder = await temporaryFolder(t)
    const first = await startWorker(t, {}, { kafka })
    const second = await startWorker(t, {}, { kafka })
    const config = (name: string): Record<string, string> => ({
      'connector.class': sinkClass,
      topics: 't1',
      file: `${folder}/${name}`,
    })
    // Asked of the one that does not lead: it asks the other.
    await second.create('a', config('a'))
    await first.create('b', config('b'))
    const ids = [first, second].map(({ worker }) => worker.addresses.http!)
    await eventually(async () =>
      assert.deepEqual(await shares(second), { [ids[0]!]: 2, [ids[1]!]: 2 }),
    )
    assert.deepEqual(await statuses(first), await statuses(second))
    kafka.put('t1', '"x"')
    for (const name of ['a', 'b'])
      await eventually(async () => assert.equal(await readFile(`${folder}/${name}`, 'utf8'), 'x\n'))

    for (const [index, asked] of [first, second].entries()) {
      const name = ['a', 'b'][index]!
      assert.equal((await asked.call('POST', `/connectors/${name}/tasks/0/restart`)).status, 204)
      assert.equal((await asked.call('POST', `/connectors/${name}/restart`)).status, 204)
      const all = await asked.call('POST', `/connectors/${name}/restart?includeTasks=true`)
      assert.equal(all.status, 202)
    }
    await eventually(async () =>
      assert.deepEqual(await shares(first), { [ids[0]!]: 2, [ids[1]!]: 2 }),
    )
    assert.equal((await second.call('PUT', '/connectors/a/pause')).status, 202)
    assert.equal((await first.call('PUT', '/connectors/b/stop')).status, 204)
    await eventually(async () => {
      const [a, b] = await statuses(second)
      assert.deepEqual([a?.connector.state, a?.tasks[0]?.state], ['PAUSED', 'PAUSED'])
      assert.deepEqual([b?.connector.state, b?.tasks], ['STOPPED', []])
    })
    const changed = await second.call('PATCH', '/connectors/a/config', { file: `${folder}/c` })
    assert.equal(changed.status, 200)
    assert.equal((await second.call('DELETE', '/connectors/b')).status, 204)
    await eventually(async () =>
      assert.deepEqual((await first.call('GET', '/connectors')).body, ['a']),
    )
    assert.equal((await second.call('GET', '/connectors/b/status')).status, 404)
  })

  test('a worker that leaves is replaced when the delay is over, and one that comes takes its part', async (t) => {
    const kafka = new MemoryKafka()
    const folder = await temporaryFolder(t)
    const options = { 'scheduled.rebalance.max.delay.ms': 200 }
    const first = await startWorker(t, options, { kafka })
    const second = await startWorker(t, options, { kafka })
    for (const name of ['a', 'b', 'c', 'd'])
      await first.create(name, {
        'connector.class': sinkClass,
        topics: 't1',
        file: `${folder}/${name}`,
      })
    const ids = [first, second].map(({ worker }) => worker.addresses.http!)
    await eventually(async () =>
      assert.deepEqual(await shares(first), { [ids[0]!]: 4, [ids[1]!]: 4 }),
    )
    await second.worker.stop()
    assert.deepEqual(await shares(first), { [ids[0]!]: 4 })
    await eventually(async () => assert.deepEqual(await shares(first), { [ids[0]!]: 8 }))

    const third = await startWorker(t, options, { kafka })
    await eventually(async () =>
      assert.deepEqual(await shares(third), {
        [ids[0]!]: 4,
        [third.worker.addresses.http!]: 4,
      }),
    )
    // The one that led is gone: another one leads, and knows nothing of who was there.
    await first.worker.stop()
    await eventually(async () =>
      assert.deepEqual(await shares(third), { [third.worker.addresses.http!]: 8 }),
    )
  })

  test('a worker that listens everywhere is known by the name of its machine', async (t) => {
    const options = { listen: '0.0.0.0:0', allow_anonymous: true }
    const { call, create, worker } = await startWorker(t, options)
    await create('c', { 'connector.class': sinkClass, topics: 't', file: '/dev/null' })
    const { body } = await call('GET', '/connectors/c/status')
    const port = worker.addresses.http?.split(':').at(-1)
    assert.equal((body as ConnectorStatus).connector.worker_id, `${hostname()}:${port}`)
    const named = await startWorker(t, {
      ...options,
      'rest.advertised.host.name': 'connect-2',
      'rest.advertised.port': 80,
    })
    await named.create('c', { 'connector.class': sinkClass, topics: 't', file: '/dev/null' })
    const status = (await named.call('GET', '/connectors/c/status')).body as ConnectorStatus
    assert.equal(status.connector.worker_id, 'connect-2:80')
  })

  test('a worker that asks a second time of one that does not lead is refused', async (t) => {
    const kafka = new MemoryKafka()
    await startWorker(t, {}, { kafka })
    const second = await startWorker(t, {}, { kafka })
    const refused = await second.call('DELETE', '/connectors/x?forward=false')
    assert.deepEqual(refused, {
      status: 409,
      body: {
        error_code: 409,
        message:
          'Cannot complete request because of a conflicting operation (e.g. worker rebalance)',
      },
    })
  })
})
