import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import fc from 'fast-check'
import { CsvReader, csvField } from '../src/connectors/file/csv.ts'
import { startWorker, type TestWorker } from './helpers/worker.ts'

const format = { separator: ',', quote: '"' }

describe('CSV', () => {
  test('what is written is read, however the text is cut', () => {
    const fields = fc.array(
      fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', 'ก') }),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 4 }), fc.nat(), (rows, seed) => {
        const text = rows
          .map((row) => `${row.map((field) => csvField(field, format)).join(',')}\r\n`)
          .join('')
        const cut = text.length === 0 ? 0 : seed % text.length
        const reader = new CsvReader(format)
        assert.deepEqual(
          [...reader.read(text.slice(0, cut)), ...reader.read(text.slice(cut)), ...reader.end()],
          rows,
        )
      }),
    )
  })

  test('the last row needs no line end, and empty lines are none', () => {
    const reader = new CsvReader(format)
    assert.deepEqual(
      [...reader.read('a,b\n\n"c ""d""",'), ...reader.end()],
      [
        ['a', 'b'],
        ['c "d"', ''],
      ],
    )
  })
})

describe('the sources of folders', () => {
  const csvClass = 'com.github.jcustenborder.kafka.connect.spooldir.SpoolDirCsvSourceConnector'
  const config = (worker: TestWorker): Record<string, string> => ({
    topic: 'rows',
    'input.path': `${worker.folder}/in`,
    'finished.path': `${worker.folder}/done`,
    'input.file.pattern': '.*\\.(csv|json)',
    'empty.poll.wait.ms': '10',
  })
  const put = async (worker: TestWorker, name: string, text: string): Promise<void> => {
    await mkdir(`${worker.folder}/in`, { recursive: true })
    await writeFile(`${worker.folder}/part`, text)
    await rename(`${worker.folder}/part`, `${worker.folder}/in/${name}`)
  }
  const values = ({ kafka }: TestWorker): unknown[] =>
    kafka.records('rows').map(({ value }) => JSON.parse(String(value)))

  for (const support of ['disabled', 'enabled'] as const)
    test(`CSV files become Structs and are moved when all of it is in Kafka (exactly once: ${support})`, async (t) => {
      const worker = await startWorker(t, { 'exactly.once.source.support': support })
      await put(worker, '1.csv', 'id,name\n1,"a, b"\n2,c\nbad\n')
      await put(worker, '2.csv', 'id,name\n3,d')
      await put(worker, 'else.txt', 'x\n')
      await worker.create('s', {
        ...config(worker),
        'connector.class': csvClass,
        'csv.first.row.as.header': 'true',
        'schema.generation.enabled': 'true',
        'batch.size': '2',
        'errors.tolerance': 'all',
        'errors.deadletterqueue.topic.name': 'dead',
      })
      await worker.kafka.waitFor('rows', 3)
      assert.deepEqual(values(worker), [
        { id: '1', name: 'a, b' },
        { id: '2', name: 'c' },
        { id: '3', name: 'd' },
      ])
      await worker.kafka.waitFor('dead', 1)
      await eventually(async () =>
        assert.deepEqual((await readdir(`${worker.folder}/done`)).sort(), ['1.csv', '2.csv']),
      )
      assert.deepEqual(await readdir(`${worker.folder}/in`), ['else.txt'])
      // Another file under a name that was there before begins anew.
      await put(worker, '1.csv', 'id,name\n4,e\n')
      await worker.kafka.waitFor('rows', 4)
    })

  test('JSON lines go on behind what is in Kafka, and a file that stays is not read twice', async (t) => {
    const worker = await startWorker(t)
    await put(worker, 'a.json', '{"n":1}\n{"n":2}\n')
    await worker.create('s', {
      ...config(worker),
      'connector.class': 'SpoolDirSchemaLessJsonSource',
      'cleanup.policy': 'NONE',
    })
    await worker.kafka.waitFor('rows', 2)
    await worker.kafka.waitFor('connect-offsets', 1)
    await worker.call('POST', '/connectors/s/restart?includeTasks=true')
    await put(worker, 'b.json', '{"n":3}\n\n{"n":4}')
    await worker.kafka.waitFor('rows', 4)
    assert.deepEqual(values(worker), [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
  })

  test('what is missing or not supported is said', async (t) => {
    const worker = await startWorker(t)
    const { body } = await worker.call('POST', '/connectors', {
      name: 's',
      config: { ...config(worker), 'connector.class': csvClass, 'csv.seperator.char': '59' },
    })
    const text = JSON.stringify(body)
    assert.match(text, /csv\.seperator\.char; did you mean csv\.separator\.char\?/)
  })
})

describe('the sink of a folder', () => {
  const sink = 'io.khlong.connect.file.DirectorySinkConnector'

  test('files are named by their first record, and a repetition writes the same again', async (t) => {
    const { kafka, create, call, folder } = await startWorker(t, { 'offset.flush.interval.ms': 20 })
    kafka.put('t1', '{"n":1}', '{"n":2}', '{"n":3}')
    const config = {
      'connector.class': sink,
      topics: 't1',
      directory: `${folder}/out`,
      'format.output.fields': 'value,offset',
      'file.max.records': '2',
    }
    await create('s', config)
    const files = async (): Promise<Record<string, string>> => {
      const names = (await readdir(`${folder}/out`)).sort()
      const texts = await Promise.all(
        names.map((name) => readFile(`${folder}/out/${name}`, 'utf8')),
      )
      return Object.fromEntries(names.map((name, index) => [name, texts[index]!]))
    }
    const expected = {
      't1-0-00000000000000000000.jsonl':
        '{"value":{"n":1},"offset":0}\n{"value":{"n":2},"offset":1}\n',
      't1-0-00000000000000000002.jsonl': '{"value":{"n":3},"offset":2}\n',
    }
    await eventually(async () => assert.deepEqual(await files(), expected))
    await eventually(() => assert.equal(kafka.committed.get('connect-s/t1'), 3))
    assert.equal((await call('PUT', '/connectors/s/stop')).status, 204)
    assert.equal((await call('DELETE', '/connectors/s/offsets')).status, 200)
    await call('PUT', '/connectors/s/resume')
    await eventually(() => assert.equal(kafka.committed.get('connect-s/t1'), 3))
    assert.deepEqual(await files(), expected)
  })

  test('CSV has a header, and a new file where the fields change', async (t) => {
    const { kafka, create, folder } = await startWorker(t, { 'offset.flush.interval.ms': 20 })
    kafka.put('t1', '{"a":1,"b":"x, y"}', '{"a":2,"b":null}', '{"a":3}')
    await create('s', {
      'connector.class': 'DirectorySink',
      topics: 't1',
      directory: `${folder}/out`,
      'format.output.type': 'csv',
    })
    await eventually(async () => {
      const texts = []
      for (const name of (await readdir(`${folder}/out`)).sort())
        texts.push(await readFile(`${folder}/out/${name}`, 'utf8'))
      assert.deepEqual(texts, ['a,b\n1,"x, y"\n2,\n', 'a\n3\n'])
    })
  })
})
