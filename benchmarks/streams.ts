import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Admin, Fetcher, Producer } from '@khlong/kafka-client'
import { Stops } from '../packages/connect/test/helpers/stops.ts'
import { peer } from '../tools/peers.ts'
import { startKafka } from '../tools/real-engines.ts'
import { streamsClassPath } from '../tools/streams-parity/java.ts'

export interface StreamsBenchmarkOptions {
  /** Frames that are drained, and keys that are restored. */
  readonly records: number
  /** Java and ours take turns, and change places from round to round. */
  readonly rounds: number
  /** Cases by name; all where it is left out. */
  readonly only?: RegExp
}

/** What an application says of itself at its end. */
interface RunFigures {
  readonly elapsedMs: number
  readonly cpuMs: number
  readonly peakMiB: number
}

/** The middle of the rounds. */
export interface StreamsFigures {
  readonly perSecond: number
  /** Of a record, of all cores. */
  readonly cpuMicros: number
  readonly peakMiB: number
  /** From the start of the process to the first record that a reader sees. */
  readonly startMs?: number
}

export interface StreamsComparison {
  readonly name: string
  readonly java: StreamsFigures
  readonly ours: StreamsFigures
  /** Ours by Java's. */
  readonly ratios: StreamsFigures
}

export interface StreamsBenchmarkResult {
  readonly records: number
  readonly comparisons: readonly StreamsComparison[]
}

type Side = 'java' | 'ours'
interface Run extends RunFigures {
  readonly startMs?: number
}

const run = promisify(execFile)
const partitions = 6
const sensors = 1_000
const names = [
  ...['map', 'window', 'join'].flatMap((one) => [`${one} at_least_once`, `${one} exactly_once_v2`]),
  'restore at_least_once',
]
const javaMemory = '-Xmx512m'
/** The frames have times of long ago. */
const kept = { 'retention.ms': '-1' }
/** As `khlong streams` begins, beside the size of the young generation. */
const memory = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

/** Java's library and ours on the same real Kafka: draining a topic through topologies, and restoring a store. */
export async function measureStreams(
  options: StreamsBenchmarkOptions,
): Promise<StreamsBenchmarkResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-bench-'))
  const ends: (() => Promise<unknown>)[] = []
  const stops = new Stops({ after: (end) => ends.push(end) })
  try {
    const classes = `${folder}/classes`
    const classPath = `${classes}${path.delimiter}${streamsClassPath()}`
    const source = fileURLToPath(new URL('streams/StreamsBenchmark.java', import.meta.url))
    await run(`${peer('java')}c`, ['-nowarn', '-cp', classPath, '-d', classes, source])
    const servers = await startKafka(stops, `${folder}/kafka`)
    const bench = new StreamsBenchmark(servers, folder, classPath, options.records)
    const comparisons: StreamsComparison[] = []
    await bench.fill()
    // The first start of all fills the cache of compiled sources.
    await bench.run('ours', 'map', 'at_least_once', Math.min(options.records, 1_000))
    for (const name of names) {
      if (options.only && !options.only.test(name)) continue
      const runs: Record<Side, Run[]> = { java: [], ours: [] }
      for (let round = 0; round < options.rounds; round++)
        for (const side of round % 2 === 0
          ? (['java', 'ours'] as const)
          : (['ours', 'java'] as const)) {
          const [one = '', guarantee = ''] = name.split(' ')
          runs[side].push(await bench.run(side, one, guarantee, options.records))
        }
      const comparison = compare(name, runs, options.records)
      process.stdout.write(`${lineOf(comparison)}\n`)
      comparisons.push(comparison)
    }
    return { records: options.records, comparisons }
  } finally {
    for (const end of ends) await end()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Older figures with newer ones in their places. */
export function withCases(
  before: StreamsBenchmarkResult,
  now: StreamsBenchmarkResult,
): StreamsBenchmarkResult {
  const newer = new Map(now.comparisons.map((one) => [one.name, one]))
  const comparisons = before.comparisons.map((one) => newer.get(one.name) ?? one)
  return { ...now, comparisons }
}

function lineOf({ name, java, ours, ratios }: StreamsComparison): string {
  const parts = [
    `${ours.perSecond} records/s (${ratios.perSecond} x Java's ${java.perSecond})`,
    `${ours.cpuMicros} us of CPU each (${ratios.cpuMicros} x ${java.cpuMicros})`,
    `${ours.peakMiB} MiB (${ratios.peakMiB} x ${java.peakMiB})`,
  ]
  if (ratios.startMs !== undefined)
    parts.push(`first output after ${ours.startMs} ms (${ratios.startMs} x ${java.startMs})`)
  return `${name}: ${parts.join(', ')}`
}

class StreamsBenchmark {
  readonly #servers: string
  readonly #folder: string
  readonly #classPath: string
  readonly #records: number
  #runs = 0

  constructor(servers: string, folder: string, classPath: string, records: number) {
    this.#servers = servers
    this.#folder = folder
    this.#classPath = classPath
    this.#records = records
  }

  /** Writes what is drained and what is restored. */
  async fill(): Promise<void> {
    await using admin = new Admin({ 'bootstrap.servers': this.#servers })
    const compact = { 'cleanup.policy': 'compact' }
    await admin.createTopics([
      { name: 'frames', partitions, configs: kept },
      { name: 'places', partitions, configs: kept },
      { name: 'restore-kept-changelog', partitions, configs: compact },
    ])
    await using producer = new Producer({ 'bootstrap.servers': this.#servers, 'linger.ms': 20 })
    const timestamp = 1_769_846_400_000
    const place = (n: number): string =>
      `{"place":"${32_347_983 + (n % 50)}","floor":"${n % 9}","building":"building ${n % 50}"}`
    for (let n = 0; n < sensors; n++)
      producer.enqueue({ topic: 'places', key: String(n), value: place(n), timestamp })
    for (let n = 0; n < this.#records; n++) {
      const key = String((n * 7) % sensors)
      // As if every sensor sent one a second.
      const frame = { key, value: frameText(key, timestamp + n), timestamp: timestamp + n }
      if (!producer.enqueue({ topic: 'frames', ...frame })) await producer.ready()
      const kept = { topic: 'restore-kept-changelog', key: `key-${n}`, value: place(n), timestamp }
      if (!producer.enqueue(kept)) await producer.ready()
    }
    await producer.flush()
  }

  /** Runs an application to its end, on topics of its own. */
  async run(side: Side, name: string, guarantee: string, records: number): Promise<Run> {
    const number = this.#runs++
    const application = name === 'restore' ? 'restore' : `${side}-${name}-${number}`
    await using admin = new Admin({ 'bootstrap.servers': this.#servers })
    const out = `${application}-out`
    await admin.createTopics([{ name: out, partitions, configs: kept }])
    const state = `${this.#folder}/state-${number}`
    const startedAt = performance.now()
    const [command, ...before] = side === 'java' ? this.#java() : this.#ours()
    const args = [name, this.#servers, application, guarantee, state, String(records)]
    const child = spawn(command!, [...before, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...(side === 'ours' ? memory : {}),
        NODE_COMPILE_CACHE: `${this.#folder}/compiled`,
      },
    })
    let figures: RunFigures | undefined
    createInterface({ input: child.stdout }).on('line', (line) => {
      // Java's library logs here, too.
      if (line.startsWith('{')) figures = JSON.parse(line) as RunFigures
    })
    const exit = once(child, 'close')
    try {
      const startMs = name === 'map' ? await this.#firstOutput(out, startedAt, exit) : undefined
      await exit
      if (!figures) throw new Error(`${side}: ${name} ended without figures`)
      return startMs === undefined ? figures : { ...figures, startMs }
    } finally {
      child.kill('SIGKILL')
      // Ours keeps its place in the group for a restart, and the other side's members are of another kind.
      const [group] = await admin.describeGroups([application])
      const memberIds = group?.members.map(({ memberId }) => memberId) ?? []
      if (memberIds.length > 0) await admin.removeMembers(application, memberIds)
      // What is restored stays for the other side.
      const made = (await admin.listTopics()).filter((topic) => topic.startsWith(`${application}-`))
      await admin.deleteTopics(name === 'restore' ? [out] : made)
      await rm(state, { recursive: true, force: true })
    }
  }

  #java(): string[] {
    return [peer('java'), javaMemory, '-cp', this.#classPath, 'StreamsBenchmark']
  }
  #ours(): string[] {
    const application = fileURLToPath(new URL('streams/application.ts', import.meta.url))
    return [process.execPath, '--max-semi-space-size=2', application]
  }

  /** Milliseconds until a reader sees the first record. */
  async #firstOutput(topic: string, startedAt: number, exit: Promise<unknown>): Promise<number> {
    await using fetcher = new Fetcher({
      'bootstrap.servers': this.#servers,
      'isolation.level': 'read_committed',
      'max.partition.fetch.bytes': 1_024,
    })
    fetcher.assign(
      Array.from({ length: partitions }, (_item, partition) => ({
        topic,
        partition,
        offset: 'earliest' as const,
      })),
    )
    let isOver = false
    void exit.then(() => {
      isOver = true
    })
    while (!isOver) if ((await fetcher.poll(100)).length > 0) break
    return Math.round(performance.now() - startedAt)
  }
}

/** A frame of about 180 bytes, as sensors write them. */
const frameText = (id: string, timestamp: number): string =>
  `{"id":"${id}","name":"iot_sensor_${id}","place_id":"32347983","timestamp":${timestamp},` +
  '"payload":{"temperature":21,"humidity":50,"pressure":1012,"luminosity":40000},"boot":"a1b2c3d4"}'

function compare(
  name: string,
  runs: Readonly<Record<Side, readonly Run[]>>,
  records: number,
): StreamsComparison {
  const java = figuresOf(runs.java, records)
  const ours = figuresOf(runs.ours, records)
  const ratio = (one: number, other: number): number => Math.round((one / other) * 100) / 100
  return {
    name,
    java,
    ours,
    ratios: {
      perSecond: ratio(ours.perSecond, java.perSecond),
      cpuMicros: ratio(ours.cpuMicros, java.cpuMicros),
      peakMiB: ratio(ours.peakMiB, java.peakMiB),
      ...(ours.startMs === undefined || java.startMs === undefined
        ? {}
        : { startMs: ratio(ours.startMs, java.startMs) }),
    },
  }
}

function figuresOf(runs: readonly Run[], records: number): StreamsFigures {
  const middle = (figures: readonly number[]): number =>
    figures.toSorted((a, b) => a - b)[Math.floor((figures.length - 1) / 2)]!
  const starts = runs.flatMap(({ startMs }) => startMs ?? [])
  return {
    perSecond: Math.round((records * 1_000) / middle(runs.map(({ elapsedMs }) => elapsedMs))),
    cpuMicros: Math.round((middle(runs.map(({ cpuMs }) => cpuMs)) * 10_000) / records) / 10,
    peakMiB: middle(runs.map(({ peakMiB }) => peakMiB)),
    ...(starts.length > 0 ? { startMs: middle(starts) } : {}),
  }
}
