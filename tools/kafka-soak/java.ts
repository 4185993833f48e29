import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually, SeededRandom } from '@khlong/core/testing'
import { classPath, JavaProcess, killJavaProcesses } from '../../compat/kafka-java/java.ts'
import { makeTopics } from '../../compat/kafka-java/records.ts'
import { eosTopics, StreamsPrograms } from '../../compat/kafka-java/streams.ts'
import { freePort } from '../real-engines.ts'
import { BrokerProcess } from './broker-process.ts'
import { readAll } from './clients.ts'

export interface KafkaJavaResult {
  readonly seed: number
  readonly minutes: number
  readonly brokerKills: number
  readonly streamsKills: number
  readonly workerKills: number
  readonly lines: number
  /** Lines that the sink wrote more than once; it promises at least once. */
  readonly sinkDuplicates: number
  readonly faults: readonly string[]
}

/** `npm run soak -- kafka-java`; `KHLONG_MINUTES` and `KHLONG_SEED` change it. */
export async function soakKafkaJava(): Promise<boolean> {
  const result = await measureKafkaJava({
    minutes: Number(process.env.KHLONG_MINUTES ?? 10),
    seed: Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000),
    say: (text) => process.stdout.write(`${text}\n`),
  })
  const { seed, minutes, brokerKills, streamsKills, workerKills, lines, sinkDuplicates, faults } =
    result
  for (const fault of faults) process.stdout.write(`${fault}\n`)
  process.stdout.write(
    `kafka-java: ${minutes.toFixed(1)} minutes (seed ${seed}), the broker killed ${brokerKills} times, Streams ${streamsKills}, Connect ${workerKills}; ` +
      `${lines} lines through Connect, ${sinkDuplicates} of them written twice by the sink; ${faults.length} faults\n`,
  )
  return faults.length === 0
}

/**
 * Java's Kafka Streams with `exactly_once_v2` (StreamsEosTest of Kafka 3.9.1, two instances) and Java's Connect 4.3.1,
 * distributed, with an exactly-once source, on our broker; one of the three is killed again and again. Then every
 * result of Streams is recomputed by Kafka's own verifier, and every line of the source is looked for.
 */
async function measureKafkaJava(options: {
  minutes: number
  seed: number
  say(text: string): void
}): Promise<KafkaJavaResult> {
  const { seed, say } = options
  const random = new SeededRandom(seed)
  const beganMs = performance.now()
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-kafka-java-'))
  const cache = path.join(homedir(), '.cache/khlong-compat')
  const broker = await BrokerProcess.create(folder)
  const kills = { broker: 0, streams: 0, worker: 0 }
  try {
    await broker.start()
    await makeTopics(broker.address, eosTopics)
    const target = { bootstrapServers: broker.address }
    const programs = await StreamsPrograms.make(
      { cache, folder, target },
      '3.9.1',
      'StreamsEosTest',
      'exactly_once_v2',
    )
    const connect = await ConnectWorker.create(folder, broker.address, cache)
    const driver = await programs.start('run')
    const instances = [
      await programs.start('process-complex'),
      await programs.start('process-complex'),
    ]
    for (const instance of instances) await instance.line(isRunning)
    await connect.start()
    await connect.addConnectors()
    say('all are running')
    const lines = new LineWriter(connect.source)
    const endMs = performance.now() + options.minutes * 60_000
    while (performance.now() < endMs) {
      await pause(Math.min(10_000 + random.next() * 15_000, Math.max(0, endMs - performance.now())))
      const what = (['broker', 'streams', 'worker'] as const)[Math.floor(random.next() * 3)]!
      kills[what]++
      if (what === 'broker') {
        await broker.kill()
        await broker.start()
      } else if (what === 'streams') {
        const index = Math.floor(random.next() * instances.length)
        await instances[index]!.kill()
        instances[index] = await programs.start('process-complex')
        await instances[index].line(isRunning)
      } else {
        await connect.kill()
        await connect.start()
      }
      say(`${what} killed; ${lines.count} lines so far`)
    }
    await lines.stop()
    await driver.stop()
    const faults: string[] = []
    const sinkDuplicates = await connect.awaitSink(lines.count)
    await connect.kill()
    for (const instance of instances) await instance.stop()
    const verifier = await programs.start('verify-complex')
    await verifier.end(600_000)
    if (!verifier.lines.some((line) => line.includes('ALL-RECORDS-DELIVERED')))
      faults.push(`the verifier of Streams says:\n${verifier.lines.slice(-20).join('\n')}`)
    faults.push(...lineFaults((await readAll(broker.address, 'lines', 1))[0]!, lines.count))
    return {
      seed,
      minutes: (performance.now() - beganMs) / 60_000,
      brokerKills: kills.broker,
      streamsKills: kills.streams,
      workerKills: kills.worker,
      lines: lines.count,
      sinkDuplicates,
      faults,
    }
  } finally {
    await killJavaProcesses()
    await broker.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

function isRunning(line: string): boolean {
  return line.includes('-> RUNNING')
}

/** Each line once, in its order. */
function lineFaults(values: readonly string[], count: number): string[] {
  const numbers = values.map((value) => Number(JSON.parse(value)))
  const at = numbers.findIndex((number, index) => number !== index)
  if (at < 0 && numbers.length === count) return []
  return [
    `the topic of the source has ${numbers.length} records of ${count}, and differs from ${at}`,
  ]
}

/** Appends numbered lines to a file, about a hundred a second. */
class LineWriter {
  count = 0
  #isStopping = false
  readonly #running: Promise<void>

  constructor(file: string) {
    this.#running = this.#run(file)
  }

  async #run(file: string): Promise<void> {
    while (!this.#isStopping) {
      const lines = Array.from({ length: 20 }, () => `${this.count++}\n`)
      await appendFile(file, lines.join(''))
      await pause(200)
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
  }
}

/** A distributed worker of Kafka Connect 4.3.1 with a file source and a file sink. */
class ConnectWorker {
  readonly source: string
  readonly sink: string
  readonly #properties: string
  readonly #path: string
  readonly #url: string
  #process: JavaProcess | undefined

  static async create(folder: string, address: string, cache: string): Promise<ConnectWorker> {
    const port = await freePort()
    const home = path.join(folder, 'connect')
    await mkdir(path.join(home, 'plugins'), { recursive: true })
    const stores = ['config', 'offset', 'status'].flatMap((store) => [
      `${store}.storage.topic=connect-${store}`,
      `${store}.storage.replication.factor=1`,
    ])
    const lines = [
      `bootstrap.servers=${address}`,
      'group.id=connect',
      `listeners=HTTP://127.0.0.1:${port}`,
      'key.converter=org.apache.kafka.connect.storage.StringConverter',
      'value.converter=org.apache.kafka.connect.json.JsonConverter',
      'value.converter.schemas.enable=false',
      'exactly.once.source.support=enabled',
      'offset.flush.interval.ms=1000',
      `plugin.path=${path.join(home, 'plugins').replaceAll('\\', '/')}`,
      ...stores,
    ]
    const properties = path.join(home, 'worker.properties')
    await writeFile(properties, `${lines.join('\n')}\n`)
    await writeFile(path.join(home, 'source.txt'), '')
    return new ConnectWorker(home, properties, await classPath(cache, '4.3.1'), port)
  }

  private constructor(home: string, properties: string, path_: string, port: number) {
    this.source = path.join(home, 'source.txt')
    this.sink = path.join(home, 'sink.txt')
    this.#properties = properties
    this.#path = path_
    this.#url = `http://127.0.0.1:${port}`
  }

  async start(): Promise<void> {
    const main = 'org.apache.kafka.connect.cli.ConnectDistributed'
    this.#process = new JavaProcess(this.#path, main, [this.#properties], 384)
    // The group is joined, and the topic of configurations is read, when this is answered.
    await eventually(async () => {
      if (this.#process!.hasExited) throw new Error(this.#process!.lines.slice(-40).join('\n'))
      const answer = await fetch(`${this.#url}/connectors`)
      if (!answer.ok) throw new Error(`Connect answers ${answer.status}`)
    }, 240_000)
  }

  async addConnectors(): Promise<void> {
    const common = { 'tasks.max': '1' }
    const configs = {
      source: {
        ...common,
        'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector',
        file: this.source,
        topic: 'lines',
      },
      sink: {
        ...common,
        'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector',
        file: this.sink,
        topics: 'lines',
        'consumer.override.isolation.level': 'read_committed',
      },
    }
    for (const [name, config] of Object.entries(configs)) {
      const answer = await fetch(`${this.#url}/connectors/${name}/config`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(config),
      })
      if (!answer.ok) throw new Error(`Connect refuses ${name}: ${await answer.text()}`)
    }
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  /** Awaits that the sink has written every line; gives how many it wrote more than once. */
  async awaitSink(count: number): Promise<number> {
    const deadlineMs = performance.now() + 180_000
    for (;;) {
      const text = await readFile(this.sink, 'utf8').catch(() => '')
      const lines = text.split('\n').slice(0, -1)
      const missing = count - new Set(lines).size
      if (missing <= 0) return lines.length - count
      if (performance.now() > deadlineMs)
        throw new Error(`${missing} of ${count} lines have not come out of the sink in 3 minutes`)
      await pause(200)
    }
  }
}
