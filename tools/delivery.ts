import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SeededRandom } from '@khlong/core/testing'
import { Consumer, KafkaClient } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'
import mqtt, { type MqttClient } from 'mqtt'
import { PipelineProcess } from './pipeline-process.ts'

// The delivery contract, measured: the whole process is killed under load, again and again, and
// every frame that a sensor saw acknowledged is looked for among the documents.

export interface DeliveryOptions {
  kills: number
  seed: number
  /** Shortest and longest time under load between two kills. */
  loadMs?: readonly [number, number]
  say?(text: string): void
}

export interface DeliveryResult {
  readonly seed: number
  readonly kills: number
  readonly sent: number
  readonly acknowledged: number
  readonly documents: number
  /** `id/boot/seq` of acknowledged frames that no document holds. */
  readonly missing: readonly string[]
  /** Documents beyond the first of the same frame; QoS 1 before Kafka may make them. */
  readonly duplicates: number
  /** Those of frames that their sensor sent again, because it had seen no acknowledgement. */
  readonly sentAgain: number
  /**
   * Those that the broker sent to the connector again: they were in Kafka when the process was killed,
   * and their acknowledgement was not yet in the broker's journal. Their records say so in a header.
   */
  readonly redelivered: number
  /** Those that are in Kafka twice, and neither explains it. */
  readonly unexplainedDuplicates: number
  /** Documents that Kafka has no record for: a frame's document was written twice. */
  readonly writtenTwice: number
  readonly startMsMax: number
}

const sensorCount = 20
const inFlightMax = 200
const drainDeadlineMs = 60_000

/** Kills the pipeline `kills` times under load and recounts from sensor to document. */
export async function measureDelivery(options: DeliveryOptions): Promise<DeliveryResult> {
  const random = new SeededRandom(options.seed)
  const say = options.say ?? (() => {})
  const [loadMsMin, loadMsMax] = options.loadMs ?? [1_000, 3_000]
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-delivery-'))
  const pipeline = await PipelineProcess.create({ folder })
  const sensors = new LoadSensors(`mqtt://127.0.0.1:${pipeline.ports.mqtt}`, options.seed)
  let startMsMax = 0
  try {
    for (let kill = 0; kill < options.kills; kill++) {
      startMsMax = Math.max(startMsMax, await pipeline.start())
      await sensors.connect()
      await delay(loadMsMin + random.next() * (loadMsMax - loadMsMin))
      await pipeline.kill()
      await sensors.disconnect()
      say(`kill ${kill + 1}: ${sensors.acknowledged.size} frames acknowledged so far`)
    }
    startMsMax = Math.max(startMsMax, await pipeline.start())
    await sensors.connect()
    await sensors.finish()
    const documents = await countDocuments(
      `mongodb://127.0.0.1:${pipeline.ports.mongodb}`,
      sensors.acknowledged,
    )
    const records = await readRecords(`127.0.0.1:${pipeline.ports.kafka}`)
    const exitCode = await pipeline.stop()
    if (exitCode !== 0)
      throw new Error(`the last stop gave exit code ${exitCode}:\n${pipeline.output}`)
    return {
      seed: options.seed,
      kills: options.kills,
      sent: sensors.sent,
      acknowledged: sensors.acknowledged.size,
      missing: [...sensors.acknowledged].filter((frame) => !documents.has(frame)),
      ...explainDuplicates(documents, records, sensors.sends),
      startMsMax,
    }
  } finally {
    await sensors.disconnect()
    await pipeline.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

interface RecordCount {
  records: number
  /** Those whose message had its DUP flag set. */
  redelivered: number
}

/** Says of every document beyond the first of its frame where it comes from. */
function explainDuplicates(
  documents: ReadonlyMap<string, number>,
  records: ReadonlyMap<string, RecordCount>,
  sends: ReadonlyMap<string, number>,
): Pick<
  DeliveryResult,
  | 'documents'
  | 'duplicates'
  | 'sentAgain'
  | 'redelivered'
  | 'unexplainedDuplicates'
  | 'writtenTwice'
> {
  const result = {
    documents: 0,
    duplicates: 0,
    sentAgain: 0,
    redelivered: 0,
    unexplainedDuplicates: 0,
    writtenTwice: 0,
  }
  for (const [frame, count] of documents) {
    result.documents += count
    result.duplicates += count - 1
    const inKafka = records.get(frame) ?? { records: 0, redelivered: 0 }
    const afterKafka = Math.max(0, count - inKafka.records)
    let left = count - 1 - afterKafka
    const redelivered = Math.min(left, inKafka.redelivered)
    left -= redelivered
    const sentAgain = Math.min(left, (sends.get(frame) ?? 1) - 1)
    result.redelivered += redelivered
    result.sentAgain += sentAgain
    result.unexplainedDuplicates += left - sentAgain
    result.writtenTwice += afterKafka
  }
  return result
}

/** How many records of each frame Kafka has, and how many of them the broker sent again. */
async function readRecords(bootstrapServers: string): Promise<Map<string, RecordCount>> {
  const client = new KafkaClient({ 'bootstrap.servers': bootstrapServers })
  const consumer = new Consumer({ 'bootstrap.servers': bootstrapServers }, { client })
  const counts = new Map<string, RecordCount>()
  try {
    const { partitions } = await client.topic('iot-frames')
    const places = Array.from(partitions, (_item, partition) => ({
      topic: 'iot-frames',
      partition,
    }))
    consumer.assign(places.map((place) => ({ ...place, offset: 'earliest' as const })))
    while (places.some((place) => consumer.lag(place) !== 0))
      for (const { records } of await consumer.poll(100))
        for (const { value, headers } of records) {
          const { id, boot, seq } = JSON.parse(String(value)) as Record<string, unknown>
          const frame = `${id}/${boot}/${seq}`
          const count = counts.get(frame) ?? { records: 0, redelivered: 0 }
          counts.set(frame, count)
          count.records++
          if (headers.some(([name, text]) => name === 'mqtt.duplicate' && String(text) === 'true'))
            count.redelivered++
        }
    return counts
  } finally {
    await consumer.close()
    await client.close()
  }
}

/** Sensors that send as fast as they are acknowledged, and send again what was not. */
class LoadSensors {
  readonly acknowledged = new Set<string>()
  /** How often each frame was sent that was sent more than once. */
  readonly sends = new Map<string, number>()
  sent = 0
  readonly #url: string
  readonly #boot: string
  readonly #waiting = new Map<string, string>()
  #client: MqttClient | undefined
  #seq = 0
  #running = false

  constructor(url: string, seed: number) {
    this.#url = url
    this.#boot = `boot-${seed}`
  }

  async connect(): Promise<void> {
    const client = await mqtt.connectAsync(this.#url, { reconnectPeriod: 0, clean: true })
    // What breaks with the connection is sent again over the next one.
    client.on('error', () => {})
    this.#client = client
    this.#running = true
    for (const [frame, payload] of this.#waiting) {
      this.sends.set(frame, (this.sends.get(frame) ?? 1) + 1)
      this.#publish(client, frame, payload)
    }
    this.#fill(client)
  }

  async disconnect(): Promise<void> {
    this.#running = false
    const client = this.#client
    this.#client = undefined
    await client?.endAsync(true)
  }

  /** Sends nothing new and resolves when all is acknowledged. */
  async finish(): Promise<void> {
    this.#running = false
    const deadlineMs = performance.now() + drainDeadlineMs
    while (this.#waiting.size > 0) {
      if (performance.now() > deadlineMs)
        throw new Error(
          `${this.#waiting.size} frames were not acknowledged in ${drainDeadlineMs} ms`,
        )
      await delay(20)
    }
  }

  #fill(client: MqttClient): void {
    while (this.#running && this.#client === client && this.#waiting.size < inFlightMax) {
      const seq = this.#seq++
      const id = String(1_000_000 + (seq % sensorCount))
      const frame = `${id}/${this.#boot}/${seq}`
      const nowMs = Date.now()
      const payload = JSON.stringify({
        id,
        name: `load_${seq % sensorCount}`,
        place_id: String(seq % 3),
        date: new Date(nowMs).toISOString().replace('Z', '+0000'),
        timestamp: nowMs,
        payload: {
          temperature: seq % 35,
          humidity: seq % 100,
          pressure: 1_000,
          luminosity: seq % 65_000,
        },
        seq,
        boot: this.#boot,
      })
      this.#waiting.set(frame, payload)
      this.sent++
      this.#publish(client, frame, payload)
    }
  }

  #publish(client: MqttClient, frame: string, payload: string): void {
    client.publish('iot-frames', payload, { qos: 1 }, (error) => {
      if (error || this.#client !== client) return
      this.#waiting.delete(frame)
      this.acknowledged.add(frame)
      this.#fill(client)
    })
  }
}

/** How many documents hold each frame, once all acknowledged ones are there or time is up. */
async function countDocuments(
  url: string,
  acknowledged: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const client = await MongoClient.connect(url)
  try {
    const collection = client.db('iot').collection('iot_frames')
    const deadlineMs = performance.now() + drainDeadlineMs
    for (;;) {
      const counts = new Map<string, number>()
      const cursor = collection.find(
        {},
        { projection: { id: 1, boot: 1, seq: 1 }, batchSize: 10_000 },
      )
      for await (const { id, boot, seq } of cursor) {
        const frame = `${id}/${boot}/${seq}`
        counts.set(frame, (counts.get(frame) ?? 0) + 1)
      }
      const complete = [...acknowledged].every((frame) => counts.has(frame))
      if (complete || performance.now() > deadlineMs) return counts
      await delay(500)
    }
  } finally {
    await client.close()
  }
}
