// npm run parity -- connect [--write]: Java's transforms, predicates, converters and header converters answer the
// cases anew, ours answer the same; then a Java worker and ours get the same script of REST calls. What
// is left out of the comparison of answers stands in packages/connect/test/peers/java-worker.test.ts.
// `--write` keeps what Java answers as the vectors of the tests.

import { spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const vectors = path.join(root, 'packages/connect/test/vectors')
const files = ['transforms.json', 'converters.json', 'worker-protocol.json']
const tests = ['java-transforms', 'java-converters', 'peers/java-worker', 'cluster/worker-protocol']

export async function connectParity(isWriting: boolean): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-parity-'))
  try {
    node(path.join(root, 'tools/connect-vectors/vectors.ts'), folder)
    if (isWriting)
      for (const file of files) await copyFile(path.join(folder, file), path.join(vectors, file))
    let isAlike = true
    let cases = 0
    for (const file of files) {
      const java = await readFile(path.join(folder, file), 'utf8')
      const kept = await readFile(path.join(vectors, file), 'utf8')
      if (file !== 'worker-protocol.json') cases += (JSON.parse(kept) as unknown[]).length
      if (java === kept) continue
      isAlike = false
      const line = java.split('\n').findIndex((text, index) => text !== kept.split('\n')[index])
      process.stdout.write(`${file}:${line + 1}: Java does not answer as the vectors have it\n`)
    }
    const passed = node(
      '--test',
      ...tests.map((name) => path.join(root, `packages/connect/test/${name}.test.ts`)),
    )
    process.stdout.write(
      `connect: ${cases} cases of transforms, predicates and converters, REST calls as above: ${isAlike && passed ? 'alike' : 'NOT alike'}\n`,
    )
    return isAlike && passed
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function node(...args: string[]): boolean {
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status === 0
}
