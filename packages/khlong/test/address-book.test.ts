import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { listenTcp } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { addressProblem } from '../src/config/external-address.ts'
import type { PartName } from '../src/config/part-names.ts'
import { type Pipeline, readPipeline, resolveAddressBook } from '../src/index.ts'

async function pipelineOf(t: TestContext, yaml: string, set: string[] = []): Promise<Pipeline> {
  const folder = path.join(await temporaryFolder(t), 'mine')
  await mkdir(folder)
  await writeFile(path.join(folder, 'khlong.yml'), yaml)
  return readPipeline({ folder, set })
}

/** A port that another process has. */
async function takenPort(t: TestContext): Promise<number> {
  const server = net.createServer()
  const { port } = await listenTcp(server, { host: '127.0.0.1', port: 0 })
  t.after(() => server.close())
  return port
}

test('everything is embedded by default, but for the fleet and the way to a centre', async (t) => {
  const book = await resolveAddressBook(await pipelineOf(t, ''))
  assert.equal(book.parts.kafka.kind, 'embedded')
  assert.equal(book.parts.sensors.kind, 'off')
  assert.equal(book.parts.forward.kind, 'off')
})

test('one key makes a part external, and connector files see its address', async (t) => {
  const pipeline = await pipelineOf(
    t,
    'kafka: { bootstrap.servers: "k1:9092,k2:9092" }\nmqtt: { url: mqtt://broker:1883 }',
  )
  const book = await resolveAddressBook(pipeline)
  assert.deepEqual(book.parts.kafka, { kind: 'external', address: 'k1:9092,k2:9092' })
  assert.equal(book.environment.KHLONG_KAFKA_BOOTSTRAP_SERVERS, 'k1:9092,k2:9092')
  assert.equal(book.environment.KHLONG_MQTT_URL, 'mqtt://broker:1883')
})

test('a port that the user wrote and that is taken is refused with file, line and key', async (t) => {
  const port = await takenPort(t)
  const pipeline = await pipelineOf(t, `name: x\nkafka:\n  listen: ${port}\n`)
  await assert.rejects(resolveAddressBook(pipeline), (error: Error) => {
    assert.match(error.message, new RegExp(`khlong\\.yml:3: kafka\\.listen: port ${port} is taken`))
    return true
  })
})

test('a port that the user wrote is left to its part where another has to move', async (t) => {
  const pipeline = await pipelineOf(t, 'mongodb: { listen: 1884 }\n')
  const { parts } = await resolveAddressBook(pipeline, {
    isFree: async ({ port }) => port !== 1883,
  })
  assert.ok(parts.mqtt.kind === 'embedded' && parts.mongodb.kind === 'embedded')
  assert.equal(parts.mongodb.listeners.listen, '127.0.0.1:1884')
  assert.equal(parts.mqtt.listeners.listen, '127.0.0.1:1885')
})

test('a wildcard address reaches clients on this machine as loopback', async (t) => {
  const book = await resolveAddressBook(await pipelineOf(t, 'mongodb: { listen: "0.0.0.0:0" }'))
  assert.match(book.environment.KHLONG_MONGODB_URI!, /^mongodb:\/\/127\.0\.0\.1:\d+$/)
})

test('a real Kafka takes one key: what is said of the embedded broker stays, and a wrong login is refused', async (t) => {
  const yaml = 'kafka:\n  num.partitions: 6\n  bootstrap.servers: k1:9092\n'
  const book = await resolveAddressBook(await pipelineOf(t, yaml))
  assert.deepEqual(book.kafka, { 'bootstrap.servers': 'k1:9092' })
  const wrong = await pipelineOf(t, `${yaml}  sasl.mechanisms: PLAIN\n`)
  await assert.rejects(
    resolveAddressBook(wrong),
    /khlong\.yml:4: kafka\.sasl\.mechanisms: .*; did you mean sasl\.mechanism\?/,
  )
})

test('host names of imported files mean parts, embedded or real, port by port', async (t) => {
  const { hosts, parts, platform, mqttLogin } = await resolveAddressBook(
    await pipelineOf(
      t,
      `kafka: { bootstrap.servers: "k1:9092,k2:9092" }
mongodb: { url: "mongodb://user:secret@db:27018/?authSource=x" }
hosts: { mosquitto: mqtt, kafka: kafka, mongo: mongodb, kafka-connect: connect, exporter: khlong, other: "10.1.2.3" }
`,
    ),
  )
  assert.ok(parts.mqtt.kind === 'embedded' && parts.connect.kind === 'embedded')
  const { listeners } = parts.mqtt
  // The pipeline's own door, with its login: what is in a user's password file does not matter.
  const own = `${mqttLogin.username}:${mqttLogin.password}@${listeners['internal.listen']}`
  assert.deepEqual(hosts, {
    mosquitto: own,
    'mosquitto:1883': own,
    'mosquitto:9001': listeners.websocket,
    kafka: 'k1:9092',
    'kafka:9092': 'k1:9092',
    mongo: 'db:27018',
    'mongo:27017': 'db:27018',
    'kafka-connect': parts.connect.listeners.listen,
    'kafka-connect:8083': parts.connect.listeners.listen,
    'kafka-connect:8084': parts.connect.listeners['series.listen'],
    exporter: platform,
    other: '10.1.2.3',
  })
})

test('a host that names a part that is left out is refused with file, line and key', async (t) => {
  const pipeline = await pipelineOf(t, 'name: x\nhosts:\n  mongo: mongodb\nmongodb: false\n')
  await assert.rejects(
    resolveAddressBook(pipeline),
    /khlong\.yml:3: hosts\.mongo: mongodb is no part/,
  )
})

test('an unknown section is refused with the nearest known one', async (t) => {
  await assert.rejects(pipelineOf(t, 'name: x\nkafak: {}\n'), (error: Error) => {
    assert.match(error.message, /khlong\.yml:2: kafak: unknown section; did you mean kafka\?/)
    return true
  })
})

test('a folder that is not there is said, with the command that makes one', async () => {
  await assert.rejects(readPipeline({ folder: './nowhere' }), { code: 'KHLONG_PIPELINE_MISSING' })
})

test('with lan MQTT and the console listen on the network, and nothing else does', async (t) => {
  const listenersOf = async (yaml: string, set: string[] = []): Promise<string[]> => {
    const { parts } = await resolveAddressBook(await pipelineOf(t, yaml, set))
    return Object.entries(parts).flatMap(([part, address]) =>
      address.kind === 'embedded'
        ? Object.entries(address.listeners)
            .filter(([, listen]) => !listen.startsWith('127.0.0.1:'))
            .map(([listener]) => `${part}.${listener}`)
        : [],
    )
  }
  assert.deepEqual(await listenersOf(''), [])
  const opened = ['mqtt.listen', 'mqtt.websocket', 'grafana.listen']
  assert.deepEqual(await listenersOf('lan: true'), opened)
  // A port that was written opens, too; a host that was written stays.
  assert.deepEqual(await listenersOf('lan: true\nmqtt: { listen: 0, websocket: "127.0.0.1:0" }'), [
    'mqtt.listen',
    'grafana.listen',
  ])
})

test('with lan nobody comes in without a name', async (t) => {
  for (const part of ['mqtt', 'grafana'])
    await assert.rejects(
      pipelineOf(t, `lan: true\n${part}:\n  allow_anonymous: true\n`).then((pipeline) =>
        resolveAddressBook(pipeline),
      ),
      new RegExp(`khlong\\.yml:3: ${part}\\.allow_anonymous: true lets everyone`),
    )
  await assert.rejects(pipelineOf(t, 'lan: yes please\n'), /khlong\.yml:1: lan: expected true or/)
})

test("the pipeline's own clients have a login of their own, fresh for each run", async (t) => {
  const pipeline = await pipelineOf(t, '')
  const [first, second] = [await resolveAddressBook(pipeline), await resolveAddressBook(pipeline)]
  const url = new URL(first.environment.KHLONG_MQTT_URL!)
  assert.equal(url.username, 'khlong-internal')
  assert.equal(url.password, first.mqttLogin.password)
  assert.notEqual(first.mqttLogin.password, second.mqttLogin.password)
})

test('workers of several machines may share a token, if nobody can guess it', async (t) => {
  const pipeline = await pipelineOf(t, '')
  t.after(() => {
    delete process.env.KHLONG_SHARED_TOKEN
  })
  process.env.KHLONG_SHARED_TOKEN = 'a'.repeat(32)
  const { token, environment } = await resolveAddressBook(pipeline)
  assert.equal(token, 'a'.repeat(32))
  assert.ok(!Object.values(environment).some((value) => value.includes(token)))
  process.env.KHLONG_SHARED_TOKEN = 'secret'
  await assert.rejects(resolveAddressBook(pipeline), {
    code: 'KHLONG_SETTING_INVALID',
    message: 'KHLONG_SHARED_TOKEN: expected at least 32 characters that nobody can guess, found 6',
  })
})

test('the address of a real system that cannot be one is refused before anything starts', () => {
  const good: readonly (readonly [PartName, string])[] = [
    ['mqtt', 'mqtt://127.0.0.1:1883'],
    ['mqtt', 'mqtts://user:p%40ss@broker.example'],
    ['mqtt', 'tcp://[::1]:1883'],
    ['zookeeper', 'zk1:2181,zk2:2181/kafka'],
    ['zookeeper', 'zk1'],
    ['kafka', 'k1:9092'],
    ['kafka', 'k1:9092, [::1]:9093'],
    ['kafka', 'PLAINTEXT://k1:9092'],
    ['mongodb', 'mongodb://a:27017,b:27018/?replicaSet=r'],
    ['mongodb', 'mongodb+srv://cluster.example'],
    ['prometheus', 'https://prometheus.example/base'],
    ['grafana', 'http://admin:secret@127.0.0.1:3000'],
  ]
  for (const [part, text] of good) assert.equal(addressProblem(part, text), undefined, text)
  const bad: readonly (readonly [PartName, string, RegExp])[] = [
    ['mqtt', '127.0.0.1:1883', /^expected mqtt:\/\/HOST:PORT/],
    ['mqtt', 'mqtt://127.0.0.1:99999', /^expected mqtt/],
    ['mqtt', 'http://127.0.0.1:1883', /^expected mqtt/],
    ['zookeeper', 'zk1:0', /^expected HOST:PORT/],
    ['kafka', 'k1', /^expected HOST:PORT/],
    ['kafka', 'k1:9092,', /^expected HOST:PORT/],
    ['kafka', 'k1:99999', /^expected HOST:PORT/],
    ['kafka', '[x]:9092', /^expected HOST:PORT/],
    ['mongodb', '127.0.0.1:27017', /^expected mongodb:\/\//],
    ['prometheus', '127.0.0.1:9090', /^expected http:\/\//],
    ['grafana', 'mongodb://x', /^expected http:\/\//],
  ]
  for (const [part, text, problem] of bad)
    assert.match(addressProblem(part, text) ?? '', problem, text)
})
