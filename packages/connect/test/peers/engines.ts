import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { eventually } from '@khlong/core/testing'
import { peer, reference } from '../../../../tools/peers.ts'
import type { Stops } from '../helpers/stops.ts'

const run = promisify(execFile)

/** Ends a process and waits for its end. */
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

/** Ports that are free now, next to each other: Kafka takes the one after its own too. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = net.createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const next = net.createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      next.once('error', () => resolve(false))
      next.listen(port + 1, '127.0.0.1', () => resolve(true))
    })
    await new Promise((resolve) => server.close(resolve))
    if (isFree) {
      await new Promise((resolve) => next.close(resolve))
      return port
    }
  }
}

/** Starts a real Kafka, 4 or (with ZooKeeper) 3.9, and gives its address. */
export async function startKafka(
  stops: Stops,
  folder: string,
  mode: 'kraft' | 'zookeeper' = 'kraft',
): Promise<string> {
  const script = reference('kafka.sh')
  const port = String(await freePort())
  stops.push(() => run('bash', [script, 'stop', folder]))
  const { stdout } = await run('bash', [script, 'start', mode, folder, port], {
    env: { ...process.env, KAFKA_HEAP: '-Xmx384M', KAFKA_PARTITIONS: '6' },
    timeout: 120_000,
  })
  return stdout.trim()
}

/** Starts a Java worker beside a Kafka that `startKafka` started, and gives its REST address. */
export async function startJavaWorker(folder: string): Promise<string> {
  const port = String(await freePort())
  const { stdout } = await run('bash', [reference('kafka.sh'), 'connect', folder, port], {
    env: { ...process.env, CONNECT_HEAP: '-Xmx384M' },
    timeout: 120_000,
  })
  return stdout.trim()
}

/** Starts another implementation of MongoDB's protocol and gives its URI. */
export async function startMongo(stops: Stops, folder: string): Promise<string> {
  const script = reference('mongodb.sh')
  stops.push(() => run('bash', [script, 'stop', folder]))
  const { stdout } = await run('bash', [script, 'start', folder, String(await freePort())], {
    timeout: 60_000,
  })
  return stdout.trim()
}

/** A PostgreSQL that is started, with a database `iot`. */
export interface Postgres {
  readonly url: string
  readonly user: string
  readonly password: string
  /** Runs statements and gives the lines that psql would print, columns parted by `|`. */
  sql(text: string): Promise<string[]>
  /** Stops it; `start` goes on with what it has. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** Starts a real PostgreSQL, which asks for a password. It never runs as root: then as its own user. */
export async function startPostgres(stops: Stops): Promise<Postgres> {
  const server = peer('postgres')
  const bin = path.dirname(server)
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-postgres-'))
  const owner =
    process.getuid?.() === 0
      ? {
          uid: Number((await run('id', ['-u', 'postgres'])).stdout),
          gid: Number((await run('id', ['-g', 'postgres'])).stdout),
        }
      : {}
  if (owner.uid !== undefined) await chown(folder, owner.uid, owner.gid!)
  stops.push(() => rm(folder, { recursive: true, force: true }))
  const password = 'a secret'
  const data = `${folder}/data`
  await writeFile(`${folder}/password`, password)
  await run(
    `${bin}/initdb`,
    ['-D', data, '-U', 'iot', '-A', 'scram-sha-256', '--pwfile', `${folder}/password`, '-N'],
    { ...owner, cwd: folder },
  )
  const port = String(await freePort())
  let child: ChildProcess | undefined
  const psql = async (database: string, text: string): Promise<string[]> => {
    const { stdout } = await run(
      `${bin}/psql`,
      ['-h', '127.0.0.1', '-p', port, '-U', 'iot', '-d', database, '-Atq', '-c', text],
      { env: { ...process.env, PGPASSWORD: password }, cwd: folder },
    )
    return stdout.split('\n').filter((line) => line !== '')
  }
  const start = async (): Promise<void> => {
    child = spawn(
      server,
      ['-D', data, '-p', port, '-h', '127.0.0.1', '-k', folder, '-c', 'fsync=off'],
      { ...owner, cwd: folder, stdio: 'ignore' },
    )
    await eventually(() => psql('postgres', 'SELECT 1'), 30_000)
  }
  const stop = async (): Promise<void> => {
    if (child) await end(child, 'SIGINT')
  }
  await start()
  stops.push(stop)
  await psql('postgres', 'CREATE DATABASE iot')
  return {
    url: `jdbc:postgresql://127.0.0.1:${port}/iot`,
    user: 'iot',
    password,
    sql: (text) => psql('iot', text),
    start,
    stop,
  }
}

/** Starts a real Mosquitto that drops nothing, and gives its URL. */
export async function startMosquitto(stops: Stops, folder: string): Promise<string> {
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  await writeFile(
    `${folder}/mosquitto.conf`,
    `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n`,
  )
  const child = spawn(peer('mosquitto'), ['-c', `${folder}/mosquitto.conf`], { stdio: 'ignore' })
  stops.push(() => end(child, 'SIGTERM'))
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  })
  return `tcp://127.0.0.1:${port}`
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
  stops.push(() => end(child, 'SIGKILL'))
  const lines = createInterface({ input: child.stdout! })
  const [line] = (await once(lines, 'line')) as [string]
  return {
    child,
    addresses: JSON.parse(line) as Record<string, string>,
    kill: () => end(child, 'SIGKILL'),
  }
}
