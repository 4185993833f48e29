import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MongoClient } from 'mongodb'
import { PipelineProcess } from '../../tools/pipeline-process.ts'
import {
  connectPublishers,
  frame,
  measureFlatOut,
  measureLatency,
  type Percentiles,
  percentiles,
} from './load.ts'
import { cpuMs, memoryMiB } from './process-figures.ts'

export interface AloneOptions {
  /** Frames a second of the latency run. */
  rate: number
  latencySeconds: number
  /** Frames of the flat-out run. */
  flatOutFrames: number
  /** Documents that are stored, in MiB, before memory is measured once more. */
  storedMiB: number
}

export interface AloneResult {
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
  readonly latencyMs: Percentiles
  readonly offeredPerSecond: number
  /** Documents a second from the first frame sent flat out to the last document. */
  readonly sustainedPerSecond: number
  readonly acknowledgedPerSecond: number
  /** CPU time of the whole process for a frame, flat out; it hardly depends on who else works. */
  readonly cpuUsPerFrame: number
  readonly loadedMemoryMiB: number
}

/** The reference pipeline from MQTT publish to document, load generator on the same machine. */
export async function measureAlone(options: AloneOptions): Promise<AloneResult> {
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
    const clients = await connectPublishers(`mqtt://127.0.0.1:${pipeline.ports.mqtt}`)
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
async function measureStored({ storedMiB, latencySeconds }: AloneOptions): Promise<number> {
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
  const pipeline = fileURLToPath(new URL('../../pipelines/iot', import.meta.url))
  return PipelineProcess.at(pipeline, { demo: true, flags: ['--data', path.join(folder, 'data')] })
}
