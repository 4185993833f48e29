import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Admin } from '@khlong/kafka-client'
import {
  type BenchBroker,
  cpuSeconds,
  residentMiB,
  startKafka,
  startKhlong,
} from './kafka/brokers.ts'
import { type Comparison, compare, type Measured, report } from './kafka/comparison.ts'
import { consumerPerf, kcatConsume, kcatProduce, producerPerf } from './kafka/foreign-loads.ts'
import { endToEndLatency } from './kafka/latency.ts'
import { nodeClients } from './kafka/node-client.ts'
import { measureOpening, type Opening } from './kafka/opening.ts'

export interface KafkaBenchmarkOptions {
  rounds: number
  /** Of the producer's and the consumer's performance tests, 180 bytes each; a third of it with 1 KiB. */
  records: number
  nodeRecords: number
  latencyRecords: number
  partitions: number
  /** Of the partition that is opened. */
  partitionBytes: number
  /** Which groups of measurements; all where it is left out. */
  only?: RegExp
}

export interface KafkaBenchmarkResult {
  readonly comparisons: readonly Comparison[]
  readonly opening?: Opening
}

/** The brokers side by side; all run all the time, one is loaded at a time. */
interface Bench {
  readonly options: KafkaBenchmarkOptions
  /** `ack.flush=none`, which is what Kafka's default is. */
  readonly plain: BenchBroker
  /** Our default: every acknowledgement waits for the flush. */
  readonly flushing: BenchBroker
  readonly kafka: BenchBroker
  readonly comparisons: Comparison[]
}

/** Khlong's broker beside Kafka 4.3.1: alternating runs of the same client with the same settings. */
export async function measureKafka(options: KafkaBenchmarkOptions): Promise<KafkaBenchmarkResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-bench-kafka-'))
  const brokers: BenchBroker[] = []
  const keep = (broker: BenchBroker): BenchBroker => {
    brokers.push(broker)
    return broker
  }
  try {
    const bench: Bench = {
      options,
      plain: keep(await startKhlong(path.join(folder, 'plain'), 'none')),
      flushing: keep(await startKhlong(path.join(folder, 'flushing'), 'all')),
      kafka: keep(await startKafka(path.join(folder, 'kafka'))),
      comparisons: [],
    }
    const groups: readonly [name: string, measure: (bench: Bench) => Promise<void>][] = [
      ['produce', measureProduce],
      ['consume', measureConsume],
      ['kcat', measureKcat],
      // Behind the loads: a JVM that has just begun is busy with itself.
      ['latency', measureLatency],
      ['node', measureNodeClients],
      ['process', measureProcess],
    ]
    for (const [name, measure] of groups)
      if (!options.only || options.only.test(name)) await measure(bench)
    for (const broker of brokers.splice(0)) await broker.stop()
    const { comparisons } = bench
    if (options.only && !options.only.test('opening')) return { comparisons }
    return { comparisons, opening: await measureOpening(path.join(folder, 'opening'), options) }
  } finally {
    for (const broker of brokers) await broker.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Our own broker and the clients of Node alone, on tiny inputs: what runs wherever `npm test` does. */
export async function tryKafka(): Promise<KafkaBenchmarkResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-bench-kafka-'))
  const broker = await startKhlong(path.join(folder, 'small'), 'all')
  try {
    await makeTopic(broker, 'small', 6)
    const records = 2_000
    const comparisons: Comparison[] = []
    for (const client of nodeClients) await nodeClient(client, broker, records, 'small-0')
    await endToEndLatency(broker.address, 'small', -1, 50)
    await broker.stop()
    return {
      comparisons,
      opening: await measureOpening(path.join(folder, 'opening'), {
        partitions: 20,
        partitionBytes: 1 << 20,
      }),
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function makeTopic(
  broker: BenchBroker,
  name: string,
  partitions: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using admin = new Admin({ 'bootstrap.servers': broker.address })
  await admin.createTopics([{ name, partitions, replicationFactor: 1, configs }])
}

async function removeTopic(broker: BenchBroker, name: string): Promise<void> {
  await using admin = new Admin({ 'bootstrap.servers': broker.address })
  await admin.deleteTopics([name])
}

/** A figure of a load on a broker, with the CPU that the broker took for it. */
async function measured(broker: BenchBroker, load: () => Promise<number>): Promise<Measured> {
  const before = await cpuSeconds(broker.pid)
  const value = await load()
  return { value, cpuSeconds: (await cpuSeconds(broker.pid)) - before }
}

async function measureProduce(bench: Bench): Promise<void> {
  const { options, plain, flushing, kafka, comparisons } = bench
  const load = async (
    broker: BenchBroker,
    sizeBytes: number,
    partitions: number,
    acks: '1' | 'all',
    isFlushed = false,
  ): Promise<Measured> => {
    const topic = `perf-${sizeBytes}-${partitions}`
    const flush = isFlushed && broker === kafka
    await makeTopic(broker, topic, partitions, flush ? { 'flush.messages': '1' } : {})
    const records = Math.floor(options.records / (sizeBytes > 180 ? 3 : 1))
    const result = await measured(broker, () =>
      producerPerf(broker.address, { topic, records, warmUpRecords: records, sizeBytes, acks }),
    )
    await removeTopic(broker, topic)
    return result
  }
  for (const sizeBytes of [180, 1024])
    for (const partitions of [1, 6])
      for (const acks of ['1', 'all'] as const) {
        const what = `kafka-producer-perf-test ${sizeBytes} bytes, ${partitions} partitions, acks=${acks}`
        const on =
          (broker: BenchBroker, isFlushed = false) =>
          () =>
            load(broker, sizeBytes, partitions, acks, isFlushed)
        comparisons.push(
          await compare(`${what}, neither flushes`, options.rounds, on(plain), on(kafka), {
            unit: 'records/s',
            atLeast: 1,
          }),
        )
        // Flushing takes the same time whatever acks says; one of the two is enough.
        if (acks === '1') continue
        comparisons.push(
          await compare(
            `${what}, both flush (flush.messages=1)`,
            options.rounds,
            on(flushing, true),
            on(kafka, true),
            { unit: 'records/s', atLeast: 3 },
          ),
          await compare(
            `${what}, each with its defaults`,
            options.rounds,
            on(flushing),
            on(kafka),
            {
              unit: 'records/s',
            },
          ),
        )
      }
}

async function measureConsume({ options, plain, kafka, comparisons }: Bench): Promise<void> {
  for (const sizeBytes of [180, 1024])
    for (const partitions of [1, 6]) {
      const topic = `read-${sizeBytes}-${partitions}`
      const records = Math.floor(options.records / (sizeBytes > 180 ? 3 : 1))
      for (const broker of [plain, kafka]) {
        await makeTopic(broker, topic, partitions)
        await producerPerf(broker.address, { topic, records, sizeBytes, acks: 'all' })
      }
      const read = (broker: BenchBroker) => () =>
        measured(broker, async () => (await consumerPerf(broker.address, topic, records)).whole)
      comparisons.push(
        await compare(
          `kafka-consumer-perf-test ${sizeBytes} bytes, ${partitions} partitions`,
          options.rounds,
          read(plain),
          read(kafka),
          { unit: 'records/s', atLeast: 1 },
        ),
      )
      for (const broker of [plain, kafka]) await removeTopic(broker, topic)
    }
}

async function measureKcat({ options, plain, kafka, comparisons }: Bench): Promise<void> {
  const line = `${'reading '.repeat(22)}\n`
  const lines = Buffer.from(line.repeat(options.records))
  const topic = 'kcat'
  const write = (broker: BenchBroker) => async () => {
    await makeTopic(broker, topic, 6)
    const result = await measured(broker, () => kcatProduce(broker.address, topic, lines))
    await removeTopic(broker, topic)
    return result
  }
  const unit = 'records/s'
  comparisons.push(
    await compare('kcat -P, 177 bytes, 6 partitions', options.rounds, write(plain), write(kafka), {
      unit,
      atLeast: 0.7,
    }),
  )
  for (const broker of [plain, kafka]) {
    await makeTopic(broker, topic, 6)
    await kcatProduce(broker.address, topic, lines)
  }
  const read = (broker: BenchBroker) => () =>
    measured(broker, () => kcatConsume(broker.address, topic, options.records))
  comparisons.push(
    await compare('kcat -C, 177 bytes, 6 partitions', options.rounds, read(plain), read(kafka), {
      unit,
      atLeast: 0.7,
    }),
  )
}

/** What a run of a Node client says: records a second, and the CPU seconds that the client took. */
interface NodeClientFigures {
  readonly produced: number
  readonly consumed: number
  readonly producedCpu: number
  readonly consumedCpu: number
}

/** One run of a Node client on a topic of its own. */
async function nodeClient(
  client: string,
  broker: BenchBroker,
  records: number,
  topic: string,
): Promise<NodeClientFigures> {
  await makeTopic(broker, topic, 6)
  const script = fileURLToPath(new URL('./kafka/node-client.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [script, client, broker.address, topic, String(records)],
    { timeout: 300_000 },
  )
  await removeTopic(broker, topic)
  return JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as NodeClientFigures
}

async function measureNodeClients({ options, flushing, comparisons }: Bench): Promise<void> {
  let run = 0
  const figures = async (client: string): Promise<NodeClientFigures> =>
    await nodeClient(client, flushing, options.nodeRecords, `node-${run++}`)
  const ours = nodeClients[0]!
  for (const other of nodeClients.slice(1)) {
    const runs = { ours: [] as Measured[][], theirs: [] as Measured[][] }
    for (let round = 0; round < options.rounds; round++) {
      for (const [client, kept] of [
        [ours, runs.ours],
        [other, runs.theirs],
      ] as const) {
        const { produced, consumed, producedCpu, consumedCpu } = await figures(client)
        kept.push([
          { value: produced, cpuSeconds: producedCpu },
          { value: consumed, cpuSeconds: consumedCpu },
        ])
      }
    }
    for (const [index, verb] of ['produce', 'consume'].entries())
      comparisons.push(
        await compare(
          `${ours} beside ${other}, ${verb} JSON, Khlong’s broker`,
          options.rounds,
          async (round) => runs.ours[round]![index]!,
          async (round) => runs.theirs[round]![index]!,
          { unit: 'records/s', atLeast: 1.5 },
        ),
      )
  }
}

async function measureLatency(bench: Bench): Promise<void> {
  const { options, plain, flushing, kafka, comparisons } = bench
  const cases = [
    { name: 'acks=1, neither flushes', acks: 1, ours: plain, configs: {}, p50: 1, p99: 0.5 },
    { name: 'acks=all, neither flushes', acks: -1, ours: plain, configs: {}, p50: 1, p99: 0.5 },
    {
      name: 'acks=all, both flush (flush.messages=1)',
      acks: -1,
      ours: flushing,
      configs: { 'flush.messages': '1' },
      p50: undefined,
      p99: 1,
    },
  ] as const
  // Probe and brokers are compiled while they run, and for single records anew: what they do for many is another path.
  for (const broker of [plain, kafka, flushing]) {
    await makeTopic(broker, 'latency', 1)
    await endToEndLatency(broker.address, 'latency', 1, options.latencyRecords * 4)
  }
  for (const [index, { name, acks, ours, configs, p50, p99 }] of cases.entries()) {
    const topic = `latency-${index}`
    await makeTopic(ours, topic, 1)
    await makeTopic(kafka, topic, 1, configs)
    const runs = { ours: [] as Measured[][], theirs: [] as Measured[][] }
    for (let round = 0; round < options.rounds; round++)
      for (const [broker, kept] of [
        [ours, runs.ours],
        [kafka, runs.theirs],
      ] as const) {
        const found = await endToEndLatency(broker.address, topic, acks, options.latencyRecords)
        kept.push([{ value: found.p50 }, { value: found.p99 }])
      }
    for (const [at, [percentile, atMost]] of [
      ['p50', p50] as const,
      ['p99', p99] as const,
    ].entries())
      comparisons.push(
        await compare(
          `end to end, ${name}, ${percentile}`,
          options.rounds,
          async (round) => runs.ours[round]![at]!,
          async (round) => runs.theirs[round]![at]!,
          { unit: 'µs', ...(atMost === undefined ? {} : { atMost }) },
        ),
      )
  }
}

async function measureProcess({ flushing, kafka, comparisons }: Bench): Promise<void> {
  const one = async (value: number): Promise<Measured> => ({ value })
  comparisons.push(
    await compare(
      'start to ready',
      1,
      () => one(Math.round(flushing.startMs)),
      () => one(Math.round(kafka.startMs)),
      { unit: 'ms', atMost: 0.1 },
    ),
    await compare(
      'resident memory after the loads above',
      1,
      async () => one(await residentMiB(flushing.pid)),
      async () => one(await residentMiB(kafka.pid)),
      { unit: 'MiB', atMost: 0.25 },
    ),
  )
}

/** Older figures with newer ones in their places. */
export function withFigures(
  before: KafkaBenchmarkResult,
  now: KafkaBenchmarkResult,
): KafkaBenchmarkResult {
  const kept = before.comparisons.filter(
    ({ what }) => !now.comparisons.some((newer) => newer.what === what),
  )
  const opening = now.opening ?? before.opening
  return { comparisons: [...kept, ...now.comparisons], ...(opening ? { opening } : {}) }
}

/** The lines that a person reads. */
export function kafkaReport({ comparisons, opening }: KafkaBenchmarkResult): string[] {
  return [...comparisons.map(report), ...(opening ? [`opening: ${JSON.stringify(opening)}`] : [])]
}
