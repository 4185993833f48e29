import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../packages/khlong/src/main.ts', import.meta.url))

/** `khlong kafka` in a process of its own, on one address and one folder over all its lives. */
export class BrokerProcess {
  readonly address: string
  startMsMax = 0
  readonly #data: string
  readonly #settings: readonly string[]
  #child: ChildProcess | undefined

  private constructor(data: string, port: number, settings: readonly string[]) {
    this.#data = data
    this.#settings = settings
    this.address = `127.0.0.1:${port}`
  }

  /** Not started yet; the port is free now. */
  static async create(
    folder: string,
    settings: Readonly<Record<string, string | number>> = {},
  ): Promise<BrokerProcess> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    const flags = Object.entries({ 'group.initial.rebalance.delay.ms': 0, ...settings }).flatMap(
      ([key, value]) => ['--set', `${key}=${value}`],
    )
    return new BrokerProcess(path.join(folder, 'broker'), port, flags)
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('the broker is not running')
    return this.#child.pid
  }

  /** Resolves when the broker says that it is ready. */
  async start(): Promise<void> {
    const beganMs = performance.now()
    const child = spawn(
      process.execPath,
      [main, 'kafka', '--listen', this.address, '--data', this.#data, ...this.#settings],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    this.#child = child
    let output = ''
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          output = `${output}${text}`.slice(-10_000)
          if (output.includes(this.address)) resolve()
        })
      child.once('exit', (code) => reject(new Error(`the broker ended with ${code}:\n${output}`)))
    })
    this.startMsMax = Math.max(this.startMsMax, performance.now() - beganMs)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
}
