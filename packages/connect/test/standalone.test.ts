import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { FileTable } from '../src/standalone/file-table.ts'
import { MemoryKafka } from './helpers/memory-kafka.ts'
import { startWorker } from './helpers/worker.ts'

describe('a worker without a group', () => {
  test('runs connectors of files and goes on where its file of offsets says', async (t) => {
    const kafka = new MemoryKafka()
    const folder = await temporaryFolder(t)
    const connectors = `${folder}/connectors`
    await mkdir(connectors)
    await writeFile(
      `${connectors}/lines.properties`,
      `name=lines\nconnector.class=FileStreamSource\ntasks.max=1\nfile=${folder}/in\ntopic=t1\n`,
    )
    const sink = { 'connector.class': 'FileStreamSink', topics: 't1', file: `${folder}/out` }
    await writeFile(`${connectors}/out.json`, JSON.stringify(sink))
    await writeFile(`${folder}/in`, 'one\n')
    const options = {
      connectors,
      'offset.storage.file.filename': `${folder}/offsets.json`,
      'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    }
    const arrived = (text: string): Promise<void> =>
      eventually(async () => assert.equal(await readFile(`${folder}/out`, 'utf8'), text))

    const first = await startWorker(t, options, { kafka })
    await arrived('one\n')
    assert.deepEqual((await first.call('GET', '/connectors')).body, ['lines', 'out'])
    await first.reach('lines', 'RUNNING')
    await first.call('PUT', '/connectors/out/pause')
    await first.reach('out', 'PAUSED')
    await first.worker.stop()
    assert.deepEqual([...kafka.topics.keys()], ['t1'])

    await writeFile(`${folder}/in`, 'one\ntwo\n')
    const second = await startWorker(t, options, { kafka })
    await second.reach('out', 'RUNNING')
    await arrived('one\ntwo\n')
    assert.equal(kafka.records('t1').length, 2)
  })

  test('writes that come together share a flush, and all are in the file', async (t) => {
    const file = `${await temporaryFolder(t)}/offsets.json`
    const table = new FileTable('offsets', file)
    await table.open(() => {})
    await Promise.all(
      Array.from({ length: 50 }, (_item, index) => table.put([[`k${index}`, `v${index}`]])),
    )
    await table.put([
      ['k0', null],
      ['k1', 'new'],
    ])
    const found = new Map<string, string>()
    await new FileTable('offsets', file).open(({ key, value }) => {
      found.set(String(key), String(value))
    })
    assert.equal(found.size, 49)
    assert.equal(found.get('k1'), 'new')
    assert.equal(found.get('k49'), 'v49')
  })

  test('a file that is not ours is refused and left as it is', async (t) => {
    const file = `${await temporaryFolder(t)}/offsets`
    await writeFile(file, 'java')
    await assert.rejects(
      new FileTable('offsets', file).open(() => {}),
      {
        code: 'CONNECT_CONFIG',
        message: /is no file of offsets that this version reads/,
      },
    )
    assert.equal(await readFile(file, 'utf8'), 'java')
  })
})
