// npm run soak -- NAME: the long runs, each ending with one line of figures. docs/soak.md keeps them.

import { type BackupResult, measureBackup } from './backup.ts'
import { type DeliveryResult, measureDelivery } from './delivery.ts'
import { soakConnect } from './soak-connect.ts'

const soaks: Record<string, () => Promise<boolean>> = {
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
  connect: async () => {
    let isGood = true
    for (const kafka of ['embedded', 'kraft', 'zookeeper'] as const)
      isGood =
        (await soakConnect({
          kafka,
          minutes: Number(process.env.KHLONG_MINUTES ?? 10),
          seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
          say: (text) => process.stdout.write(text),
        })) && isGood
    return isGood
  },
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
