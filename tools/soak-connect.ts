// npm run soak -- connect: Connect workers killed at random for minutes, on the embedded Kafka and on
// real ones. The scenario is the one that the tests run, short.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SeededRandom } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { MongodbServer } from '@khlong/mongodb'
import { runKillScenario } from '../packages/connect/test/helpers/kill-scenario.ts'
import { Stops } from '../packages/connect/test/helpers/stops.ts'
import { startKafka, startMongo } from './real-engines.ts'

export interface ConnectSoak {
  readonly minutes: number
  readonly seed: number
  readonly kafka: 'embedded' | 'kraft' | 'zookeeper'
  readonly say: (text: string) => void
}

/** Gives whether nothing was lost and nothing doubled. */
export async function soakConnect({ minutes, seed, kafka, say }: ConnectSoak): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-soak-'))
  const ends: (() => Promise<unknown>)[] = []
  const stops = new Stops({
    after: (end: () => Promise<unknown>) => ends.push(end),
  })
  const random = new SeededRandom(seed)
  try {
    const { servers, mongoUri } = await startServers(kafka, folder, stops)
    const { kills, lines, documents } = await runKillScenario({
      stops,
      folder,
      servers,
      mongoUri,
      sessionMs: 6_000,
      durationMs: minutes * 60_000,
      random: () => random.next(),
    })
    say(
      `connect, ${kafka}: ${kills} kills in ${minutes} minutes (seed ${seed}), ${lines} lines read by transactions, ` +
        `0 missing, 0 doubled, all in their order; file sink complete; ${documents} documents\n`,
    )
    return true
  } catch (error) {
    say(`connect, ${kafka} (seed ${seed}): ${(error as Error).message}\n`)
    return false
  } finally {
    for (const end of ends) await end()
    await rm(folder, { recursive: true, force: true })
  }
}

async function startServers(
  kafka: ConnectSoak['kafka'],
  folder: string,
  stops: Stops,
): Promise<{ servers: string; mongoUri: string }> {
  if (kafka !== 'embedded')
    return {
      servers: await startKafka(stops, `${folder}/kafka`, kafka),
      mongoUri: await startMongo(stops, `${folder}/mongo`),
    }
  const broker = new KafkaBroker({ listen: 0, data: `${folder}/kafka` })
  const mongodb = new MongodbServer({ listen: 0, data: `${folder}/mongodb` })
  for (const part of [broker, mongodb]) {
    stops.push(() => part.stop())
    await part.start()
  }
  return {
    servers: Object.values(broker.addresses)[0]!,
    mongoUri: `mongodb://${Object.values(mongodb.addresses)[0]}`,
  }
}
