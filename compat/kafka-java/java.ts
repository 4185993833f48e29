import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { peer, reference } from '../../tools/peers.ts'

/** Releases of Kafka whose Java clients and tools are run. */
export type KafkaRelease = '2.8.2' | '3.9.1' | '4.3.1'

/** The class path of a release's clients and tools, with the classes of its Streams tests where `tests` is set. */
export async function classPath(
  cache: string,
  release: KafkaRelease,
  tests = false,
): Promise<string> {
  const paths: string[] = []
  if (tests)
    paths.push(
      await jars(cache, `kafka-streams-tests-${release}`, [
        `org.apache.kafka:kafka-streams:${release}:test`,
        `org.apache.kafka:kafka-clients:${release}:test`,
      ]),
    )
  if (release === '2.8.2')
    paths.push(
      await jars(cache, `kafka-tools-${release}`, [`org.apache.kafka:kafka-tools:${release}`]),
    )
  else {
    const mode = release === '4.3.1' ? 'kraft' : 'zookeeper'
    const lib = execFileSync('bash', [reference('kafka.sh'), 'classpath', mode], {
      encoding: 'utf8',
    })
    paths.push(lib.trim())
  }
  return paths.join(path.delimiter)
}

/** Fetches jars by Maven, once. Those with a classifier come without what they depend on. */
async function jars(cache: string, name: string, artifacts: readonly string[]): Promise<string> {
  const folder = path.join(cache, name)
  const found = await readdir(folder).catch(() => [])
  if (found.length === 0) {
    const made = `${folder}.${process.pid}`
    await mkdir(made, { recursive: true })
    const dependencies = artifacts.map((artifact) => {
      const [group, id, version, classifier] = artifact.split(':')
      const kind = classifier === undefined ? '' : `<classifier>${classifier}</classifier>`
      return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version>${kind}</dependency>`
    })
    await writeFile(
      path.join(made, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>compat</groupId><artifactId>${name}</artifactId><version>1</version><packaging>pom</packaging><dependencies>${dependencies.join('')}</dependencies></project>`,
    )
    const alone = artifacts.some((artifact) => artifact.split(':').length > 3)
    await promisify(execFile)(
      peer('mvn'),
      [
        ...['-B', '-q', '-f', path.join(made, 'pom.xml'), 'dependency:copy-dependencies'],
        ...[`-DoutputDirectory=${made}`, '-DincludeScope=runtime', `-DexcludeTransitive=${alone}`],
      ],
      { timeout: 300_000 },
    )
    await rm(folder, { recursive: true, force: true })
    await rename(made, folder)
  }
  return path.join(folder, '*')
}

const running = new Set<JavaProcess>()

/** Ends what a failed case has left running. */
export async function killJavaProcesses(): Promise<void> {
  await Promise.all([...running].map((program) => program.kill()))
}

/** A class with a `main` of its own, running; its output is kept by lines. */
export class JavaProcess extends EventEmitter<{ line: [string] }> {
  readonly lines: string[] = []
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>

  constructor(classPath: string, main: string, args: readonly string[], heapMiB = 256) {
    super()
    this.setMaxListeners(0)
    const jvm = [`-Xmx${heapMiB}M`, '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath]
    this.#child = spawn(peer('java'), [...jvm, main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      let rest = ''
      stream.setEncoding('utf8').on('data', (text: string) => {
        const parts = (rest + text).split('\n')
        rest = parts.pop() ?? ''
        for (const line of parts) {
          this.lines.push(line)
          this.emit('line', line)
        }
      })
    }
    running.add(this)
    this.#exited = once(this.#child, 'close').then(([code]) => {
      running.delete(this)
      return code as number | null
    })
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** The first line that fits, of those printed and those to come; an error at the deadline or at the end. */
  async line(wanted: (line: string) => boolean, deadlineMs = 120_000): Promise<string> {
    const found = this.lines.find(wanted)
    if (found !== undefined) return found
    return await new Promise((resolve, reject) => {
      const look = (line: string): void => {
        if (wanted(line)) done(() => resolve(line))
      }
      const timer = setTimeout(() => done(() => reject(this.#problem('did not come'))), deadlineMs)
      const done = (settle: () => void): void => {
        clearTimeout(timer)
        this.off('line', look)
        settle()
      }
      this.on('line', look)
      void this.#exited.then(() => done(() => reject(this.#problem('did not come before the end'))))
    })
  }

  #problem(what: string): Error {
    return new Error(`the awaited line ${what}:\n${this.lines.slice(-40).join('\n')}`)
  }

  /** The exit code; an error at the deadline. */
  async end(deadlineMs = 300_000): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.#problem('of the end did not come')), deadlineMs)
    })
    try {
      return await Promise.race([this.#exited, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Asks it to end, and awaits that. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.end(60_000).catch(() => this.kill())
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}
