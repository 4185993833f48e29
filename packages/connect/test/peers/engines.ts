import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { reference } from '../../../../tools/peers.ts'
import { endProcess, freePort } from '../../../../tools/real-engines.ts'
import type { Stops } from '../helpers/stops.ts'

const run = promisify(execFile)

/** Starts a Java worker beside a Kafka that `startKafka` started, and gives its REST address. */
export async function startJavaWorker(folder: string): Promise<string> {
  const port = String(await freePort())
  const { stdout } = await run('bash', [reference('kafka.sh'), 'connect', folder, port], {
    env: { ...process.env, CONNECT_HEAP: '-Xmx384M' },
    timeout: 120_000,
  })
  return stdout.trim()
}

export interface WorkerProcess {
  readonly child: ChildProcess
  readonly addresses: Readonly<Record<string, string>>
  /** Ends it without a chance to finish anything. */
  kill(): Promise<void>
}

/** Starts our worker in a process of its own; resolved when its sources are subscribed. */
export async function spawnWorker(stops: Stops, options: object): Promise<WorkerProcess> {
  const script = new URL('./worker-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stops.push(() => endProcess(child, 'SIGKILL'))
  const lines = createInterface({ input: child.stdout! })
  const [line] = (await once(lines, 'line')) as [string]
  return {
    child,
    addresses: JSON.parse(line) as Record<string, string>,
    kill: () => endProcess(child, 'SIGKILL'),
  }
}
