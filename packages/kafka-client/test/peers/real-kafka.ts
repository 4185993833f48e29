import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { peer, reference } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'

const run = promisify(execFile)

/** A real Apache Kafka on loopback, with its data in a temporary folder. */
export interface RealKafka {
  readonly bootstrapServers: string
  /** Runs a class of Kafka's own tools, with `input` on its standard input, and gives its output. */
  tool(mainClass: string, args: readonly string[], input?: string): Promise<string>
  /** Ends the broker as an operator does, and starts it again on its data. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts Kafka 4.x with KRaft, or 3.9 on ZooKeeper. Topics are made with 3 partitions on first use. */
export async function startRealKafka(
  mode: 'kraft' | 'zookeeper',
  /** Further settings, by the broker's port; the three ports above the controller's are free too. */
  settings?: (port: number) => Readonly<Record<string, string>>,
): Promise<RealKafka> {
  peer('java')
  const script = reference('kafka.sh')
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-real-kafka-'))
  const dir = path.join(folder, mode)
  const port = await freePort(settings ? 5 : 2)
  const env = {
    ...process.env,
    KAFKA_HEAP: '-Xmx448M',
    ZOOKEEPER_HEAP: '-Xmx128M',
    RUN_HEAP: '-Xmx256M',
    KAFKA_PARTITIONS: '3',
  }
  const call = (...args: string[]): Promise<unknown> =>
    run('bash', [script, ...args], { env, timeout: 120_000 })
  const start = async (): Promise<void> => {
    try {
      await call('start', mode, dir, String(port))
    } catch {
      // On a busy machine the script may look for its child too early.
      await call('stop', dir)
      await call('start', mode, dir, String(port))
    }
  }
  await start()
  const children = new Set<ChildProcess>()
  if (settings) {
    // The script writes the broker's settings itself, so those of ours are added to a copy.
    await call('stop', dir)
    const file = path.join(dir, 'with-settings.properties')
    const lines = Object.entries(settings(port)).map(([key, value]) => `${key}=${value}\n`)
    const written = await readFile(path.join(dir, 'broker.properties'), 'utf8')
    await writeFile(file, `${written}\n${lines.join('')}`)
    const lib = (await readFile(path.join(dir, 'lib'), 'utf8')).trim()
    const logging = [
      `-Dlog4j2.configurationFile=${path.join(lib, '../log4j2.properties')}`,
      `-Dlog4j.configuration=file:${path.join(lib, '../log4j.properties')}`,
    ]
    const launch = (isReady: RegExp, heap: string, ...main: string[]): Promise<void> =>
      new Promise((resolve, reject) => {
        const child = spawn('java', [heap, ...logging, '-cp', `${lib}/*`, ...main], {
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        children.add(child)
        let log = ''
        const look = (text: string): void => {
          log = `${log}${text}`.slice(-20_000)
          if (isReady.test(log)) resolve()
        }
        child.stdout.setEncoding('utf8').on('data', look)
        child.stderr.setEncoding('utf8').on('data', look)
        child.once('close', () => reject(new Error(`${main[0]} ended: ${log}`)))
      })
    if (mode === 'zookeeper')
      await launch(
        /binding to port/,
        '-Xmx128M',
        'org.apache.zookeeper.server.quorum.QuorumPeerMain',
        path.join(dir, 'zookeeper.properties'),
      )
    const started = /Kafka Server started|\[KafkaServer id=\d+\] started/
    await launch(started, '-Xmx448M', 'kafka.Kafka', file)
  }
  return {
    bootstrapServers: `127.0.0.1:${port}`,
    tool: (mainClass, args, input) =>
      new Promise((resolve, reject) => {
        const child = spawn('bash', [script, 'run', dir, mainClass, ...args], {
          env,
          stdio: ['pipe', 'pipe', 'pipe'],
        })
        children.add(child)
        let output = ''
        let errors = ''
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          output += text
        })
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          errors += text
        })
        child.on('error', reject)
        child.on('close', (code) => {
          children.delete(child)
          if (code === 0) resolve(output)
          else reject(new Error(`${mainClass} ended with ${code}: ${errors.slice(-2_000)}`))
        })
        child.stdin.end(input ?? '')
      }),
    restart: async () => {
      await call('stop', dir)
      await start()
    },
    stop: async () => {
      // The last one first: a broker wants to tell its ZooKeeper that it goes.
      for (const child of [...children].reverse()) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        const exited = once(child, 'exit')
        child.kill()
        await exited
      }
      await call('stop', dir)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
