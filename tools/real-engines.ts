import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { eventually } from '@khlong/core/testing'
import { Admin } from '@khlong/kafka-client'
import { peer, reference } from './peers.ts'

// Real systems on loopback, each on a free port, for tests and measurements against them.

const run = promisify(execFile)

/** Takes what ends an engine; what was started last is to be ended first. */
export interface Ends {
  push(end: () => Promise<unknown>): void
}

/** Ends a process and waits for its end. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

/**
 * A port that is free now, and so are those after it, `count` in all: Kafka takes two. They lie below those that
 * the system gives to outgoing connections, which would take them while a JVM starts.
 */
export async function freePort(count = 2): Promise<number> {
  for (;;) {
    const first = randomInt(10_000, 32_000)
    const ports = Array.from({ length: count }, (_item, index) => first + index)
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Starts a real Kafka, 4 or (with ZooKeeper) 3.9, and gives its address. */
export async function startKafka(
  ends: Ends,
  folder: string,
  mode: 'kraft' | 'zookeeper' = 'kraft',
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const script = reference('kafka.sh')
  const port = String(await freePort())
  ends.push(() => run('bash', [script, 'stop', folder]))
  const { stdout } = await run('bash', [script, 'start', mode, folder, port], {
    env: { ...process.env, KAFKA_HEAP: '-Xmx384M', KAFKA_PARTITIONS: '6', ...environment },
    timeout: 120_000,
  })
  return stdout.trim()
}

/** Three brokers of a real Kafka 3.9 that share one ZooKeeper. */
export interface KafkaCluster {
  readonly servers: string
  /** Kills a broker, 1 to 3, as a power cut would. */
  kill(broker: number): Promise<void>
}

/**
 * Starts three real brokers on one ZooKeeper. Every topic has three replicas, and a write is
 * acknowledged when two have it (`min.insync.replicas=2`).
 */
export async function startKafkaCluster(ends: Ends, folder: string): Promise<KafkaCluster> {
  const zookeeper = await startZooKeeper(ends, path.join(folder, 'zookeeper'))
  const folderOf = (broker: number): string => path.join(folder, `broker-${broker}`)
  const servers = await Promise.all(
    [1, 2, 3].map((broker) =>
      startKafka(ends, folderOf(broker), 'zookeeper', {
        BROKER_ID: String(broker),
        ZOOKEEPER_CONNECT: zookeeper,
        KAFKA_REPLICATION: '3',
      }),
    ),
  )
  await using admin = new Admin({ 'bootstrap.servers': servers.join(',') })
  await eventually(async () => {
    if ((await admin.describeCluster()).brokers.length < servers.length)
      throw new Error('not every broker is registered')
  }, 30_000)
  await admin.incrementalAlterConfigs({ type: 'broker', name: '' }, [
    { name: 'min.insync.replicas', operation: 'set', value: '2' },
  ])
  return {
    servers: servers.join(','),
    kill: async (broker) => {
      const processId = Number(await readFile(path.join(folderOf(broker), 'broker.pid'), 'utf8'))
      process.kill(processId, 'SIGKILL')
      while (existsSync(`/proc/${processId}`)) await delay(20)
    },
  }
}

/** Starts a real ZooKeeper 3.8 and gives its address. */
export async function startZooKeeper(ends: Ends, folder: string): Promise<string> {
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  const configuration = path.join(folder, 'zoo.cfg')
  await writeFile(
    configuration,
    `dataDir=${folder}\nclientPort=${port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n`,
  )
  const { stdout } = await run('bash', [reference('kafka.sh'), 'classpath', 'zookeeper'])
  const main = 'org.apache.zookeeper.server.ZooKeeperServerMain'
  const child = spawn(
    peer('java'),
    [
      '-Xmx256M',
      '-Dzookeeper.extendedTypesEnabled=true',
      '-cp',
      stdout.trim(),
      main,
      configuration,
    ],
    { stdio: 'ignore' },
  )
  ends.push(() => endProcess(child, 'SIGKILL'))
  // Its port is open some time before it answers.
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1')
    socket.setTimeout(1_000, () => socket.destroy())
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
    })
    await once(socket, 'connect')
    socket.write('srvr')
    await once(socket, 'close')
    if (!answer.includes('Mode: standalone')) throw new Error('the real ZooKeeper did not start')
  }, 30_000)
  return `127.0.0.1:${port}`
}

/** Starts another implementation of MongoDB's protocol and gives its URI. */
export async function startMongo(ends: Ends, folder: string): Promise<string> {
  const script = reference('mongodb.sh')
  ends.push(() => run('bash', [script, 'stop', folder]))
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
export async function startPostgres(ends: Ends): Promise<Postgres> {
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
  ends.push(() => rm(folder, { recursive: true, force: true }))
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
    if (child) await endProcess(child, 'SIGINT')
  }
  await start()
  ends.push(stop)
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
export async function startMosquitto(ends: Ends, folder: string): Promise<string> {
  return (await launchMosquitto(ends, folder)).url
}

/** As {@link startMosquitto}, with the id of the process. */
export async function launchMosquitto(
  ends: Ends,
  folder: string,
): Promise<{ url: string; processId: number }> {
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  await writeFile(
    `${folder}/mosquitto.conf`,
    `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n`,
  )
  const child = spawn(peer('mosquitto'), ['-c', `${folder}/mosquitto.conf`], { stdio: 'ignore' })
  ends.push(() => endProcess(child, 'SIGTERM'))
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  })
  return { url: `tcp://127.0.0.1:${port}`, processId: child.pid! }
}

/** Starts a real Prometheus with a configuration file on `port`, and gives its URL. */
export async function startPrometheus(
  ends: Ends,
  folder: string,
  {
    config,
    port,
    flags = [],
  }: { readonly config: string; readonly port: number; readonly flags?: readonly string[] },
): Promise<string> {
  const child = spawn(
    peer('prometheus'),
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${folder}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...flags,
    ],
    { stdio: 'ignore' },
  )
  ends.push(() => endProcess(child, 'SIGTERM'))
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => {
    if (!(await fetch(`${url}/-/ready`)).ok) throw new Error('Prometheus does not start')
  }, 30_000)
  return url
}
