// npm run parity -- NAME [--write]: our library and the system it stands for, side by side.
// `--write` makes goldens and pages anew from what the real one does. Needs Java and the reference Kafka.

import { connectParity } from './parity-connect.ts'
import { streamsParity } from './streams-parity/parity.ts'

const parities: Record<string, (isWriting: boolean) => boolean | Promise<boolean>> = {
  connect: connectParity,
  streams: streamsParity,
}

const [name = '', ...flags] = process.argv.slice(2)
const parity = parities[name]
if (parity) process.exitCode = (await parity(flags.includes('--write'))) ? 0 : 1
else {
  process.stderr.write(`usage: npm run parity -- ${Object.keys(parities).join('|')} [--write]\n`)
  process.exitCode = 2
}
