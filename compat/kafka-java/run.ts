import { performance } from 'node:perf_hooks'
import type { Outcome, Suite, SuiteRun } from '../suite.ts'
import type { Target } from '../target.ts'
import { clientCompatibility } from './client-compatibility.ts'
import { killJavaProcesses } from './java.ts'
import { streamsEos, streamsSmoke } from './streams.ts'
import { transactionalCopy } from './transactional-copy.ts'
import { verifiable } from './verifiable.ts'

/** One test: throws where what it asserts does not hold. */
export interface JavaCase {
  readonly name: string
  run(context: JavaContext): Promise<void>
}

export interface JavaContext extends Pick<SuiteRun, 'cache' | 'folder' | 'say'> {
  readonly target: Target
}

/**
 * The programs of Kafka's system tests, from its own jars: what Kafka's testers run on a cluster of virtual machines,
 * in the same order, on one node.
 */
export const kafkaJava: Suite = {
  name: 'kafka-java',
  part: 'kafka',
  title: 'Kafka’s system test programs, of 2.8.2, 3.9.1 and 4.3.1',
  scope:
    'ClientCompatibilityTest, VerifiableProducer and VerifiableConsumer, TransactionalMessageCopier, StreamsSmokeTest, StreamsEosTest',
  async run({ start, filter, ...run }) {
    const cases = [
      ...clientCompatibility,
      ...verifiable,
      ...transactionalCopy,
      ...streamsSmoke,
      ...streamsEos,
    ].filter(({ name }) => !filter || filter.test(name))
    const outcomes: Outcome[] = []
    for (const { name, run: runCase } of cases) {
      // Each on a broker of its own: the programs have their topics' names built in.
      const target = await start({ 'group.initial.rebalance.delay.ms': 0 })
      const startMs = performance.now()
      let outcome: Outcome
      try {
        await runCase({ ...run, target })
        outcome = { name, result: 'passed' }
      } catch (error) {
        const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
        outcome = { name, result: 'failed', detail }
      }
      await killJavaProcesses()
      await target.stop()
      const seconds = Math.round((performance.now() - startMs) / 1_000)
      run.say(`${outcome.result}: ${name} (${seconds} s)`)
      outcomes.push(outcome)
    }
    return outcomes
  },
}
