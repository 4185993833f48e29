import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LoadSensors } from './load-sensors.ts'
import { PipelineProcess } from './pipeline-process.ts'
import { countDocuments, explainDuplicates, readRecords } from './recount.ts'

// A backup, measured: it is taken under load, restored elsewhere, and every frame whose acknowledgement
// a sensor had seen before the cut is looked for among the documents of the restored pipeline.

const run = promisify(execFile)
const main = fileURLToPath(new URL('../packages/khlong/src/main.ts', import.meta.url))

export interface BackupOptions {
  framesPerSecond: number
  /** Time under load before the backup, and again after it. */
  loadMs: number
  seed: number
  say?(text: string): void
}

export interface BackupResult {
  readonly acknowledged: number
  /** Frames whose acknowledgement was seen before the cut. */
  readonly acknowledgedBefore: number
  /** `id/boot/seq` of those that no document of the restored pipeline holds. */
  readonly missing: readonly string[]
  readonly documents: number
  readonly redelivered: number
  /** Documents beyond the first of their frame that nothing explains, and documents without a record. */
  readonly unexplained: number
  readonly heldMs: number
  /** The longest time in which no acknowledgement came while the backup was taken. */
  readonly silenceMsMax: number
  readonly backupMs: number
  readonly fileBytes: number
  readonly backupBytes: number
}

interface BackupSaid {
  readonly manifest: { readonly cutMs: number; readonly heldMs: number }
  readonly fileBytes: number
  readonly backupBytes: number
}

/** Takes a backup under load, restores it elsewhere and recounts. */
export async function measureBackup(options: BackupOptions): Promise<BackupResult> {
  const say = options.say ?? (() => {})
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-backup-'))
  const pipeline = await PipelineProcess.create({ folder })
  const sensors = new LoadSensors({
    url: `mqtt://127.0.0.1:${pipeline.ports.mqtt}`,
    seed: options.seed,
    framesPerSecond: options.framesPerSecond,
  })
  let restored: PipelineProcess | undefined
  try {
    await pipeline.start()
    await sensors.connect()
    await delay(options.loadMs)
    const file = path.join(folder, 'iot.backup')
    const beganMs = Date.now()
    const { stdout } = await run(process.execPath, [
      main,
      'backup',
      file,
      pipeline.folder,
      '--json',
    ])
    const endedMs = Date.now()
    const said = JSON.parse(stdout) as BackupSaid
    const { cutMs, heldMs } = said.manifest
    say(`backup of ${said.fileBytes} bytes in ${endedMs - beganMs} ms, held for ${heldMs} ms`)
    await delay(options.loadMs)
    await sensors.finish()
    await sensors.disconnect()
    await pipeline.stop()

    const times = sensors.acknowledgedMs
    const before = new Set([...sensors.acknowledged].filter((_, index) => times[index]! < cutMs))
    const elsewhere = path.join(folder, 'elsewhere')
    await run(process.execPath, [main, 'verify', file])
    await run(process.execPath, [main, 'restore', file, elsewhere])
    restored = await PipelineProcess.at(elsewhere)
    await restored.start()
    say(`restored; ${before.size} frames had been acknowledged before the cut`)
    const documents = await countDocuments(`mongodb://127.0.0.1:${restored.ports.mongodb}`, before)
    const records = await readRecords(`127.0.0.1:${restored.ports.kafka}`)
    const { redelivered, unexplainedDuplicates, writtenTwice, ...counted } = explainDuplicates(
      documents,
      records,
      sensors.sends,
    )
    await restored.stop()
    return {
      acknowledged: sensors.acknowledged.size,
      acknowledgedBefore: before.size,
      missing: [...before].filter((frame) => !documents.has(frame)),
      documents: counted.documents,
      redelivered,
      unexplained: unexplainedDuplicates + writtenTwice,
      heldMs,
      silenceMsMax: longestSilence(times, beganMs, endedMs),
      backupMs: endedMs - beganMs,
      fileBytes: said.fileBytes,
      backupBytes: said.backupBytes,
    }
  } finally {
    await sensors.disconnect()
    await pipeline.kill()
    await restored?.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

function longestSilence(times: readonly number[], fromMs: number, toMs: number): number {
  let longest = 0
  let before = fromMs
  for (const time of times) {
    if (time < fromMs || time > toMs) continue
    longest = Math.max(longest, time - before)
    before = time
  }
  return Math.max(longest, toMs - before)
}
