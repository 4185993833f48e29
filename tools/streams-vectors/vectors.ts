import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { peer, reference } from '../peers.ts'

// Runs the topologies of Vectors.java on the Java library and writes what they do to
// packages/streams/test/vectors/java.json. Needs Java, Maven and the reference Kafka.
//
//   node tools/streams-vectors/vectors.ts

const version = '4.3.1'
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const jars = here('../../.peers/streams-vectors')
const testUtils = `${jars}/kafka-streams-test-utils-${version}.jar`

if (!existsSync(testUtils)) {
  mkdirSync(jars, { recursive: true })
  const artifact = `org.apache.kafka:kafka-streams-test-utils:${version}`
  execFileSync(
    peer('mvn'),
    ['-q', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${jars}`],
    { stdio: 'inherit', cwd: jars },
  )
}
const classPath = execFileSync('bash', [reference('kafka.sh'), 'classpath', 'kraft'], {
  encoding: 'utf8',
}).trim()
const output = here('../../packages/streams/test/vectors/java.json')
execFileSync(peer('java'), ['-cp', `${classPath}:${testUtils}`, here('Vectors.java'), output], {
  stdio: ['ignore', 'ignore', 'inherit'],
})
process.stdout.write(`wrote ${output}\n`)
