import { execFile, execFileSync, spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { promisify } from 'node:util'
import { peer, reference } from '../../tools/peers.ts'

const run = promisify(execFile)
let classPath: string | undefined

/** Runs one of Kafka 4.3.1's tools and gives what it printed. */
async function kafkaTool(main: string, args: readonly string[]): Promise<string> {
  classPath ??= execFileSync('bash', [reference('kafka.sh'), 'classpath', 'kraft'], {
    encoding: 'utf8',
  }).trim()
  const jvm = ['-Xmx512M', '-XX:+UseG1GC', '-cp', classPath, `org.apache.kafka.tools.${main}`]
  const { stdout } = await run(peer('java'), [...jvm, ...args], {
    timeout: 300_000,
    maxBuffer: 1 << 24,
  })
  return stdout
}

export interface ProducerLoad {
  readonly topic: string
  readonly records: number
  /** Come before them and are not counted: until the client's JVM is warm, that is the limit. */
  readonly warmUpRecords?: number
  readonly sizeBytes: number
  readonly acks: '1' | 'all'
}

/** `kafka-producer-perf-test`; records a second. */
export async function producerPerf(address: string, load: ProducerLoad): Promise<number> {
  const { warmUpRecords = 0 } = load
  const output = await kafkaTool('ProducerPerformance', [
    ...['--topic', load.topic, '--bootstrap-server', address],
    ...['--num-records', String(warmUpRecords + load.records)],
    ...['--record-size', String(load.sizeBytes), '--throughput', '-1'],
    ...['--warmup-records', String(warmUpRecords)],
    ...['--command-property', `acks=${load.acks}`],
  ])
  const all = [...output.matchAll(/([\d.]+) records\/sec/g)]
  const last = all.at(-1)
  if (!last) throw new Error(`no figure in:\n${output}`)
  return Number(last[1])
}

/** `kafka-consumer-perf-test`; records a second of the whole run, and without the joining of the group. */
export async function consumerPerf(
  address: string,
  topic: string,
  records: number,
): Promise<{ whole: number; fetch: number }> {
  const output = await kafkaTool('ConsumerPerformance', [
    ...['--topic', topic, '--bootstrap-server', address, '--hide-header'],
    ...['--num-records', String(records), '--timeout', '60000'],
  ])
  const line = output.split('\n').find((text) => /^\d{4}-/.test(text))
  const fields = line?.split(',').map(Number)
  if (!fields || fields.length < 10) throw new Error(`no figure in:\n${output}`)
  return { whole: fields[5]!, fetch: fields[9]! }
}

/** kcat writing lines to a topic; records a second of the whole process. */
export async function kcatProduce(address: string, topic: string, lines: Buffer): Promise<number> {
  const count = lines.reduce((sum, byte) => (byte === 10 ? sum + 1 : sum), 0)
  const beganMs = performance.now()
  const child = spawn(
    peer('kcat'),
    ['-b', address, '-P', '-t', topic, '-X', 'acks=1,linger.ms=5'],
    {
      stdio: ['pipe', 'ignore', 'inherit'],
    },
  )
  child.stdin.end(lines)
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`kcat ended with ${code}`)
  return (count / (performance.now() - beganMs)) * 1_000
}

/** kcat reading a topic to its end; records a second of the whole process. */
export async function kcatConsume(
  address: string,
  topic: string,
  records: number,
): Promise<number> {
  const beganMs = performance.now()
  const child = spawn(
    peer('kcat'),
    ['-b', address, '-C', '-q', '-e', '-o', 'beginning', '-c', String(records), '-t', topic],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`kcat ended with ${code}`)
  return (records / (performance.now() - beganMs)) * 1_000
}
