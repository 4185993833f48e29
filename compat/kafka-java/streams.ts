import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { classPath, JavaProcess, type KafkaRelease } from './java.ts'
import { makeTopics } from './records.ts'
import type { JavaCase } from './run.ts'

const smokeTopics = [
  ...['data', 'echo', 'min', 'min-suppressed', 'min-raw', 'max', 'sum', 'sws-raw'],
  ...['sws-suppressed', 'dif', 'cnt', 'avg', 'wcnt', 'tagg', 'fk'],
]
const eosNames = ['data', 'echo', 'min', 'max', 'sum', 'cnt', 'repartition']
/** The program asks for three replicas of its own topics, which no single broker has; so they are there before it. */
const eosChangelogs = ['03', '07', '14', '18'].map(
  (node) => `EosTest-KSTREAM-AGGREGATE-STATE-STORE-00000000${node}-changelog`,
)

/** What StreamsEosTest needs, with the number of its partitions. */
export const eosTopics: Readonly<Record<string, number>> = Object.fromEntries(
  [...eosNames, ...eosChangelogs].map((name) => [name, 5]),
)

/** Which broker the programs use, and where they keep their state. */
export interface StreamsContext {
  readonly cache: string
  readonly folder: string
  readonly target: { readonly bootstrapServers: string }
}

/** Starts programs of the Streams tests, each with a state folder of its own. */
export class StreamsPrograms {
  readonly #context: StreamsContext
  readonly #main: string
  readonly #path: string
  readonly #guarantee: string

  static async make(
    context: StreamsContext,
    release: KafkaRelease,
    main: string,
    guarantee: string,
  ): Promise<StreamsPrograms> {
    return new StreamsPrograms(
      context,
      await classPath(context.cache, release, true),
      main,
      guarantee,
    )
  }

  private constructor(context: StreamsContext, path: string, main: string, guarantee: string) {
    this.#context = context
    this.#path = path
    this.#main = `org.apache.kafka.streams.tests.${main}`
    this.#guarantee = guarantee
  }

  async start(...command: readonly string[]): Promise<JavaProcess> {
    // Fresh for each: a store that another case left, on another broker, would be taken for this one's. Its checkpoint
    // lies behind the end of the new changelog, so that the store counts as restored and is not wiped.
    const state = await mkdtemp(
      path.join(this.#context.folder, `${this.#main}-${this.#guarantee}-`),
    )
    const properties = path.join(state, 'streams.properties')
    const lines = [
      `bootstrap.servers=${this.#context.target.bootstrapServers}`,
      `processing.guarantee=${this.#guarantee}`,
      `state.dir=${state.replaceAll('\\', '/')}`,
    ]
    await writeFile(properties, `${lines.join('\n')}\n`)
    return new JavaProcess(this.#path, this.#main, [properties, ...command])
  }
}

/** The driver makes numbers for a minute and a half and checks every sum; of the instances one is killed, one stopped. */
export const streamsSmoke: readonly JavaCase[] = ['at_least_once', 'exactly_once_v2'].map(
  (guarantee) => ({
    name: `StreamsSmokeTest of 4.3.1, ${guarantee}`,
    run: async (context) => {
      const { bootstrapServers } = context.target
      await makeTopics(bootstrapServers, Object.fromEntries(smokeTopics.map((name) => [name, 5])))
      const programs = await StreamsPrograms.make(context, '4.3.1', 'StreamsSmokeTest', guarantee)
      const driver = await programs.start('run')
      const instances = [await programs.start('process'), await programs.start('process')]
      await instances[0]!.line((line) => line.includes('processed'), 120_000)
      await pause(15_000)
      await instances[0]!.kill()
      instances.push(await programs.start('process'))
      await pause(20_000)
      await instances[1]!.stop()
      const code = await driver.end(600_000)
      for (const instance of instances) await instance.kill()
      const output = driver.lines.slice(-12).join('\n')
      assert.ok(driver.lines.includes('SUCCESS'), output)
      if (guarantee === 'exactly_once_v2') assert.ok(isDelivered(driver), output)
      assert.equal(code, 0, output)
    },
  }),
)

/** Three instances, two of which are killed while data comes; then every result is recomputed from the data. */
export const streamsEos: readonly JavaCase[] = ['', '-complex'].map((kind) => ({
  name: `StreamsEosTest of 3.9.1, process${kind}, exactly_once_v2`,
  run: async (context) => {
    const { bootstrapServers } = context.target
    await makeTopics(bootstrapServers, eosTopics)
    const programs = await StreamsPrograms.make(
      context,
      '3.9.1',
      'StreamsEosTest',
      'exactly_once_v2',
    )
    const driver = await programs.start('run')
    const start = (): Promise<JavaProcess> => programs.start(`process${kind}`)
    const isRunning = (line: string): boolean => line.includes('-> RUNNING')
    const instances = [await start(), await start()]
    for (const instance of instances) await instance.line(isRunning)
    await pause(10_000)
    await instances[0]!.kill()
    instances[0] = await start()
    await instances[0].line(isRunning)
    await pause(5_000)
    await instances[1]!.kill()
    instances[1] = await start()
    await instances[1].line(isRunning)
    await pause(10_000)
    await driver.stop()
    for (const instance of instances) await instance.stop()
    const verifier = await programs.start(`verify${kind}`)
    const code = await verifier.end(300_000)
    const output = verifier.lines.slice(-12).join('\n')
    assert.ok(isDelivered(verifier), output)
    assert.equal(code, 0, output)
  },
}))

/** Whether a verifier found each record once. */
function isDelivered({ lines }: JavaProcess): boolean {
  return lines.some((line) => line.includes('ALL-RECORDS-DELIVERED'))
}
