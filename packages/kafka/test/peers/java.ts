import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { peer, reference } from '../../../../tools/peers.ts'

/** Runs a class of Kafka's tools, or a source file, and gives all that it printed. */
export type Run = (input: string, main: string, ...args: string[]) => Promise<string>

/** Kafka 4.3 (`kraft`) or 3.9 (`zookeeper`). */
export function runner(mode: 'kraft' | 'zookeeper'): Run {
  const classPath = execFileSync('bash', [reference('kafka.sh'), 'classpath', mode], {
    encoding: 'utf8',
  }).trim()
  return async (input, main, ...args) => {
    const jvm = ['-Xmx128M', '-XX:TieredStopAtLevel=1', '-cp', classPath, main]
    const child = spawn(peer('java'), [...jvm, ...args])
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => {
        output += bytes.toString()
      })
    child.stdin.end(input)
    const code = await new Promise((resolve) => child.once('close', resolve))
    assert.equal(code, 0, output)
    return output
  }
}
