import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { peer, reference } from '../peers.ts'

// Runs Java's Connect and writes what it does to packages/connect/test/vectors. Needs Java and the
// reference Kafka.
//
//   node tools/connect-vectors/vectors.ts

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const classPath = execFileSync('bash', [reference('kafka.sh'), 'classpath', 'kraft'], {
  encoding: 'utf8',
}).trim()
for (const [program, name] of [['WorkerProtocol.java', 'worker-protocol.json']] as const) {
  const output = here(`../../packages/connect/test/vectors/${name}`)
  execFileSync(peer('java'), ['-cp', classPath, here(program), output], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  process.stdout.write(`wrote ${output}\n`)
}
