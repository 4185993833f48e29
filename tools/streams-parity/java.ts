import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Case, Result } from '../../packages/streams/test/parity/cases.ts'
import { peer, reference } from '../peers.ts'

const version = '4.3.1'
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const jars = here('../../.peers/streams-vectors')

/** The class path of the Java library with its test driver. Needs Java, Maven and the reference Kafka. */
export function streamsClassPath(): string {
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
  })
  return `${classPath.trim()}${path.delimiter}${testUtils}`
}

/** What the Java library makes of each case, in their order. */
export function runJava(cases: readonly Case[]): Result[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'khlong-parity-'))
  try {
    const [input, output] = [path.join(folder, 'cases.json'), path.join(folder, 'results.json')]
    writeFileSync(input, JSON.stringify(cases))
    execFileSync(
      peer('java'),
      ['-Xmx512m', '-cp', streamsClassPath(), here('Parity.java'), input, output],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    return JSON.parse(readFileSync(output, 'utf8')) as Result[]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
