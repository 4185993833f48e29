import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import { type Comparison, median, report } from '../kafka/comparison.ts'
import {
  connectPublishers,
  frame,
  measureFlatOut,
  measureLatency,
  type Percentiles,
  percentiles,
} from './load.ts'
import { cpuMs, memoryMiB, rssMiB } from './process-figures.ts'
import { buildRealParts, startRealStack } from './real-stack.ts'
import { type Stack, startKhlongStack } from './stack.ts'

export interface BesideOptions {
  /** How often each stack is started and measured, in turn. */
  readonly rounds: number
  readonly idleSeconds: number
  /** A JVM compiles for most of a minute. */
  readonly warmSeconds: number
  readonly latencySeconds: number
  /** Frames a second of the latency runs; the stack is warmed up at the first. */
  readonly rates: readonly number[]
  /** Frames of the flat-out run. */
  readonly flatOutFrames: number
}

export interface StackFigures {
  /** Processes that wanted a core in the minute before. */
  readonly loadBefore: number
  /** From nothing running to the first document. */
  readonly firstDocumentMs: number
  /** Resident memory of each process and of all, the server of documents left out. */
  readonly rssIdleMiB: Readonly<Record<string, number>>
  readonly rssLoadedMiB: Readonly<Record<string, number>>
  /** Of all, without pages of files, which the system may take back: anonymous and shared memory. */
  readonly ownIdleMiB: number
  readonly ownLoadedMiB: number
  readonly latencies: readonly {
    readonly offeredPerSecond: number
    readonly latencyMs: Percentiles
  }[]
  /** Documents a second, from the first frame sent flat out to the last document. */
  readonly sustainedPerSecond: number
  /** CPU time of all processes but the server of documents, for a frame that is sent flat out. */
  readonly cpuUsPerFrame: number
}

export interface BesideResult {
  readonly real: readonly StackFigures[]
  readonly khlong: readonly StackFigures[]
  readonly comparisons: readonly Comparison[]
}

const windowMs = 5_000
const firstDocumentWithinMs = 180_000

/** The real stack and Khlong in turn on this machine, with the same frames and the same server of documents. */
export async function measureBeside(options: BesideOptions): Promise<BesideResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-bench-'))
  const figures = { real: [] as StackFigures[], khlong: [] as StackFigures[] }
  try {
    const parts = await buildRealParts(folder)
    for (let round = 0; round < options.rounds; round++)
      for (const name of round % 2 === 0 ? stacks : stacks.toReversed()) {
        const place = path.join(folder, `${name}-${round}`)
        await mkdir(place)
        figures[name].push(
          await measureStack(options, (ends) =>
            name === 'real'
              ? startRealStack(ends, place, parts, windowMs)
              : startKhlongStack(ends, place, windowMs),
          ),
        )
        process.stdout.write(
          `pipeline, round ${round + 1}, ${name}: ${JSON.stringify(figures[name].at(-1))}\n`,
        )
        await rm(place, { recursive: true, force: true, maxRetries: 3 })
      }
    const comparisons = comparisonsOf(options.rates, figures)
    for (const comparison of comparisons) process.stdout.write(`${report(comparison)}\n`)
    return { ...figures, comparisons }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

const stacks = ['real', 'khlong'] as const

async function measureStack(
  options: BesideOptions,
  start: (ends: { push(end: () => Promise<unknown>): void }) => Promise<Stack>,
): Promise<StackFigures> {
  const loadBefore = Math.round(loadavg()[0]! * 10) / 10
  const ends: (() => Promise<unknown>)[] = []
  try {
    const startMs = performance.now()
    const stack = await start(ends)
    const mongo = await MongoClient.connect(stack.documents.uri)
    ends.push(() => mongo.close())
    const clients = await connectPublishers(stack.mqttUrl)
    ends.push(() => Promise.all(clients.map((client) => client.endAsync(true))))
    const documents = mongo.db('iot').collection('iot_frames')
    // What is published before the source has subscribed is kept by nobody.
    for (let n = 0; (await documents.findOne()) === null; n++) {
      if (performance.now() - startMs > firstDocumentWithinMs)
        throw new Error(`no document ${firstDocumentWithinMs} ms after the start`)
      await clients[0]!.publishAsync('iot-frames', frame('first', n), { qos: 1 })
      await delay(20)
    }
    const firstDocumentMs = Math.round(performance.now() - startMs)
    await documents.createIndex({ run: 1, n: 1 })
    await delay(options.idleSeconds * 1_000)
    const rssIdleMiB = await rssOf(stack)
    const ownIdleMiB = await ownOf(stack)
    await measureLatency(clients, documents, 'warm', options.rates[0]!, options.warmSeconds)
    const latencies: StackFigures['latencies'][number][] = []
    for (const rate of options.rates) {
      const run = `latency-${rate}`
      const found = await measureLatency(clients, documents, run, rate, options.latencySeconds)
      latencies.push({ offeredPerSecond: rate, latencyMs: percentiles(found) })
    }
    const beganMs = await cpuOf(stack)
    const { sustainedPerSecond } = await measureFlatOut(clients, documents, options.flatOutFrames)
    const spentMs = (await cpuOf(stack)) - beganMs
    // Both do the whole work: what the application sums up becomes documents, too.
    const sums = mongo.db('iot').collection('iot_aggregate_metrics_sensor')
    await eventually(async () => {
      if ((await sums.findOne()) === null)
        throw new Error('no window of a sensor became a document')
    }, 60_000)
    return {
      loadBefore,
      firstDocumentMs,
      rssIdleMiB,
      rssLoadedMiB: await rssOf(stack),
      ownIdleMiB,
      ownLoadedMiB: await ownOf(stack),
      latencies,
      sustainedPerSecond,
      cpuUsPerFrame: Math.round((spentMs * 1_000) / options.flatOutFrames),
    }
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function rssOf({ processes }: Stack): Promise<Record<string, number>> {
  const each = await Promise.all(
    Object.entries(processes).map(async ([name, id]) => [name, await rssMiB(id)] as const),
  )
  const all = each.reduce((sum, [, mebibytes]) => sum + mebibytes, 0)
  return { ...Object.fromEntries(each), all }
}

async function ownOf({ processes }: Stack): Promise<number> {
  const each = await Promise.all(Object.values(processes).map(memoryMiB))
  return each.reduce((sum, mebibytes) => sum + mebibytes, 0)
}

async function cpuOf({ processes }: Stack): Promise<number> {
  const each = await Promise.all(Object.values(processes).map(cpuMs))
  return each.reduce((sum, milliseconds) => sum + milliseconds, 0)
}

function comparisonsOf(
  rates: readonly number[],
  { real, khlong }: Pick<BesideResult, 'real' | 'khlong'>,
): Comparison[] {
  const comparison = (
    what: string,
    unit: string,
    read: (figures: StackFigures) => number,
    aim: { readonly atMost?: number; readonly atLeast?: number } = {},
  ): Comparison => {
    const ours = khlong.map(read)
    const theirs = real.map(read)
    const ratio = median(ours.map((value, round) => value / theirs[round]!))
    const hasAim = aim.atMost !== undefined || aim.atLeast !== undefined
    return {
      what,
      unit,
      ...aim,
      ours,
      theirs,
      ratio: Number(ratio.toPrecision(3)),
      ...(hasAim
        ? {
            isMet: ratio >= (aim.atLeast ?? 0) && ratio <= (aim.atMost ?? Number.POSITIVE_INFINITY),
          }
        : {}),
    }
  }
  const quarter = { atMost: 0.25 }
  return [
    comparison('start to first document', 'ms', (one) => one.firstDocumentMs, { atMost: 0.1 }),
    comparison('RSS idle', 'MiB', (one) => one.rssIdleMiB.all!, { atMost: 0.1 }),
    comparison('RSS after load', 'MiB', (one) => one.rssLoadedMiB.all!, { atMost: 0.1 }),
    comparison('memory of its own idle', 'MiB', (one) => one.ownIdleMiB),
    comparison('memory of its own after load', 'MiB', (one) => one.ownLoadedMiB),
    ...rates.flatMap((rate, index) =>
      (['p50', 'p99'] as const).map((percentile) =>
        comparison(
          `${percentile} publish to document, ${rate} frames/s`,
          'ms',
          (one) => one.latencies[index]!.latencyMs[percentile],
          quarter,
        ),
      ),
    ),
    comparison('highest sustained rate', 'frames/s', (one) => one.sustainedPerSecond, {
      atLeast: 2,
    }),
    comparison('CPU of a frame, flat out', 'µs', (one) => one.cpuUsPerFrame),
  ]
}
