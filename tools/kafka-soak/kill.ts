import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { SeededRandom } from '@khlong/core/testing'
import { Admin, Consumer } from '@khlong/kafka-client'
import { BrokerProcess } from './broker-process.ts'
import {
  readAll,
  type SoakProducer,
  startCommitter,
  startCopier,
  startKafkaClientProducer,
  startKafkajsProducer,
} from './clients.ts'

const partitions = 6
const load = 'load'
const copy = 'copy'

export interface KafkaKillResult {
  readonly seed: number
  readonly kills: number
  readonly acknowledged: number
  readonly transactions: number
  readonly aborted: number
  readonly commits: number
  readonly startMsMax: number
  readonly minutes: number
  /** What does not hold, in words; nothing where all does. */
  readonly faults: readonly string[]
}

/**
 * Kills the broker `kills` times under idempotent, transactional and group load, and recounts: each acknowledged value is
 * there once and in order, the copy that transactions made is equal to what they read, no committed offset went back.
 */
export async function measureKafkaKill(options: {
  kills: number
  seed: number
  say(text: string): void
}): Promise<KafkaKillResult> {
  const { kills, seed, say } = options
  const random = new SeededRandom(seed)
  const beganMs = performance.now()
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-kafka-kill-'))
  const broker = await BrokerProcess.create(folder, { 'log.segment.bytes': 1_000_000 })
  const faults: string[] = []
  try {
    await broker.start()
    await makeTopics(broker.address)
    const producers: SoakProducer[] = [
      startKafkaClientProducer(broker.address, load, 'khlong'),
      await startKafkajsProducer(broker.address, load, 'kafkajs'),
    ]
    const copiers = [0, 1].map((index) =>
      startCopier(broker.address, load, copy, 'copiers', `copier-${index}`),
    )
    const committer = startCommitter(broker.address, load, 'committer')
    for (let kill = 1; kill <= kills; kill++) {
      await pause(300 + random.next() * 1_500)
      await broker.kill()
      // Acknowledged before the kill; what comes back must be at least that.
      const before = new Map(committer.committed)
      await broker.start()
      faults.push(...(await committedFaults(broker.address, before)))
      if (kill % 10 === 0)
        say(`kill ${kill}: ${sum(producers)} acknowledged, ${committer.commits} commits`)
    }
    for (const producer of producers) await producer.stop()
    await committer.stop()
    say('the load has ended; the copiers catch up')
    await caughtUp(broker.address)
    for (const copier of copiers) await copier.stop()
    const values = await readAll(broker.address, load, partitions)
    faults.push(...producers.flatMap((producer) => producerFaults(producer, values)))
    faults.push(...copyFaults(values, await readAll(broker.address, copy, partitions)))
    return {
      seed,
      kills,
      acknowledged: sum(producers),
      transactions: copiers.reduce((all, { committed }) => all + committed, 0),
      aborted: copiers.reduce((all, { aborted }) => all + aborted, 0),
      commits: committer.commits,
      startMsMax: broker.startMsMax,
      minutes: (performance.now() - beganMs) / 60_000,
      faults,
    }
  } finally {
    await broker.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** `npm run soak -- kafka-kill`; `KHLONG_KILL_ROUNDS` and `KHLONG_SEED` change it. */
export async function soakKafkaKill(): Promise<boolean> {
  const result = await measureKafkaKill({
    kills: Number(process.env.KHLONG_KILL_ROUNDS ?? 200),
    seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
    say: (text) => process.stdout.write(`${text}\n`),
  })
  for (const fault of result.faults) process.stdout.write(`${fault}\n`)
  process.stdout.write(`kafka-kill: ${kafkaKillLine(result)}\n`)
  return result.faults.length === 0
}

/** One line of figures. */
function kafkaKillLine(result: KafkaKillResult): string {
  return (
    `${result.kills} kills (seed ${result.seed}), ${result.acknowledged} records acknowledged, ${result.transactions} transactions ` +
    `committed and ${result.aborted} aborted, ${result.commits} offset commits; ${result.faults.length} faults; ` +
    `slowest start ${(result.startMsMax / 1_000).toFixed(1)} s, in ${result.minutes.toFixed(1)} minutes`
  )
}

function sum(producers: readonly SoakProducer[]): number {
  return producers.reduce((all, { acknowledged }) => all + acknowledged.size, 0)
}

async function makeTopics(address: string): Promise<void> {
  await using admin = new Admin({ 'bootstrap.servers': address })
  await admin.createTopics([load, copy].map((name) => ({ name, partitions, replicationFactor: 1 })))
}

async function committedFaults(
  address: string,
  before: ReadonlyMap<number, number>,
): Promise<string[]> {
  await using consumer = new Consumer({ 'bootstrap.servers': address, 'group.id': 'committer' })
  const places = [...before.keys()].map((partition) => ({ topic: load, partition }))
  const found = await consumer.committed(places)
  return found.flatMap(({ partition, offset }) =>
    (offset ?? -1) < before.get(partition)!
      ? [
          `partition ${partition}: offset ${before.get(partition)} was committed, ${offset} came back`,
        ]
      : [],
  )
}

/** Awaits that the group of the copiers has committed all of the load. */
async function caughtUp(address: string): Promise<void> {
  await using admin = new Admin({ 'bootstrap.servers': address })
  await using consumer = new Consumer({ 'bootstrap.servers': address, 'group.id': 'copiers' })
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic: load, partition }))
  const ends = await admin.listOffsets(
    places.map((place) => ({ ...place, spec: 'latest' as const })),
  )
  const deadlineMs = performance.now() + 120_000
  for (;;) {
    const found = await consumer.committed(places)
    const isBehind = ends.some(
      ({ partition, offset }) =>
        (found.find((each) => each.partition === partition)?.offset ?? 0) < offset,
    )
    if (!isBehind) return
    if (performance.now() > deadlineMs) throw new Error('the copiers did not catch up in 2 minutes')
    await pause(100)
  }
}

/** Each acknowledged value once, none twice, those of a key in the order of their sending. */
function producerFaults(
  { name, acknowledged }: SoakProducer,
  values: readonly (readonly string[])[],
): string[] {
  const faults: string[] = []
  const seen = new Set<number>()
  for (const [partition, all] of values.entries()) {
    const last = new Map<number, number>()
    for (const value of all) {
      if (!value.startsWith(`${name}/`)) continue
      const n = Number(value.slice(name.length + 1))
      if (seen.has(n)) faults.push(`${value} is there twice`)
      seen.add(n)
      if (n < (last.get(n % 12) ?? -1)) faults.push(`${value} is out of order in ${partition}`)
      last.set(n % 12, n)
    }
  }
  for (const n of acknowledged) if (!seen.has(n)) faults.push(`${name}/${n} is lost`)
  return faults
}

/** The copiers keep the partition and the order, so the copy must be equal. */
function copyFaults(
  from: readonly (readonly string[])[],
  to: readonly (readonly string[])[],
): string[] {
  return from.flatMap((values, partition) => {
    const copied = to[partition]!
    const at = values.findIndex((value, index) => value !== copied[index])
    if (at < 0 && copied.length === values.length) return []
    return [
      `partition ${partition}: the copy has ${copied.length} records of ${values.length}, and differs from record ${at}`,
    ]
  })
}
