// npm run soak -- NAME: the long runs, each ending with one line of figures. docs/soak.md keeps them.

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
