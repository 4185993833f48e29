import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Collection, MongoClient } from 'mongodb'
import mqtt, { type MqttClient } from 'mqtt'
import { PipelineProcess } from '../tools/pipeline-process.ts'

export interface PipelineBenchmarkOptions {
  /** Frames a second of the latency run. */
  rate: number
  latencySeconds: number
  /** Frames of the flat-out run. */
  flatOutFrames: number
  /** Documents that are stored, in MiB, before memory is measured once more. */
  storedMiB: number
}

export interface PipelineBenchmarkResult {
  /** Processes that wanted a core in the minute before: where others work beside it, times say little. */
  readonly loadBefore: number
  readonly startMs: number
  /** Anonymous and shared memory with the demo fleet, half a minute after the start at most. */
  readonly idleMemoryMiB: number
  /** The same after so much was stored in MongoDB's part. */
  readonly storedMiB: number
  readonly storedMemoryMiB: number
  /** CPU time of the whole process in a second, with the demo fleet alone. */
  readonly idleCpuMs: number
  readonly latencyMs: {
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly max: number
  }
  readonly offeredPerSecond: number
  /** Documents a second from the first frame sent flat out to the last document. */
  readonly sustainedPerSecond: number
  readonly acknowledgedPerSecond: number
  /** CPU time of the whole process for a frame, flat out; it hardly depends on who else works. */
  readonly cpuUsPerFrame: number
  readonly loadedMemoryMiB: number
}

const publishers = 4
const inFlightEach = 100

/** The reference pipeline from MQTT publish to document, load generator on the same machine. */
export async function measurePipeline(
  options: PipelineBenchmarkOptions,
): Promise<PipelineBenchmarkResult> {
  const loadBefore = Math.round(loadavg()[0]! * 10) / 10
  const storedMemoryMiB = await measureStored(options)
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-bench-'))
  const pipeline = await startable(folder)
  try {
    const startMs = await pipeline.start()
    const idleSeconds = Math.min(10, options.latencySeconds)
    const idleBeganMs = await cpuMs(pipeline.processId!)
    await delay(idleSeconds * 1_000)
    const idleCpuMs = Math.round(((await cpuMs(pipeline.processId!)) - idleBeganMs) / idleSeconds)
    const idleMemoryMiB = await memoryMiB(pipeline.processId!)
    const mongo = await MongoClient.connect(`mongodb://127.0.0.1:${pipeline.ports.mongodb}`)
    const clients = await Promise.all(
      Array.from({ length: publishers }, () =>
        mqtt.connectAsync(`mqtt://127.0.0.1:${pipeline.ports.mqtt}`, { reconnectPeriod: 0 }),
      ),
    )
    try {
      const documents = mongo.db('iot').collection('iot_frames')
      await documents.createIndex({ run: 1, n: 1 })
      // The first seconds compile; they are no measure.
      await measureLatency(
        clients,
        documents,
        'warm',
        options.rate,
        Math.min(3, options.latencySeconds),
      )
      const latencies = await measureLatency(
        clients,
        documents,
        'latency',
        options.rate,
        options.latencySeconds,
      )
      const beganMs = await cpuMs(pipeline.processId!)
      const flatOut = await measureFlatOut(clients, documents, options.flatOutFrames)
      const spentMs = (await cpuMs(pipeline.processId!)) - beganMs
      return {
        loadBefore,
        startMs: Math.round(startMs),
        idleMemoryMiB,
        storedMiB: options.storedMiB,
        storedMemoryMiB,
        idleCpuMs,
        latencyMs: percentiles(latencies),
        offeredPerSecond: options.rate,
        ...flatOut,
        cpuUsPerFrame: Math.round((spentMs * 1_000) / options.flatOutFrames),
        loadedMemoryMiB: await memoryMiB(pipeline.processId!),
      }
    } finally {
      await Promise.all(clients.map((client) => client.endAsync(true)))
      await mongo.close()
    }
  } finally {
    await pipeline.stop()
    await pipeline.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Memory with the demo fleet when documents have been stored, ten seconds after the last of them. */
async function measureStored({
  storedMiB,
  latencySeconds,
}: PipelineBenchmarkOptions): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-bench-'))
  const pipeline = await startable(folder)
  try {
    await pipeline.start()
    const mongo = await MongoClient.connect(`mongodb://127.0.0.1:${pipeline.ports.mongodb}`)
    try {
      const stored = mongo.db('bench').collection('stored')
      await stored.createIndex({ id: 1, timestamp: 1 })
      const note = 'x'.repeat(700)
      const documentsAtOnce = 1_000
      for (let n = 0; n < storedMiB * 1_024; n += documentsAtOnce)
        await stored.insertMany(
          Array.from({ length: documentsAtOnce }, (_, index) => ({
            ...JSON.parse(frame('stored', n + index)),
            note,
          })),
          { ordered: false },
        )
    } finally {
      await mongo.close()
    }
    await delay(Math.min(10, latencySeconds) * 1_000)
    return await memoryMiB(pipeline.processId!)
  } finally {
    await pipeline.stop()
    await pipeline.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** The reference pipeline where it stands, as `npm start` runs it, with its data in `folder`. */
function startable(folder: string): Promise<PipelineProcess> {
  const pipeline = fileURLToPath(new URL('../pipelines/iot', import.meta.url))
  return PipelineProcess.at(pipeline, { demo: true, flags: ['--data', path.join(folder, 'data')] })
}

function frame(run: string, n: number): string {
  const nowMs = Date.now()
  return JSON.stringify({
    id: String(5_000 + (n % 500)),
    name: `bench_${n % 500}`,
    place_id: String(n % 20),
    date: new Date(nowMs).toISOString().replace('Z', '+0000'),
    timestamp: nowMs,
    payload: {
      temperature: n % 35,
      humidity: n % 100,
      pressure: 1_000 + (n % 30),
      luminosity: n % 65_000,
    },
    run,
    n,
  })
}

/** Sends at a steady rate and gives, for each frame, the milliseconds until its document is found. */
async function measureLatency(
  clients: readonly MqttClient[],
  documents: Collection,
  run: string,
  rate: number,
  seconds: number,
): Promise<number[]> {
  const sentAt = new Map<number, number>()
  const latencies: number[] = []
  const count = rate * seconds
  const startMs = performance.now()
  let sent = 0
  let oldest = 0
  const deadlineMs = startMs + seconds * 1_000 + 30_000
  while (latencies.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - startMs) / 1_000) * rate))
    for (; sent < due; sent++) {
      sentAt.set(sent, performance.now())
      clients[sent % clients.length]!.publish('iot-frames', frame(run, sent), { qos: 1 })
    }
    while (oldest < sent && !sentAt.has(oldest)) oldest++
    const found = await documents
      .find({ run, n: { $gte: oldest } }, { projection: { _id: 0, n: 1 }, batchSize: 10_000 })
      .toArray()
    const nowMs = performance.now()
    for (const { n } of found) {
      const sentMs = sentAt.get(n as number)
      if (sentMs === undefined) continue
      sentAt.delete(n as number)
      latencies.push(nowMs - sentMs)
    }
    if (nowMs > deadlineMs)
      throw new Error(`${count - latencies.length} of ${count} frames became no document`)
    await delay(2)
  }
  return latencies
}

/** Sends as fast as frames are acknowledged. */
async function measureFlatOut(
  clients: readonly MqttClient[],
  documents: Collection,
  count: number,
): Promise<{ sustainedPerSecond: number; acknowledgedPerSecond: number }> {
  const startMs = performance.now()
  let next = 0
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve) => {
          let waiting = 0
          const fill = (): void => {
            while (waiting < inFlightEach && next < count) {
              waiting++
              client.publish('iot-frames', frame('flat-out', next++), { qos: 1 }, () => {
                waiting--
                if (next < count) fill()
                else if (waiting === 0) resolve()
              })
            }
          }
          fill()
        }),
    ),
  )
  const acknowledgedMs = performance.now() - startMs
  for (;;) {
    const stored = await documents.countDocuments({ run: 'flat-out' })
    if (stored >= count) break
    if (performance.now() - startMs > 120_000)
      throw new Error(`${stored} of ${count} frames became documents`)
    await delay(50)
  }
  const storedMs = performance.now() - startMs
  return {
    sustainedPerSecond: Math.round((count / storedMs) * 1_000),
    acknowledgedPerSecond: Math.round((count / acknowledgedMs) * 1_000),
  }
}

function percentiles(latencies: readonly number[]): PipelineBenchmarkResult['latencyMs'] {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]! * 10) / 10
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}

/** Anonymous and shared pages of a process, in MiB; 0 where the system does not tell. */
async function memoryMiB(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/smaps_rollup`, 'utf8').catch(() => '')
  const status = await readFile(`/proc/${processId}/status`, 'utf8').catch(() => '')
  const kilobytes = (source: string, name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(source)?.[1] ?? 0)
  return Math.round((kilobytes(text, 'Anonymous') + kilobytes(status, 'RssShmem')) / 1_024)
}

/** CPU time that a process has used, in ms; 0 where the system does not tell. */
async function cpuMs(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/stat`, 'utf8').catch(() => '')
  const [user = 0, system = 0] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  // Linux counts in hundredths of a second there, whatever its own clock does.
  return (user + system) * 10
}
