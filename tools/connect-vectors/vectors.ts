import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { peer, reference } from '../peers.ts'
import { converterCases } from './converter-cases.ts'
import { transformCases } from './transform-cases.ts'

// Runs Java's Connect and writes what it does to packages/connect/test/vectors, or to FOLDER. Needs Java and the
// reference Kafka.
//
//   node tools/connect-vectors/vectors.ts [FOLDER]

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const classPath = execFileSync('bash', [reference('kafka.sh'), 'classpath', 'kraft'], {
  encoding: 'utf8',
}).trim()
const run = (program: string, ...files: string[]): void => {
  execFileSync(peer('java'), ['-cp', classPath, here(program), ...files], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  process.stdout.write(`wrote ${files.at(-1)}\n`)
}
const vectors = process.argv[2] ?? here('../../packages/connect/test/vectors')
run('WorkerProtocol.java', `${vectors}/worker-protocol.json`)

const folder = mkdtempSync(path.join(tmpdir(), 'connect-vectors-'))
for (const [program, name, cases] of [
  ['Transforms.java', 'transforms.json', transformCases],
  ['Converters.java', 'converters.json', converterCases],
] as const) {
  const asked = path.join(folder, `asked-${name}`)
  const answered = path.join(folder, name)
  writeFileSync(asked, JSON.stringify(cases))
  run(program, asked, answered)
  // A line for each case, so that a change of one is seen as one.
  const lines = (JSON.parse(readFileSync(answered, 'utf8')) as unknown[]).map((item) =>
    JSON.stringify(item),
  )
  writeFileSync(`${vectors}/${name}`, `[\n${lines.join(',\n')}\n]\n`)
}
rmSync(folder, { recursive: true })
