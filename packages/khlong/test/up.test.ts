import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { listenTcp } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { type Document, MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import { PipelineProcess } from '../../../tools/pipeline-process.ts'
import { partNames } from '../src/config/part-names.ts'
import { findRunningPipeline } from '../src/doctor/running-pipeline.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

interface Outcome {
  readonly code: number
  readonly output: string
}

/** Runs the command line to its end. */
function khlong(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, output: `${stdout}${stderr}` })
    })
  })
}

async function pipelineFolder(t: TestContext, yaml: string): Promise<string> {
  const folder = path.join(await temporaryFolder(t), 'mine')
  await mkdir(folder)
  await writeFile(path.join(folder, 'khlong.yml'), yaml)
  return folder
}

test('a wrong key in khlong.yml gives one message with file, line and key, and exit code 1', async (t) => {
  const folder = await pipelineFolder(t, 'name: mine\nmongodb:\n  lissten: 1\n')
  const { code, output } = await khlong('up', folder, '--no-open', '--set', 'mongodb.listen=0')
  assert.equal(code, 1)
  assert.match(output, /khlong\.yml:3: mongodb\.lissten: unknown setting; did you mean listen\?/)
})

test('khlong check refuses what khlong up would, and starts nothing', async (t) => {
  const folder = await pipelineFolder(t, 'name: mine\nkafka:\n  num.partitons: 3\n')
  const wrong = await khlong('check', folder)
  assert.equal(wrong.code, 1)
  assert.match(wrong.output, /khlong\.yml:3: kafka\.num\.partitons: .*num\.partitions/)
  await writeFile(path.join(folder, 'khlong.yml'), 'name: mine\n')
  const right = await khlong('check', folder)
  assert.equal(right.code, 0, right.output)
  assert.deepEqual(await readdir(folder), ['khlong.yml'])
})

test('a port that the user wrote and that is taken gives one message and exit code 1', async (t) => {
  const server = net.createServer()
  t.after(() => server.close())
  const { port } = await listenTcp(server, { host: '127.0.0.1', port: 0 })
  const folder = await pipelineFolder(t, `name: mine\nkafka:\n  listen: ${port}\n`)
  const { code, output } = await khlong('up', folder, '--no-open')
  assert.equal(code, 1)
  assert.match(
    output,
    new RegExp(`khlong\\.yml:3: kafka\\.listen: port ${port} is taken by another process`),
  )
})

test('a data folder that cannot be is said, with exit code 1', async (t) => {
  const folder = await pipelineFolder(t, '')
  const file = path.join(folder, 'file')
  await writeFile(file, '')
  for (const data of [file, process.platform === 'linux' ? '/proc/khlong' : path.join(file, 'a')]) {
    const { code, output } = await khlong('up', folder, '--no-open', '--data', data)
    assert.equal(code, 1)
    assert.match(output, /cannot write to the data folder .*; choose another with --data DIR/)
  }
})

test('where khlong.yml names a data folder that cannot be, its line is said', async (t) => {
  const folder = await pipelineFolder(t, 'name: mine\ndata: ./file\n')
  await writeFile(path.join(folder, 'file'), '')
  const { code, output } = await khlong('up', folder, '--no-open')
  assert.equal(code, 1)
  assert.match(output, /khlong\.yml:2: data: cannot write to the data folder .*file/)
})

test('a Ctrl-C that npm passes on once more still stops cleanly', async (t) => {
  const folder = await temporaryFolder(t)
  const child = spawn(
    process.execPath,
    [main, 'zookeeper', '--listen', '0', '--data', path.join(folder, 'data')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  child.kill('SIGINT')
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})

test('a Ctrl-C ends a start that waits for a system, with what has started, and one more at once', async (t) => {
  // Kafka is where nobody listens, so the start waits for it.
  const kafka = net.createServer((socket) => socket.on('error', () => {}))
  const { port } = await listenTcp(kafka, { host: '127.0.0.1', port: 0 })
  t.after(() => kafka.close())
  const parts = ['mqtt', 'zookeeper', 'mongodb', 'prometheus', 'grafana', 'streams']
  const folder = await pipelineFolder(t, parts.map((part) => `${part}: false\n`).join(''))
  const set = ['--set', `kafka.bootstrap.servers=127.0.0.1:${port}`, '--set', 'connect.listen=0']
  const start = async (onStopping: (child: ChildProcess, exited: Promise<unknown>) => void) => {
    const child = spawn(process.execPath, [main, 'up', folder, '--no-open', ...set], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    await once(kafka, 'connection')
    child.kill('SIGINT')
    let output = ''
    for await (const chunk of child.stdout) {
      output += String(chunk)
      if (output.includes('stopping')) onStopping(child, exited)
    }
    return { exit: await exited, output }
  }
  const single = await start(() => {})
  assert.deepEqual(single.exit, [0, null], single.output)
  assert.match(single.output, /^stopped before it had started$/m)
  const twice = await start(async (child, exited) => {
    // What comes at once is the same Ctrl-C, passed on by npm.
    const again = setInterval(() => child.kill('SIGINT'), 300)
    await exited
    clearInterval(again)
  })
  assert.deepEqual(twice.exit, [130, null], twice.output)
})

test('a source connector that a start waits for is named with its reason', async (t) => {
  const parts = ['streams', 'mongodb', 'prometheus', 'grafana']
  const off = parts.map((part) => `${part}: false\n`).join('')
  const folder = await pipelineFolder(t, `${off}mqtt: { url: 'mqtt://127.0.0.1:1' }\n`)
  await mkdir(path.join(folder, 'connectors'))
  await writeFile(
    path.join(folder, 'connectors/source.json'),
    JSON.stringify({
      'connector.class': 'MqttSource',
      'mqtt.server.uri': `\${env:KHLONG_MQTT_URL}`,
      'mqtt.topics': 'frames',
    }),
  )
  const child = spawn(
    process.execPath,
    [
      ...[main, 'up', folder, '--no-open', '--set', 'connect.listen=0', '--set', 'kafka.listen=0'],
      ...['--set', 'zookeeper.listen=0'],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  let isAsked = false
  for await (const chunk of child.stdout) {
    output += String(chunk)
    if (isAsked || !/a connector is waited for/.test(output)) continue
    isAsked = true
    child.kill('SIGINT')
  }
  assert.match(
    output,
    /a connector is waited for connector=source reason=cannot connect to the MQTT/,
  )
  assert.match(output, /^stopped before it had started$/m)
})

test('what is left out is not said to be tried', async (t) => {
  const parts = partNames.filter((part) => part !== 'mongodb')
  const folder = await pipelineFolder(t, parts.map((part) => `${part}: false\n`).join(''))
  const child = spawn(
    process.execPath,
    [main, 'up', folder, '--no-open', '--set', 'mongodb.listen=0'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  for await (const chunk of child.stdout) {
    output += String(chunk)
    if (output.includes('npx khlong mongo find')) child.kill('SIGINT')
  }
  assert.match(output, /Try next:\n {2}npx khlong mongo find iot\.iot_frames .*\n/)
  assert.doesNotMatch(output, /npx khlong (mqtt|kafka|device)/)
})

test('a command that does not exist, or a count that is none, gives exit code 2', async () => {
  assert.equal((await khlong('dance')).code, 2)
  const { code, output } = await khlong('mongo', 'find', 'iot.iot_frames', '--limit', 'few')
  assert.equal(code, 2)
  assert.match(output, /'--limit <n>' argument 'few' is invalid. a whole number is wanted/)
})

test('a frame flows to its document, SIGTERM stops cleanly, and a second start resumes', async (t) => {
  const pipeline = await PipelineProcess.create({ folder: await temporaryFolder(t), demo: true })
  t.after(() => pipeline.kill())
  await pipeline.start()
  const publish = async (id: string): Promise<void> => {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${pipeline.ports.mqtt}`)
    const values = { temperature: 21.5, humidity: 40, pressure: 1_013, luminosity: 300 }
    const frame = { id, name: 'mine', place_id: '1', timestamp: 1, payload: values }
    await client.publishAsync('iot-frames', JSON.stringify(frame), { qos: 1 })
    await client.endAsync()
  }
  const find = (id: string): Promise<Document> =>
    eventually(async () => {
      const client = await MongoClient.connect(`mongodb://127.0.0.1:${pipeline.ports.mongodb}`)
      try {
        const found = await client.db('iot').collection('iot_frames').findOne({ id })
        assert.ok(found, `no document of ${id}`)
        return found
      } finally {
        await client.close()
      }
    }, 30_000)

  const expiry = async (): Promise<number | undefined> => {
    const client = await MongoClient.connect(`mongodb://127.0.0.1:${pipeline.ports.mongodb}`)
    try {
      const indexes = await client.db('iot').collection('iot_frames').indexes()
      return indexes.find((index) => index.key.recorded_at === 1)?.expireAfterSeconds
    } finally {
      await client.close()
    }
  }

  const beganMs = Date.now()
  await publish('777')
  const document = await find('777')
  assert.equal(document.payload.temperature, 21.5)
  assert.match(String(document._id), /^iot-frames#\d+#\d+$/)
  // By its own date, and not the one that its sensor claims, it goes after 30 days.
  assert.ok(document.recorded_at instanceof Date && document.recorded_at.getTime() >= beganMs)
  await eventually(async () => assert.equal(await expiry(), 30 * 86_400), 30_000)
  await find('12434345')
  const aggregates = await fetch(
    `http://127.0.0.1:${pipeline.ports.connect}/connectors?expand=status`,
  )
  const connectors = (await aggregates.json()) as Record<
    string,
    { status: { connector: { state: string } } }
  >
  assert.ok(Object.keys(connectors).length >= 5)
  for (const [name, { status }] of Object.entries(connectors))
    assert.equal(status.connector.state, 'RUNNING', name)
  const series = await eventually(async () => {
    const response = await fetch(
      `http://127.0.0.1:${pipeline.ports.prometheus}/api/v1/query?query=sample_sensor_metric_temperature{sensor_id="777"}`,
    )
    const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } }
    assert.ok(data.result[0], 'no series of 777')
    return data.result[0]
  }, 30_000)
  assert.equal(series.value[1], '21.5')
  const running = await findRunningPipeline(path.join(pipeline.folder, 'data'))
  assert.ok(running.kind === 'running')
  assert.deepEqual(running.snapshot.window, { sizeMs: 30_000 })
  assert.deepEqual(await khlong('ready', pipeline.folder), { code: 0, output: 'ready\n' })
  const healthy = await khlong('doctor', pipeline.folder)
  assert.equal(healthy.code, 0, healthy.output)
  assert.match(healthy.output, new RegExp(`it runs as process ${pipeline.processId}\n`))
  assert.match(healthy.output, /^ {2}kafka +[\d.]+ [KM]iB$/m)
  assert.match(healthy.output, /\nnothing is wrong\n$/)
  assert.equal(await pipeline.stop(), 0, pipeline.output)

  await pipeline.start()
  await find('777')
  await publish('778')
  await find('778')
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})
