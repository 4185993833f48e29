import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder } from '@khlong/core/testing'
import { ConfigSpec, ConnectError, configField, defineSink } from '../src/index.ts'
import { testSink } from '../src/testing/index.ts'
import { startWorker } from './helpers/worker.ts'

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const guide = path.join(repository, 'docs/connect/own-connector.md')

/** A folder whose files find our packages, with the connector and the test of the guide. */
async function guideFolder(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t)
  await symlink(path.join(repository, 'node_modules'), `${folder}/node_modules`, 'junction')
  const text = await readFile(guide, 'utf8')
  const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!)
  assert.equal(blocks.length, 2)
  await mkdir(`${folder}/plugins`)
  await writeFile(`${folder}/plugins/ticks.ts`, blocks[0]!)
  await writeFile(`${folder}/plugins/ticks.test.ts`, blocks[1]!)
  return folder
}

describe('a connector of the user’s own', () => {
  test('the guide’s connector runs from the folder, and goes on where it was', async (t) => {
    const folder = await guideFolder(t)
    await writeFile(`${folder}/plugins/broken.ts`, 'export default { kind: "source" }\n')
    const { kafka, create, call, worker } = await startWorker(t, { plugins: `${folder}/plugins` })
    await create('ticks', {
      'connector.class': 'TickSource',
      topic: 'ticks',
      'interval.ms': '1',
    })
    await kafka.waitFor('ticks', 3)
    assert.equal((await call('PUT', '/connectors/ticks/stop')).status, 204)
    await call('PUT', '/connectors/ticks/resume')
    const count = kafka.records('ticks').length
    const values = (await kafka.waitFor('ticks', count + 2)).map(
      ({ value }) => (JSON.parse(String(value)) as { n: number }).n,
    )
    assert.deepEqual(
      values,
      values.map((_value, index) => index),
    )
    const [broken] = worker.vitals().items?.filter(({ name }) => name === 'broken.ts') ?? []
    assert.equal(broken?.state, 'failed')
    assert.match(broken?.note ?? '', /has no className/)
  })

  test('the guide’s test passes', async (t) => {
    const folder = await guideFolder(t)
    const { NODE_TEST_CONTEXT: _ours, ...env } = process.env
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--test', 'plugins/ticks.test.ts'],
      { cwd: folder, env },
    )
    assert.match(stdout, /pass 2/)
  })

  test('the test kit gives records to a sink and keeps what it refuses', async () => {
    const stored: unknown[] = []
    const sink = defineSink({
      className: 'com.example.ListSinkConnector',
      version: '1.0.0',
      spec: new ConfigSpec({ max: configField.int('The greatest number.', { default: 9 }) }, null),
      describe: () => ['list'],
      createTask: (config, context) => ({
        async start() {},
        async put(records) {
          for (const record of records)
            if (Number(record.value) > Number(config.max))
              context.reportErrant(record, new ConnectError('CONNECT_DATA', 'too great'))
            else stored.push(record.value)
        },
        async stop() {},
      }),
    })
    await using tester = await testSink(sink, { max: '5' })
    await tester.put({ value: 1 }, { value: 7 }, { value: 3 })
    assert.deepEqual(stored, [1, 3])
    assert.deepEqual(
      tester.refused.map(({ record, error }) => [record.value, error.message]),
      [[7, 'too great']],
    )
    await assert.rejects(testSink(sink, { mx: '5' }), /did you mean max\?/)
  })

  test('a folder that is not there is said', async () => {
    const { loadUserPlugins } = await import('../src/user-plugins.ts')
    await assert.rejects(loadUserPlugins('/no/such/folder'), {
      code: 'CONNECT_CONFIG',
      message: /there is no folder .*\(plugins\)/,
    })
  })
})
