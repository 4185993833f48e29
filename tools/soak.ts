// npm run soak -- NAME: the long runs, each ending with one line of figures.

import { measureDelivery } from './delivery.ts'

const soaks: Record<string, () => Promise<boolean>> = {
  delivery: async () => {
    const { missing, ...result } = await measureDelivery({
      kills: 50,
      seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
      say: (text) => process.stdout.write(`${text}\n`),
    })
    process.stdout.write(`delivery: ${JSON.stringify({ ...result, missing: missing.length })}\n`)
    return missing.length === 0 && result.unexplainedDuplicates === 0
  },
}

const name = process.argv[2] ?? ''
const soak = soaks[name]
if (soak) process.exitCode = (await soak()) ? 0 : 1
else {
  process.stderr.write(`usage: npm run soak -- ${Object.keys(soaks).join('|')}\n`)
  process.exitCode = 2
}
