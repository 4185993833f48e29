import { test } from 'node:test'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { startKafka, startMongo } from '../../../../tools/real-engines.ts'
import { runKillScenario } from '../helpers/kill-scenario.ts'
import { stopsOf } from '../helpers/stops.ts'

for (const mode of ['kraft', 'zookeeper'] as const)
  test(`a real Kafka (${mode}): workers are killed at random; the source loses and doubles nothing, sinks lose nothing`, {
    timeout: 300_000,
  }, async (t) => {
    const stops = stopsOf(t)
    const folder = await temporaryFolder(t)
    const servers = await startKafka(stops, `${folder}/kafka`, mode)
    const mongoUri = mode === 'kraft' ? await startMongo(stops, `${folder}/mongo`) : undefined
    const random = new SeededRandom(Date.now() % 1_000_000)
    const report = await runKillScenario({
      stops,
      folder,
      servers,
      mongoUri,
      sessionMs: 6_000,
      durationMs: 12_000,
      random: () => random.next(),
    })
    t.diagnostic(JSON.stringify(report))
  })
