import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SeededRandom } from '@khlong/core/testing'
import { LoadSensors } from './load-sensors.ts'
import { PipelineProcess } from './pipeline-process.ts'
import {
  countDocuments,
  type ExplainedDuplicates,
  explainDuplicates,
  readRecords,
} from './recount.ts'

// The delivery contract, measured: the whole process is killed under load, again and again, and
// every frame that a sensor saw acknowledged is looked for among the documents.

export interface DeliveryOptions {
  kills: number
  seed: number
  /** Shortest and longest time under load between two kills. */
  loadMs?: readonly [number, number]
  say?(text: string): void
}

export interface DeliveryResult extends ExplainedDuplicates {
  readonly seed: number
  readonly kills: number
  readonly sent: number
  readonly acknowledged: number
  /** `id/boot/seq` of acknowledged frames that no document holds. */
  readonly missing: readonly string[]
  readonly startMsMax: number
}

/** Kills the pipeline `kills` times under load and recounts from sensor to document. */
export async function measureDelivery(options: DeliveryOptions): Promise<DeliveryResult> {
  const random = new SeededRandom(options.seed)
  const say = options.say ?? (() => {})
  const [loadMsMin, loadMsMax] = options.loadMs ?? [1_000, 3_000]
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-delivery-'))
  const pipeline = await PipelineProcess.create({ folder })
  const sensors = new LoadSensors({
    url: `mqtt://127.0.0.1:${pipeline.ports.mqtt}`,
    seed: options.seed,
  })
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
