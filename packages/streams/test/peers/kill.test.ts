import { it } from 'node:test'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { startKafka } from '../../../../tools/real-engines.ts'
import { runKillScenario } from '../helpers/kill-scenario.ts'

it('instances and threads that are killed at random lose nothing and double nothing on a real Kafka', {
  timeout: 400_000,
}, async (t) => {
  const stops: (() => Promise<unknown>)[] = []
  t.after(async () => {
    for (const stop of stops.reverse()) await stop()
  })
  const folder = await temporaryFolder(t)
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const report = await runKillScenario({
    stops,
    folder,
    servers: await startKafka(stops, `${folder}/kafka`),
    durationMs: 30_000,
    random: () => random.next(),
  })
  t.diagnostic(JSON.stringify(report))
})
