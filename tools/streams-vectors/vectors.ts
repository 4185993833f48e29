import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { peer } from '../peers.ts'
import { streamsClassPath } from '../streams-parity/java.ts'

// Runs the topologies of Vectors.java on the Java library and writes what they do to
// packages/streams/test/vectors/java.json. Needs Java, Maven and the reference Kafka.
//
//   node tools/streams-vectors/vectors.ts

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const output = here('../../packages/streams/test/vectors/java.json')
execFileSync(peer('java'), ['-cp', streamsClassPath(), here('Vectors.java'), output], {
  stdio: ['ignore', 'ignore', 'inherit'],
})
process.stdout.write(`wrote ${output}\n`)
