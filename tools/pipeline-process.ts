import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = path.join(root, 'packages/khlong/src/main.ts')

/** The ports of one pipeline, the same over its restarts. */
export interface PipelinePorts {
  readonly mqtt: number
  readonly websocket: number
  readonly zookeeper: number
  readonly kafka: number
  readonly connect: number
  readonly series: number
  readonly mongodb: number
  readonly prometheus: number
  readonly alertmanager: number
  readonly grafana: number
}

const portSettings: Record<keyof PipelinePorts, string> = {
  mqtt: 'mqtt.listen',
  websocket: 'mqtt.websocket',
  zookeeper: 'zookeeper.listen',
  kafka: 'kafka.listen',
  connect: 'connect.listen',
  series: 'connect.series.listen',
  mongodb: 'mongodb.listen',
  prometheus: 'prometheus.listen',
  alertmanager: 'prometheus.alertmanager.listen',
  grafana: 'grafana.listen',
}

export interface PipelineProcessOptions {
  /** An empty folder for the pipeline's copy and its data. */
  folder: string
  /** The pipeline folder that is copied; by default the reference pipeline. */
  pipeline?: string
  demo?: boolean
  set?: readonly string[]
  /** Words before the command, such as those that set limits. */
  prefix?: readonly string[]
  /** More flags of `khlong up`. A part that a flag puts elsewhere gets no port. */
  flags?: readonly string[]
}

/** `khlong up` on a copy of a pipeline folder, as a process that can be killed and started again. */
export class PipelineProcess {
  readonly folder: string
  readonly ports: PipelinePorts
  readonly #command: readonly string[]
  #child: ChildProcess | undefined
  #output = ''

  static async create(options: PipelineProcessOptions): Promise<PipelineProcess> {
    const pipeline = path.join(options.folder, 'iot')
    await cp(options.pipeline ?? path.join(root, 'pipelines/iot'), pipeline, {
      recursive: true,
      filter: (source) => path.basename(source) !== 'data',
    })
    return PipelineProcess.at(pipeline, options)
  }

  /** As {@link create} for a pipeline folder that is there. */
  static async at(
    pipeline: string,
    options: Omit<PipelineProcessOptions, 'folder'> = {},
  ): Promise<PipelineProcess> {
    const names = Object.keys(portSettings) as (keyof PipelinePorts)[]
    const free = await freePorts(names.length)
    const ports = Object.fromEntries(names.map((name, index) => [name, free[index]!]))
    return new PipelineProcess(pipeline, ports as unknown as PipelinePorts, options)
  }

  private constructor(
    folder: string,
    ports: PipelinePorts,
    options: Omit<PipelineProcessOptions, 'folder'>,
  ) {
    this.folder = folder
    this.ports = ports
    const names = Object.keys(portSettings) as (keyof PipelinePorts)[]
    this.#command = [
      ...(options.prefix ?? []),
      process.execPath,
      '--max-semi-space-size=2',
      main,
      'up',
      folder,
      '--no-open',
      ...(options.demo ? ['--demo'] : []),
      ...names
        .filter((name) => !options.flags?.includes(`--${portSettings[name].split('.')[0]}`))
        .filter((name) => name !== 'zookeeper' || !options.flags?.includes('--kafka'))
        .flatMap((name) => ['--set', `${portSettings[name]}=${ports[name]}`]),
      ...(options.flags ?? []),
      ...(options.set ?? []).flatMap((setting) => ['--set', setting]),
    ]
  }

  /** All that the process has written since it was last started. */
  get output(): string {
    return this.#output
  }
  get processId(): number | undefined {
    return this.#child?.pid
  }

  /** Starts it and resolves, with the milliseconds that it took, when it says that it is ready. */
  async start(deadlineMs = 60_000): Promise<number> {
    const startMs = performance.now()
    const [program, ...words] = this.#command
    const child = spawn(program!, words, {
      cwd: path.dirname(this.folder),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#output = ''
    const ready = Promise.withResolvers<void>()
    const collect = (chunk: Buffer): void => {
      this.#output += chunk.toString()
      if (/^ready in /m.test(this.#output)) ready.resolve()
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    child.once('exit', (code, signal) => {
      ready.reject(
        new Error(`it ended with ${code ?? signal} before it was ready:\n${this.#output}`),
      )
    })
    const deadline = setTimeout(() => {
      ready.reject(new Error(`it was not ready in ${deadlineMs} ms:\n${this.#output}`))
    }, deadlineMs)
    try {
      await ready.promise
    } finally {
      clearTimeout(deadline)
    }
    return performance.now() - startMs
  }

  /** Kills it as a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Asks it to stop, as Ctrl-C does; gives the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null
    const exited = once(child, 'exit')
    child.kill(signal)
    const [code] = (await exited) as [number | null]
    return code
  }
}

async function freePorts(count: number): Promise<number[]> {
  // All are held at once, so that no two are the same.
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer()
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
