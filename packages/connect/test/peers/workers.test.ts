import { test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { startKafka } from '../../../../tools/real-engines.ts'
import { stopsOf } from '../helpers/stops.ts'
import { runWorkersScenario } from '../helpers/workers-scenario.ts'

for (const mode of ['kraft', 'zookeeper'] as const)
  test(`a real Kafka (${mode}): two workers share connectors and tasks, and survive the death of one`, {
    timeout: 240_000,
  }, async (t) => {
    const stops = stopsOf(t)
    const folder = await temporaryFolder(t)
    const servers = await startKafka(stops, `${folder}/kafka`, mode)
    await runWorkersScenario({ stops, folder, servers, sessionMs: 6_000 })
  })
