import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startRealKafka } from '../packages/kafka-client/test/peers/real-kafka.ts'

/** A Kafka that is tested: ours, or the real one. */
export interface Target {
  /** As the results name it. */
  readonly name: string
  readonly bootstrapServers: string
  stop(): Promise<void>
}

export type Settings = Readonly<Record<string, string | number | boolean>>

/** Starts our broker as a user does, in a process of its own: `khlong kafka`. */
export async function startKhlong(folder: string, settings: Settings): Promise<Target> {
  const main = fileURLToPath(new URL('../packages/khlong/src/main.ts', import.meta.url))
  const flags = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const data = path.join(folder, 'khlong-kafka')
  const child = spawn(
    process.execPath,
    [main, 'kafka', '--listen', '0', '--data', data, ...flags],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  return {
    name: 'Khlong',
    bootstrapServers: await addressOf(child),
    stop: async () => {
      if (child.exitCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGINT')
      await exited
    },
  }
}

async function addressOf(child: ChildProcess): Promise<string> {
  let output = ''
  return await new Promise((resolve, reject) => {
    const look = (text: string): void => {
      output = `${output}${text}`.slice(-10_000)
      const address = /kafka[^\n]*?(127\.0\.0\.1:\d+)/.exec(output)?.[1]
      if (address) resolve(address)
    }
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', look)
    child.once('exit', (code) =>
      reject(new Error(`the broker ended with ${code} before it was ready:\n${output}`)),
    )
  })
}

/** Starts Kafka 4.3.1, one node, as the arbiter. */
export async function startReference(settings: Settings): Promise<Target> {
  const lines = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [key, String(value)]),
  )
  const kafka = await startRealKafka('kraft', () => ({ 'num.partitions': '1', ...lines }))
  let stopped: Promise<void> | undefined
  return {
    name: 'Kafka 4.3.1, one node',
    bootstrapServers: kafka.bootstrapServers,
    stop: () => {
      stopped ??= kafka.stop()
      return stopped
    },
  }
}
