import { type TestContext, test } from 'node:test'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { runKillScenario } from '../helpers/kill-scenario.ts'
import { type Stops, stopsOf } from '../helpers/stops.ts'
import { runWorkersScenario } from '../helpers/workers-scenario.ts'

async function startBroker(t: TestContext): Promise<{
  stops: Stops
  folder: string
  servers: string
  sessionMs: number
}> {
  const stops = stopsOf(t)
  const folder = await temporaryFolder(t)
  const broker = new KafkaBroker({
    listen: 0,
    data: `${folder}/kafka`,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 100,
  })
  stops.push(() => broker.stop())
  await broker.start()
  return { stops, folder, servers: Object.values(broker.addresses)[0]!, sessionMs: 1_500 }
}

test('workers in processes of their own share connectors and tasks, and survive the death of one', async (t) => {
  await runWorkersScenario(await startBroker(t))
})

test('a source that writes by transactions loses and doubles nothing while workers are killed', async (t) => {
  const random = new SeededRandom(Date.now() % 1_000_000)
  const report = await runKillScenario({
    ...(await startBroker(t)),
    durationMs: 5_000,
    random: () => random.next(),
  })
  t.diagnostic(JSON.stringify(report))
})
