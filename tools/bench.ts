// npm run bench -- NAME [--small] [--only=GROUP] [--rounds=N]: figures of whole pipelines and of hot structures, kept in
// benchmarks/results/NAME.json. `--small` runs on tiny inputs, so that no benchmark can rot.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { measureConnect } from '../benchmarks/connect.ts'
import {
  type KafkaBenchmarkResult,
  kafkaReport,
  measureKafka,
  tryKafka,
  withFigures,
} from '../benchmarks/kafka.ts'
import { measureAlone } from '../benchmarks/pipeline/alone.ts'
import { measureBeside } from '../benchmarks/pipeline/beside.ts'
import { measureStreams, type StreamsBenchmarkResult, withCases } from '../benchmarks/streams.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const [name = '', ...flags] = process.argv.slice(2)
const small = flags.includes('--small')
const only = flags.find((flag) => flag.startsWith('--only='))?.slice('--only='.length)

/** How often the pipeline is measured, alone and beside the real stack. */
const rounds = Number(
  flags.find((flag) => flag.startsWith('--rounds='))?.slice('--rounds='.length) ?? 3,
)

const benchmarks: Record<string, { runs: number; run(): Promise<object> }> = {
  // `alone` is Khlong with all its parts, `beside` the real stack and Khlong in turn: needs Java and the reference engines.
  pipeline: { runs: 1, run: measurePipeline },
  kafka: {
    runs: 1,
    run: async () => {
      const result = small
        ? await tryKafka()
        : await measureKafka({
            rounds: 3,
            // Fewer would measure how the client’s JVM warms up.
            records: 600_000,
            nodeRecords: 200_000,
            latencyRecords: 3_000,
            partitions: 1_000,
            partitionBytes: 5e9,
            ...(only === undefined ? {} : { only: new RegExp(only) }),
          })
      for (const line of kafkaReport(result)) process.stdout.write(`${line}\n`)
      return result
    },
  },
  // Beside the Java runtime: needs Java and the reference engines.
  connect: {
    runs: small ? 1 : 3,
    run: () =>
      measureConnect(
        small ? { lines: 2_000, documents: 300 } : { lines: 300_000, documents: 20_000 },
      ),
  },
  // Beside Java's library: needs Java and the reference engines.
  streams: {
    runs: 1,
    run: () =>
      measureStreams({
        ...(small
          ? { records: 2_000, rounds: 1, only: /^(map at_least|window exactly|restore)/ }
          : { records: 1_000_000, rounds }),
        ...(only === undefined ? {} : { only: new RegExp(only) }),
      }),
  },
}

const benchmark = benchmarks[name]
if (benchmark) await measure(benchmark)
else {
  process.stderr.write(
    `usage: npm run bench -- ${Object.keys(benchmarks).join('|')} [--small] [--only=GROUP]\n`,
  )
  process.exitCode = 2
}

async function measurePipeline(): Promise<object> {
  const isWanted = (group: string): boolean => only === undefined || only === group
  const alone = []
  if (isWanted('alone'))
    for (let round = 1; round <= (small ? 1 : rounds); round++) {
      alone.push(
        await measureAlone(
          small
            ? { rate: 100, latencySeconds: 1, flatOutFrames: 500, storedMiB: 2 }
            : { rate: 1_000, latencySeconds: 15, flatOutFrames: 60_000, storedMiB: 1_024 },
        ),
      )
      process.stdout.write(`pipeline, alone, ${round}: ${JSON.stringify(alone.at(-1))}\n`)
    }
  // A start of the real stack takes most of a minute on a busy machine: the small run is of Khlong alone.
  if (small ? only !== 'beside' : !isWanted('beside')) return { alone }
  const beside = await measureBeside(
    small
      ? {
          rounds: 1,
          idleSeconds: 1,
          warmSeconds: 2,
          latencySeconds: 2,
          rates: [100, 200],
          flatOutFrames: 500,
        }
      : {
          rounds,
          idleSeconds: 12,
          warmSeconds: 20,
          latencySeconds: 15,
          rates: [1_000, 4_000],
          flatOutFrames: 40_000,
        },
  )
  return { ...(alone.length > 0 ? { alone } : {}), beside }
}

async function measure({ runs, run }: { runs: number; run(): Promise<object> }): Promise<void> {
  const results: object[] = []
  for (let index = 0; index < runs; index++) {
    const result = await run()
    results.push(result)
    process.stdout.write(`${name} ${index + 1}/${runs}: ${JSON.stringify(result)}\n`)
  }
  if (small) return
  const { version } = JSON.parse(
    await readFile(path.join(root, 'packages/khlong/package.json'), 'utf8'),
  )
  const folder = path.join(root, 'benchmarks/results')
  await mkdir(folder, { recursive: true })
  const machine = {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
  }
  const file = path.join(folder, `${name}.json`)
  const before = await readFile(file, 'utf8').catch(() => undefined)
  // Groups that were left out keep the figures that they have.
  if (only !== undefined && before !== undefined) {
    const { runs: kept } = JSON.parse(before) as { runs: object[] }
    results[0] =
      name === 'kafka'
        ? withFigures(kept[0] as KafkaBenchmarkResult, { comparisons: [], ...results[0] })
        : name === 'streams'
          ? withCases(kept[0] as StreamsBenchmarkResult, results[0] as StreamsBenchmarkResult)
          : { ...kept[0], ...results[0] }
  }
  await writeFile(
    file,
    `${JSON.stringify({ name, khlong: version, machine, date: new Date().toISOString().slice(0, 10), runs: results }, null, 2)}\n`,
  )
}
