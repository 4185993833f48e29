import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { reference } from '../../tools/peers.ts'
import { freePort } from '../../tools/real-engines.ts'

/** A broker in a process of its own, as its user starts it. */
export interface BenchBroker {
  readonly name: string
  readonly address: string
  readonly pid: number
  /** From the call that starts it to its own word that it is ready. */
  readonly startMs: number
  stop(): Promise<void>
}

export type Flush = 'all' | 'none'

const run = promisify(execFile)

/** `khlong kafka`, with its metadata in a file. */
export async function startKhlong(folder: string, flush: Flush): Promise<BenchBroker> {
  const main = fileURLToPath(new URL('../../packages/khlong/src/main.ts', import.meta.url))
  const settings = [`ack.flush=${flush}`, 'group.initial.rebalance.delay.ms=0']
  const beganMs = performance.now()
  const child = spawn(
    process.execPath,
    [
      ...[main, 'kafka', '--listen', '0', '--data', path.join(folder, 'data')],
      ...settings.flatMap((setting) => ['--set', setting]),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const address = await readyAddress(child)
  return {
    name: flush === 'none' ? 'Khlong, ack.flush=none' : 'Khlong',
    address,
    pid: child.pid!,
    startMs: performance.now() - beganMs,
    stop: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGINT')
      await exited
    },
  }
}

async function readyAddress(child: ChildProcess): Promise<string> {
  let output = ''
  return await new Promise((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        const address = /kafka[^\n]*?(127\.0\.0\.1:\d+)/.exec(output)?.[1]
        if (address) resolve(address)
      })
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}:\n${output}`)))
  })
}

/** Kafka 4.3.1 with the heap of its own start script, formatted before its start is timed. */
export async function startKafka(folder: string): Promise<BenchBroker> {
  const script = reference('kafka.sh')
  const port = await freePort()
  const start = async (): Promise<number> => {
    const beganMs = performance.now()
    await run('bash', [script, 'start', 'kraft', folder, String(port)], { timeout: 180_000 })
    return performance.now() - beganMs
  }
  await start()
  await run('bash', [script, 'stop', folder])
  const startMs = await start()
  return {
    name: 'Kafka 4.3.1',
    address: `127.0.0.1:${port}`,
    pid: Number(await readFile(path.join(folder, 'broker.pid'), 'utf8')),
    startMs,
    stop: async () => {
      await run('bash', [script, 'stop', folder])
    },
  }
}

/** CPU seconds that a process has used, its threads included. Linux only. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident memory of a process. Linux only. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024)
}
