import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Consumer } from '@khlong/kafka-client'
import { type Collection, MongoClient } from 'mongodb'
import { ControlGroup } from './cgroup.ts'
import { LoadSensors } from './load-sensors.ts'
import { PipelineProcess } from './pipeline-process.ts'

// A small board, measured: the whole process has one core and 512 MiB, sensors send at a rate, and every
// so many frames one is looked for among the documents.

export interface BoardOptions {
  minutes: number
  framesPerSecond: number
  seed: number
  say?(text: string): void
}

export interface BoardResult {
  readonly minutes: number
  readonly sent: number
  readonly acknowledged: number
  /** From the sending of a frame to its acknowledgement. */
  readonly acknowledgementMs: Percentiles
  /** From the sending of a frame to its document, of the frames that were looked for. */
  readonly documentMs: Percentiles
  readonly lookedFor: number
  /** Memory that no file stands behind: at the end of the first third, and at the end. */
  readonly anonymousMiB: { readonly third: number; readonly end: number }
  readonly coresUsed: number
}

export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

const cores = 1
const memoryBytes = 512 * 2 ** 20
const memoryEveryMs = 5_000
/** One of so many frames is looked for. */
const sampleEvery = 20
const documentDeadlineMs = 30_000

/** Runs the pipeline as on a small board. @throws Error where it dies, or a frame never is a document */
export async function measureBoard(options: BoardOptions): Promise<BoardResult> {
  const say = options.say ?? (() => {})
  const group = await ControlGroup.create({ cores, memoryBytes })
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-board-'))
  const pipeline = await PipelineProcess.create({ folder, prefix: group.prefix })
  const acknowledgements: number[] = []
  const sensors = new LoadSensors({
    url: `mqtt://127.0.0.1:${pipeline.ports.mqtt}`,
    seed: options.seed,
    framesPerSecond: options.framesPerSecond,
    onAcknowledged: (latencyMs) => acknowledgements.push(latencyMs),
  })
  let watch: DocumentWatch | undefined
  try {
    say(`ready in ${((await pipeline.start(180_000)) / 1_000).toFixed(1)} s within the limits`)
    watch = await DocumentWatch.start(pipeline)
    await sensors.connect()
    const memory: number[] = []
    const untilMs = performance.now() + options.minutes * 60_000
    while (performance.now() < untilMs) {
      await delay(memoryEveryMs)
      const { anonymousBytes, totalBytes } = await group.memory()
      memory.push(anonymousBytes / 2 ** 20)
      if (memory.length % 12 === 0)
        say(
          `${acknowledgements.length} acknowledged, p99 ${percentiles(acknowledgements).p99} ms; document p99 ${percentiles(watch.latencies).p99} ms; ` +
            `memory ${mebibytes(anonymousBytes)} (with files ${mebibytes(totalBytes)})`,
        )
    }
    await sensors.finish()
    await watch.stop()
    const coresUsed = await processorSeconds(pipeline.processId!).then(
      (seconds) => seconds / (options.minutes * 60),
    )
    const exitCode = await pipeline.stop()
    if (exitCode !== 0) throw new Error(`it ended with ${exitCode}:\n${pipeline.output}`)
    const third = Math.floor(memory.length / 3)
    const window = Math.max(1, Math.floor(memory.length / 12))
    return {
      minutes: options.minutes,
      sent: sensors.sent,
      acknowledged: sensors.acknowledged.size,
      acknowledgementMs: percentiles(acknowledgements),
      documentMs: percentiles(watch.latencies),
      lookedFor: watch.latencies.length,
      anonymousMiB: {
        third: median(memory.slice(third, third + window)),
        end: median(memory.slice(-window)),
      },
      coresUsed,
    }
  } finally {
    await watch?.stop()
    await sensors.disconnect()
    await pipeline.kill()
    await group.remove()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Follows the topic of frames, and looks for the document of one of so many. */
class DocumentWatch {
  readonly latencies: number[] = []
  readonly #client: MongoClient
  readonly #documents: Collection<{ _id: string }>
  readonly #consumer: Consumer
  readonly #looking = new Set<Promise<void>>()
  #isStopping = false
  /** How long documents are looked for; late ones count with their lateness. */
  #untilMs = Number.POSITIVE_INFINITY
  #following: Promise<void> | undefined
  #failure: unknown

  static async start(pipeline: PipelineProcess): Promise<DocumentWatch> {
    const client = await MongoClient.connect(`mongodb://127.0.0.1:${pipeline.ports.mongodb}`)
    const watch = new DocumentWatch(client, `127.0.0.1:${pipeline.ports.kafka}`)
    watch.#following = watch.#follow().catch((error: unknown) => {
      watch.#failure = error
    })
    return watch
  }

  private constructor(client: MongoClient, bootstrapServers: string) {
    this.#client = client
    this.#documents = client.db('iot').collection('iot_frames')
    this.#consumer = new Consumer({ 'bootstrap.servers': bootstrapServers })
    this.#consumer.assign(
      Array.from({ length: 6 }, (_, partition) => ({
        topic: 'iot-frames',
        partition,
        offset: 'earliest' as const,
      })),
    )
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#untilMs = Date.now() + documentDeadlineMs
    await this.#following
    await Promise.all(this.#looking)
    await this.#consumer.close()
    await this.#client.close()
    if (this.#failure !== undefined) throw this.#failure
  }

  async #follow(): Promise<void> {
    let count = 0
    while (!this.#isStopping)
      for (const { topic, partition, records } of await this.#consumer.poll(200))
        for (const { value, offset } of records) {
          if (count++ % sampleEvery !== 0) continue
          const { timestamp } = JSON.parse(String(value)) as { timestamp: number }
          const looking = this.#lookFor(`${topic}#${partition}#${offset}`, timestamp)
            .catch((error: unknown) => {
              this.#failure ??= error
            })
            .finally(() => this.#looking.delete(looking))
          this.#looking.add(looking)
        }
  }

  async #lookFor(_id: string, sentMs: number): Promise<void> {
    while (!(await this.#documents.findOne({ _id }, { projection: { _id: 1 } }))) {
      if (Date.now() > this.#untilMs)
        throw new Error(`${_id} was no document ${documentDeadlineMs} ms after the last frame`)
      await delay(5)
    }
    this.latencies.push(Date.now() - sentMs)
  }
}

/** Processor time of a process so far, of all its threads. */
async function processorSeconds(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function percentiles(latencies: readonly number[]): Percentiles {
  const sorted = [...latencies].sort((a, b) => a - b)
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN)
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
