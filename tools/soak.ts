// npm run soak -- NAME: the long runs, each ending with one line of figures. docs/soak.md keeps them.

import { type BackupResult, measureBackup } from './backup.ts'
import { type BoardResult, measureBoard } from './board.ts'
import { type DeliveryResult, measureDelivery } from './delivery.ts'
import { soakKafkaJava } from './kafka-soak/java.ts'
import { soakKafkaKill } from './kafka-soak/kill.ts'
import { soakConnect } from './soak-connect.ts'
import { soakStreams } from './soak-streams.ts'

const soaks: Record<string, () => Promise<boolean>> = {
  'kafka-kill': soakKafkaKill,
  'kafka-java': soakKafkaJava,
  delivery: async () => {
    const startMs = performance.now()
    const result = await measureDelivery({
      kills: 50,
      seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
      say: (text) => process.stdout.write(`${text}\n`),
    })
    const minutes = ((performance.now() - startMs) / 60_000).toFixed(1)
    process.stdout.write(`delivery: ${deliveryLine(result)}, in ${minutes} minutes\n`)
    const { missing, unexplainedDuplicates, writtenTwice } = result
    return missing.length === 0 && unexplainedDuplicates === 0 && writtenTwice === 0
  },
  connect: () => onEachKafka(soakConnect),
  streams: () => onEachKafka(soakStreams),
  backup: async () => {
    const result = await measureBackup({
      framesPerSecond: 2_000,
      loadMs: Number(process.env.KHLONG_MINUTES ?? 1) * 60_000,
      seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
      say: (text) => process.stdout.write(`${text}\n`),
    })
    process.stdout.write(`backup: ${backupLine(result)}\n`)
    return result.missing.length === 0 && result.unexplained === 0
  },
  board: async () => {
    const result = await measureBoard({
      minutes: Number(process.env.KHLONG_MINUTES ?? 30),
      framesPerSecond: 200,
      seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
      say: (text) => process.stdout.write(`${text}\n`),
    })
    process.stdout.write(`board: ${boardLine(result)}\n`)
    const { third, end } = result.anonymousMiB
    return result.documentMs.p99 < 250 && end < third * 1.1
  },
}

/** On the embedded Kafka and on the real ones, or on the one that `KHLONG_KAFKA` names. */
async function onEachKafka(soak: typeof soakStreams): Promise<boolean> {
  const named = process.env.KHLONG_KAFKA
  let isGood = true
  for (const kafka of ['embedded', 'kraft', 'zookeeper'] as const)
    if (named === undefined || named === kafka)
      isGood =
        (await soak({
          kafka,
          minutes: Number(process.env.KHLONG_MINUTES ?? 10),
          seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
          say: (text) => process.stdout.write(text),
        })) && isGood
  return isGood
}

function boardLine(result: BoardResult): string {
  const { minutes, sent, acknowledged, acknowledgementMs, documentMs, anonymousMiB } = result
  return (
    `1 core and 512 MiB for ${minutes} minutes: ${sent} frames sent, ${acknowledged} acknowledged, p50 ${acknowledgementMs.p50} ms, p99 ${acknowledgementMs.p99} ms; ` +
    `${result.lookedFor} looked for as documents, p50 ${documentMs.p50} ms, p99 ${documentMs.p99} ms, at most ${documentMs.max} ms; ` +
    `memory ${anonymousMiB.third.toFixed(0)} MiB after a third, ${anonymousMiB.end.toFixed(0)} MiB at the end; ${result.coresUsed.toFixed(2)} cores used`
  )
}

function backupLine(result: BackupResult): string {
  const { acknowledged, acknowledgedBefore, missing, documents, redelivered } = result
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
  return (
    `${acknowledged} frames acknowledged, ${acknowledgedBefore} of them before the cut, ${missing.length} of those missing after the restore; ` +
    `${documents} documents, ${redelivered} sent again by the broker, ${result.unexplained} unexplained; ` +
    `held ${result.heldMs} ms, longest silence ${result.silenceMsMax} ms; ` +
    `${megabytes(result.fileBytes)} in ${megabytes(result.backupBytes)} within ${(result.backupMs / 1_000).toFixed(1)} s`
  )
}

function deliveryLine(result: DeliveryResult): string {
  const { seed, kills, sent, acknowledged, missing, documents, startMsMax } = result
  const { duplicates, sentAgain, redelivered, unexplainedDuplicates, writtenTwice } = result
  return (
    `${kills} kills (seed ${seed}), ${sent} frames sent, ${acknowledged} acknowledged, ${missing.length} missing; ` +
    `${documents} documents, ${duplicates} of them duplicates (${sentAgain} sent again by sensors, ${redelivered} by the broker, ` +
    `${unexplainedDuplicates} unexplained, ${writtenTwice} written twice); slowest start ${(startMsMax / 1_000).toFixed(1)} s`
  )
}

const name = process.argv[2] ?? ''
const soak = soaks[name]
if (soak) process.exitCode = (await soak()) ? 0 : 1
else {
  process.stderr.write(`usage: npm run soak -- ${Object.keys(soaks).join('|')}\n`)
  process.exitCode = 2
}
