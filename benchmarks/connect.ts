import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Admin } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'
import { Stops } from '../packages/connect/test/helpers/stops.ts'
import { startKafka, startMongo } from '../tools/real-engines.ts'
import { mongoPlugin, startJavaWorker, type Worker } from './java-connect.ts'

export interface ConnectBenchmarkOptions {
  /** Lines that go from a file to Kafka, and from there to a file. */
  readonly lines: number
  /** Records that go from Kafka to MongoDB. */
  readonly documents: number
}

interface RuntimeFigures {
  readonly fileToKafkaPerSecond: number
  readonly kafkaToFilePerSecond: number
  readonly kafkaToMongoPerSecond: number
  /** From the start of the process, with connectors stored, to the first record at their end. */
  readonly startToFirstRecordMs: number
  /** Resident memory after all of it. */
  readonly rssMiB: number
}

export interface ConnectBenchmarkResult {
  readonly java: RuntimeFigures
  readonly ours: RuntimeFigures
  /** Ours by Java's. */
  readonly ratios: RuntimeFigures
}

interface Place {
  readonly name: 'java' | 'ours'
  readonly folder: string
  readonly servers: string
  readonly mongoUri: string
  start(): Promise<Worker>
}

const partitions = 6
const text = { 'value.converter': 'org.apache.kafka.connect.storage.StringConverter' }
const json = {
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
}

/** The Java runtime and ours on the same real Kafka: file → Kafka → file, and Kafka → MongoDB's protocol. */
export async function measureConnect(
  options: ConnectBenchmarkOptions,
): Promise<ConnectBenchmarkResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-bench-'))
  const ends: (() => Promise<unknown>)[] = []
  const stops = new Stops({ after: (end) => ends.push(end) })
  try {
    const kafka = `${folder}/kafka`
    const servers = await startKafka(stops, kafka)
    const mongoUri = await startMongo(stops, `${folder}/mongo`)
    const plugins = await mongoPlugin()
    const place = { folder, servers, mongoUri }
    const java = await measureRuntime(
      { ...place, name: 'java', start: () => startJavaWorker(kafka, plugins) },
      options,
    )
    // The first start of all fills the cache of compiled sources.
    await (await startOurs(`${folder}/data`, servers)).stop()
    const ours = await measureRuntime(
      { ...place, name: 'ours', start: () => startOurs(`${folder}/data`, servers) },
      options,
    )
    return { java, ours, ratios: ratiosOf(ours, java) }
  } finally {
    for (const end of ends) await end()
    await rm(folder, { recursive: true, force: true })
  }
}

async function measureRuntime(
  place: Place,
  { lines, documents }: ConnectBenchmarkOptions,
): Promise<RuntimeFigures> {
  const { name, folder, servers } = place
  const input = `${folder}/${name}-in`
  const output = `${folder}/${name}-out`
  const topic = `${name}-lines`
  await writeFile(input, '')
  await using admin = new Admin({ 'bootstrap.servers': servers })
  for (const one of [topic, `${name}-documents`])
    await admin.createTopics([{ name: one, partitions }])
  let worker = await place.start()
  const put = async (connector: string, config: Record<string, string>): Promise<void> => {
    const response = await fetch(`${worker.url}/connectors/${name}-${connector}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(config),
    })
    if (!response.ok) throw new Error(await response.text())
  }
  try {
    await put('in', { 'connector.class': 'FileStreamSource', file: input, topic, ...text })
    await appendFile(input, lineText(lines))
    const fileToKafkaPerSecond = await perSecond(lines, () => countOf(admin, topic))
    await put('out', { 'connector.class': 'FileStreamSink', topics: topic, file: output, ...text })
    const size = (await stat(input)).size
    const kafkaToFilePerSecond = await perSecond(lines, async () =>
      (await sizeOf(output)) >= size ? lines : 0,
    )
    const kafkaToMongoPerSecond = await toMongo(place, documents, admin, put)
    const rssMiB = await rssOf(worker.processId)
    await worker.stop()

    await appendFile(input, 'the first\n')
    const startMs = performance.now()
    worker = await place.start()
    while ((await sizeOf(output)) <= size) await delay(5)
    const startToFirstRecordMs = Math.round(performance.now() - startMs)
    return {
      fileToKafkaPerSecond,
      kafkaToFilePerSecond,
      kafkaToMongoPerSecond,
      startToFirstRecordMs,
      rssMiB,
    }
  } finally {
    await worker.stop()
  }
}

async function toMongo(
  { name, folder, mongoUri }: Place,
  documents: number,
  admin: Admin,
  put: (connector: string, config: Record<string, string>) => Promise<void>,
): Promise<number> {
  const topic = `${name}-documents`
  const input = `${folder}/${name}-documents`
  await writeFile(input, lineText(documents))
  await put('documents-in', { 'connector.class': 'FileStreamSource', file: input, topic, ...text })
  while ((await countOf(admin, topic)) < documents) await delay(10)
  const mongo = await MongoClient.connect(mongoUri)
  try {
    const collection = mongo.db('bench').collection(name)
    await put('documents-out', {
      'connector.class': 'com.mongodb.kafka.connect.MongoSinkConnector',
      topics: topic,
      'connection.uri': mongoUri,
      database: 'bench',
      collection: name,
      ...json,
    })
    // Counting them one by one would be most of the server's work.
    return await perSecond(documents, () => collection.estimatedDocumentCount())
  } finally {
    await mongo.close()
  }
}

/** Lines as sensors would write them. */
function lineText(count: number): string {
  let all = ''
  for (let n = 0; n < count; n++)
    all += `{"id":"${n % 1_000}","name":"iot_sensor_${n % 1_000}","place_id":"32347983","timestamp":${1_769_846_400_000 + n},"payload":{"temperature":21,"humidity":50,"pressure":1012,"luminosity":40000}}\n`
  return all
}

/** Waits until all of `expected` is there, and gives how many came a second. */
async function perSecond(expected: number, count: () => Promise<number>): Promise<number> {
  const startMs = performance.now()
  while ((await count()) < expected) await delay(10)
  return Math.round((expected * 1_000) / (performance.now() - startMs))
}

async function countOf(admin: Admin, topic: string): Promise<number> {
  const ends = await admin.listOffsets(
    Array.from({ length: partitions }, (_item, partition) => ({
      topic,
      partition,
      spec: 'latest' as const,
    })),
  )
  return ends.reduce((sum, { offset }) => sum + offset, 0)
}

const sizeOf = async (file: string): Promise<number> =>
  (await stat(file).catch(() => undefined))?.size ?? 0

async function rssOf(processId: number): Promise<number> {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${processId}/status`, 'utf8'))!
  return Math.round(Number(kib) / 1024)
}

async function startOurs(data: string, servers: string): Promise<Worker> {
  const settings = {
    'group.id': 'ours',
    'config.storage.topic': 'our-configs',
    'offset.storage.topic': 'our-offsets',
    'status.storage.topic': 'our-status',
    'offset.flush.interval.ms': 10_000,
  }
  const args = [
    ...['connect', '--bootstrap-server', servers, '--listen', '0', '--data', data],
    ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ]
  const main = fileURLToPath(new URL('../packages/khlong/src/main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // As the command line has it: sources are not stripped of their types anew at each start.
    env: { ...process.env, NODE_COMPILE_CACHE: `${data}-compiled` },
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    // connect http HOST:PORT
    url: `http://${line.split(' ').at(-1)}`,
    processId: child.pid!,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

function ratiosOf(ours: RuntimeFigures, java: RuntimeFigures): RuntimeFigures {
  const ratio = (name: keyof RuntimeFigures): number =>
    Math.round((ours[name] / java[name]) * 100) / 100
  return {
    fileToKafkaPerSecond: ratio('fileToKafkaPerSecond'),
    kafkaToFilePerSecond: ratio('kafkaToFilePerSecond'),
    kafkaToMongoPerSecond: ratio('kafkaToMongoPerSecond'),
    startToFirstRecordMs: ratio('startToFirstRecordMs'),
    rssMiB: ratio('rssMiB'),
  }
}
