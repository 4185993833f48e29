import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '@khlong/core'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { type Pipeline, readPipeline, resolveAddressBook } from '../src/index.ts'
import { Platform } from '../src/platform.ts'
import { start } from '../src/test/index.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const plainModule = 'org.apache.kafka.common.security.plain.PlainLoginModule'

async function pipelineOf(t: TestContext, yaml: string, set: string[] = []): Promise<Pipeline> {
  const folder = path.join(await temporaryFolder(t), 'mine')
  await mkdir(folder)
  await writeFile(path.join(folder, 'khlong.yml'), yaml)
  return readPipeline({ folder, data: path.join(folder, 'data'), set })
}

/** Runs the command line with `input` to its end. */
function khlong(
  input: string,
  ...args: string[]
): Promise<{ code: number; output: string; errors: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { timeout: 60_000 },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? -1) : 0, output: stdout, errors: stderr })
      },
    )
    child.stdin?.end(input)
  })
}

test('what khlong.yml says of a real cluster is what every client of the pipeline is given', async (t) => {
  const pipeline = await pipelineOf(
    t,
    `kafka:
  bootstrap.servers: k1:9094,k2:9094
  security.protocol: SASL_SSL
  sasl.mechanism: SCRAM-SHA-512
  sasl.jaas.config: Module required username="alice" password="secret";
  ssl.truststore.type: PEM
  ssl.truststore.location: ./ca.pem
`,
  )
  const book = await resolveAddressBook(pipeline)
  assert.deepEqual(book.kafka, {
    'bootstrap.servers': 'k1:9094,k2:9094',
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': 'SCRAM-SHA-512',
    'sasl.jaas.config': 'Module required username="alice" password="secret";',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': path.join(pipeline.folder, 'ca.pem'),
  })
  // Connector files see where it is, and no secret.
  assert.ok(!JSON.stringify(book.environment).includes('secret'))
})

test('beside the address of a real cluster only settings of its clients are taken', async (t) => {
  const pipeline = await pipelineOf(
    t,
    'kafka:\n  bootstrap.servers: k1:1\n  sasl.mechanisn: PLAIN\n',
  )
  await assert.rejects(
    resolveAddressBook(pipeline),
    /khlong\.yml:3: kafka\.sasl\.mechanisn: .*did you mean sasl\.mechanism\?/,
  )
})

test('an embedded broker has a door of its own for the pipeline, with a login of each run', async (t) => {
  const pipeline = await pipelineOf(t, 'kafka: { listeners: "SASL_SSL://:9094,SSL://:9095" }')
  const [first, second] = [await resolveAddressBook(pipeline), await resolveAddressBook(pipeline)]
  assert.match(first.kafka?.['bootstrap.servers'] ?? '', /^127\.0\.0\.1:\d+$/)
  assert.notEqual(first.kafka?.['sasl.password'], second.kafka?.['sasl.password'])
  assert.equal(first.environment.KHLONG_KAFKA_BOOTSTRAP_SERVERS, '127.0.0.1:9094')
  const both = await pipelineOf(t, 'kafka:\n  listen: 1\n  listeners: "SSL://:9095"\n')
  await assert.rejects(
    resolveAddressBook(both),
    /khlong\.yml:2: kafka\.listen: cannot stand beside/,
  )
})

test('a pipeline goes on where its Kafka asks everybody to log in and allows nothing', async (t) => {
  const pipeline = await pipelineOf(
    t,
    `kafka:
  listeners: SASL_PLAINTEXT://127.0.0.1:0
  sasl.enabled.mechanisms: PLAIN
  listener.name.sasl_plaintext.plain.sasl.jaas.config: ${plainModule} required user_alice="alice-secret";
  authorizer.class.name: kafka.security.authorizer.AclAuthorizer
`,
    ['zookeeper.listen=0', 'connect.listen=0'],
  )
  await mkdir(path.join(pipeline.folder, 'connectors'))
  const [source, sink] = ['in.txt', 'out.txt'].map((name) => path.join(pipeline.folder, name))
  await writeFile(source!, 'one\ntwo\n')
  for (const [name, config] of Object.entries({
    source: {
      'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector',
      topic: 'lines',
      file: source,
    },
    sink: {
      'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector',
      topics: 'lines',
      file: sink,
    },
  }))
    await writeFile(
      path.join(pipeline.folder, 'connectors', `${name}.json`),
      JSON.stringify({
        name,
        config: {
          ...config,
          'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
        },
      }),
    )
  let address: string | undefined
  const platform = await Platform.start({
    pipeline,
    logger: silentLogger,
    only: ['zookeeper', 'kafka', 'connect'],
    onSnapshot: ({ parts }) => {
      address = parts.find(({ name }) => name === 'kafka')?.addresses.SASL_PLAINTEXT ?? address
    },
  })
  t.after(() => platform.stop())
  await eventually(async () => assert.equal(await readFile(sink!, 'utf8'), 'one\ntwo\n'), 60_000)
  // Somebody who may log in may do nothing yet, and somebody else not even that.
  const server = ['kafka', 'topics', '--bootstrap-server', address!]
  const property = (text: string): string[] => ['--command-property', text]
  const login = [
    ...property('security.protocol=SASL_PLAINTEXT'),
    ...property('sasl.username=alice'),
  ]
  const alice = await khlong('', ...server, ...login, ...property('sasl.password=alice-secret'))
  assert.deepEqual([alice.code, alice.output], [0, ''])
  const wrong = await khlong('', ...server, ...login, ...property('sasl.password=wrong'))
  assert.equal(wrong.code, 1)
  assert.match(wrong.errors, /Authentication failed: Invalid username or password/)
})

test('khlong kafka takes the properties file of a Java client', async (t) => {
  await using systems = await start({
    kafka: {
      listen: undefined,
      listeners: 'SASL_PLAINTEXT://127.0.0.1:0',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${plainModule} required user_alice="alice-secret";`,
    },
  })
  const file = path.join(await temporaryFolder(t), 'client.properties')
  await writeFile(
    file,
    `# of alice
security.protocol=SASL_PLAINTEXT
sasl.mechanism = PLAIN
sasl.jaas.config=${plainModule} required \\
  username="alice" \\
  password="alice-secret";
`,
  )
  const server = ['--bootstrap-server', systems.kafka.bootstrapServers, '--command-config', file]
  const produced = await khlong('one\ntwo\n', 'kafka', 'produce', 'lines', ...server)
  assert.equal(produced.code, 0, produced.errors)
  const consume = ['kafka', 'consume', 'lines', '--from-beginning', '--count', '2']
  const consumed = await khlong('', ...consume, ...server)
  assert.equal(consumed.output, 'one\ntwo\n')
})

test('commands to devices and the doctor log in to a Kafka that lets in nobody else', async (t) => {
  const pipeline = await pipelineOf(
    t,
    `kafka:
  listeners: SASL_PLAINTEXT://127.0.0.1:0
  sasl.enabled.mechanisms: PLAIN
  listener.name.sasl_plaintext.plain.sasl.jaas.config: ${plainModule} required user_alice="alice-secret";
`,
    ['zookeeper.listen=0'],
  )
  let address: string | undefined
  const platform = await Platform.start({
    pipeline,
    logger: silentLogger,
    only: ['zookeeper', 'kafka'],
    onSnapshot: ({ parts }) => {
      address = parts.find(({ name }) => name === 'kafka')?.addresses.SASL_PLAINTEXT || address
    },
  })
  t.after(() => platform.stop())
  await eventually(() => assert.ok(address), 60_000)
  const file = path.join(pipeline.folder, 'client.properties')
  await writeFile(
    file,
    `security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=${plainModule} required username="alice" password="alice-secret";
`,
  )
  const command = ['device', 'command', 'roof', 'fan', '--pipeline', pipeline.folder]
  const place = ['--data', pipeline.data]
  const unknown = await khlong('', ...command, ...place)
  assert.match(unknown.errors, /no listener without logins \(SASL_PLAINTEXT.*--command-config FILE/)
  const given = await khlong('', ...command, ...place, '--command-config', file)
  assert.deepEqual([given.errors, given.code], ['', 0])
  assert.match(given.output, /^[-\da-f]{36}\n$/)
  const doctor = ['doctor', pipeline.folder, ...place, '--set', 'zookeeper.listen=0']
  assert.match((await khlong('', ...doctor)).output, /dead letters were not counted/)
  const dead = await khlong(
    'one\n',
    ...['kafka', 'produce', 'dead-letters', '--command-config', file],
    ...['--bootstrap-server', address ?? ''],
  )
  assert.equal(dead.code, 0, dead.errors)
  const told = await khlong('', ...doctor, '--command-config', file)
  assert.match(told.output, /topic dead-letters holds 1 dead letter/)
})
