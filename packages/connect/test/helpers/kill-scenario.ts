import assert from 'node:assert/strict'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { eventually } from '@khlong/core/testing'
import { Consumer } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'
import { spawnWorker } from '../peers/engines.ts'
import type { Stops } from './stops.ts'

export interface KillScenario {
  readonly stops: Stops
  readonly folder: string
  /** The address of a Kafka, embedded or real. */
  readonly servers: string
  /** How long Kafka waits for a worker that says nothing. */
  readonly sessionMs: number
  /** For how long workers are killed. */
  readonly durationMs: number
  /** Where documents go, too; without it there is no such sink. */
  readonly mongoUri?: string | undefined
  /** 0 to 1; what decides who is killed, and when. */
  readonly random: () => number
}

/** What happened, for whoever prints it. */
export interface KillReport {
  readonly kills: number
  readonly lines: number
  readonly documents: number | undefined
}

const linesPerTick = 20
const tickMs = 100

/**
 * Two workers, killed at random while a file grows: what the source wrote by transactions is in Kafka
 * once and in its order, the file sink has all of it, and the documents are as many as the records.
 */
export async function runKillScenario(options: KillScenario): Promise<KillReport> {
  const { stops, folder, servers, sessionMs, durationMs, mongoUri, random } = options
  const worker = (name: string) =>
    spawnWorker(stops, {
      'bootstrap.servers': servers,
      data: `${folder}/${name}`,
      'exactly.once.source.support': 'enabled',
      'session.timeout.ms': sessionMs,
      'heartbeat.interval.ms': 200,
      'scheduled.rebalance.max.delay.ms': 500,
      'offset.flush.interval.ms': 500,
      'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter.schemas.enable': false,
    })
  const workers = await Promise.all([worker('one'), worker('two')])
  const source = `${folder}/in`
  await writeFile(source, '')
  const put = async (name: string, config: Record<string, string>): Promise<void> => {
    const response = await fetch(`http://${workers[0]!.addresses.http}/connectors/${name}/config`, {
      method: 'PUT',
      body: JSON.stringify(config),
    })
    assert.equal(response.status, 201, await response.text())
  }
  await put('in', {
    'connector.class': 'FileStreamSource',
    topic: 'killed',
    file: source,
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'topic.creation.default.partitions': '1',
    'exactly.once.support': 'required',
    'batch.size': '50',
  })
  const committed = { topics: 'killed', 'consumer.override.isolation.level': 'read_committed' }
  await put('out', {
    'connector.class': 'FileStreamSink',
    ...committed,
    file: `${folder}/out`,
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
  })
  if (mongoUri !== undefined)
    await put('documents', {
      'connector.class': 'com.mongodb.kafka.connect.MongoSinkConnector',
      ...committed,
      'connection.uri': mongoUri,
      database: 'killed',
      collection: 'lines',
      'document.id.strategy':
        'com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy',
    })

  let lines = 0
  let isWriting = true
  const writing = (async () => {
    while (isWriting) {
      let text = ''
      for (let i = 0; i < linesPerTick; i++) text += `{"n":${lines++}}\n`
      await appendFile(source, text)
      await new Promise((resolve) => setTimeout(resolve, tickMs))
    }
  })()
  let kills = 0
  const untilMs = performance.now() + durationMs
  while (performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, random() * 3_000))
    const index = random() < 0.5 ? 0 : 1
    await workers[index]!.kill()
    kills++
    await new Promise((resolve) => setTimeout(resolve, random() * 500))
    workers[index] = await worker(index === 0 ? 'one' : 'two')
  }
  isWriting = false
  await writing

  const expected = Array.from({ length: lines }, (_item, n) => `{"n":${n}}`)
  await using consumer = new Consumer({
    'bootstrap.servers': servers,
    'isolation.level': 'read_committed',
  })
  consumer.assign([{ topic: 'killed', partition: 0, offset: 'earliest' }])
  const found: string[] = []
  await eventually(async () => {
    for (const { records } of await consumer.poll(200))
      found.push(...records.map(({ value }) => String(value)))
    assert.ok(found.length >= lines, `${found.length} of ${lines} records are there`)
  }, 90_000)
  assert.deepEqual(found, expected)
  await eventually(async () => {
    const out = new Set((await readFile(`${folder}/out`, 'utf8')).split('\n'))
    // A worker that dies may leave half a line behind; the whole one follows it.
    const missing = expected.filter((line) => !out.has(line))
    assert.deepEqual(missing.slice(0, 10), [], `${missing.length} of ${lines} lines are missing`)
  }, 90_000)
  return {
    kills,
    lines,
    documents: mongoUri === undefined ? undefined : await count(mongoUri, lines),
  }
}

async function count(uri: string, expected: number): Promise<number> {
  const client = await new MongoClient(uri).connect()
  try {
    const collection = client.db('killed').collection('lines')
    await eventually(
      async () => assert.equal((await collection.distinct('n')).length, expected),
      90_000,
    )
    const documents = await collection.countDocuments()
    assert.equal(documents, expected)
    return documents
  } finally {
    await client.close()
  }
}
