import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Consumer } from '@khlong/kafka-client'
import { start } from '../src/test/index.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

interface Status {
  tasks: { state: string }[]
}

/** `khlong connect …`, ended when the test is over. */
function khlongConnect(t: TestContext, folder: string, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [main, 'connect', '--data', `${folder}/data`, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  return child
}

async function errorsOf(child: ChildProcess): Promise<string> {
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const [code] = await once(child, 'exit')
  assert.notEqual(code, 0)
  return errors
}

test("a standalone worker runs from Java's files, and the flag says which Kafka", async (t) => {
  const { kafka, stop } = await start({ kafka: true })
  t.after(stop)
  const folder = await temporaryFolder(t)
  const worker = path.join(folder, 'connect-standalone.properties')
  await writeFile(
    worker,
    `bootstrap.servers=127.0.0.1:1
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.file.filename=${folder}/connect.offsets
offset.flush.interval.ms=10000
listeners=http://127.0.0.1:0
`,
  )
  await writeFile(
    `${folder}/in.properties`,
    `name=in\nconnector.class=FileStreamSource\nfile=${folder}/in.txt\ntopic=lines\n`,
  )
  await writeFile(
    `${folder}/out.properties`,
    `name=out\nconnector.class=FileStreamSink\nfile=${folder}/later/out.txt\ntopics=lines\n`,
  )
  await writeFile(`${folder}/in.txt`, 'one\n')
  await writeFile(`${folder}/later`, 'in the way')
  const files = [worker, `${folder}/in.properties`, `${folder}/out.properties`]
  const child = khlongConnect(t, folder, ...files, '--bootstrap-server', kafka.bootstrapServers)
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  assert.match(line, /^connect http 127\.0\.0\.1:\d+$/)
  const url = `http://${line.split(' ')[2]}`
  assert.deepEqual(await (await fetch(`${url}/connectors`)).json(), ['in', 'out'])
  // The task fails where a file stands in the place of its folder, and only a restart that includes it mends that.
  await eventually(async () => {
    const status = (await (await fetch(`${url}/connectors/out/status`)).json()) as Status
    assert.equal(status.tasks[0]?.state, 'FAILED')
  })
  await rm(`${folder}/later`)
  await mkdir(`${folder}/later`)
  const [code] = await once(
    spawn(process.execPath, [main, 'connect', 'restart', 'out', '--url', url]),
    'exit',
  )
  assert.equal(code, 0)
  await appendFile(`${folder}/in.txt`, 'two\n')
  await eventually(async () =>
    assert.equal(await readFile(`${folder}/later/out.txt`, 'utf8'), 'one\ntwo\n'),
  )
})

test("settings of Java's workers are followed, or said to have no effect, and a connector may name another Kafka", async (t) => {
  const [near, far] = [await start({ kafka: true }), await start({ kafka: true })]
  t.after(() => Promise.all([near.stop(), far.stop()]))
  const folder = await temporaryFolder(t)
  const worker = path.join(folder, 'connect-standalone.properties')
  await writeFile(
    worker,
    `bootstrap.servers=${near.kafka.bootstrapServers}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.file.filename=${folder}/connect.offsets
listeners=http://127.0.0.1:0
plugin.path=/usr/share/java
topic.creation.enable=true
connector.client.config.override.policy=All
request.timeout.ms=20000
producer.compression.type=gzip
producer.batch.size=65536
`,
  )
  const source = `connector.class=FileStreamSource\nfile=${folder}/in.txt\n`
  await writeFile(`${folder}/in.txt`, 'one\n')
  await writeFile(`${folder}/near.properties`, `name=near\ntopic=lines\n${source}`)
  await writeFile(
    `${folder}/far.properties`,
    `name=far\ntopic=lines\n${source}producer.override.bootstrap.servers=${far.kafka.bootstrapServers}\n`,
  )
  const files = [worker, `${folder}/near.properties`, `${folder}/far.properties`]
  const child = khlongConnect(t, folder, ...files)
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  for (const { kafka } of [near, far]) {
    const consumer = new Consumer({
      'bootstrap.servers': kafka.bootstrapServers,
      'auto.offset.reset': 'earliest',
      'group.id': 'test',
    })
    t.after(() => consumer.close())
    consumer.subscribe(['lines'])
    await eventually(async () => {
      const values = (await consumer.poll(100)).flatMap(({ records }) =>
        records.map(({ value }) => String(value)),
      )
      assert.deepEqual(values, ['one'], said)
    }, 30_000)
  }
  assert.match(said, /no effect here settings=\["plugin\.path"\]/)
})

test("what is wrong in a worker's file is named with its line", async (t) => {
  const folder = await temporaryFolder(t)
  const worker = path.join(folder, 'worker.properties')
  const errorsWith = async (line: string): Promise<string> => {
    await writeFile(worker, `# a worker\nbootstrap.servers=127.0.0.1:1\n${line}\n`)
    return errorsOf(khlongConnect(t, folder, worker))
  }
  assert.match(await errorsWith('rest.extension.classes=x.Y'), /:3: rest\.extension\.classes: not/)
  assert.match(
    await errorsWith('producer.liner.ms=5'),
    /worker\.properties:3: producer\.liner\.ms: .*did you mean linger\.ms/,
  )
  assert.match(
    await errorsWith('ofset.flush.interval.ms=1'),
    /worker\.properties:3: ofset\.flush\.interval\.ms: .*did you mean offset\.flush\.interval\.ms/,
  )
  assert.match(await errorsWith('listeners=https://:8443'), /:3: listeners: .*HTTPS is not/)
  assert.match(
    await errorsOf(khlongConnect(t, folder, `${folder}/none.properties`)),
    /cannot read the worker's settings .*none\.properties/,
  )
})
