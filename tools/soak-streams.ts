// npm run soak -- streams: instances and threads of a streams application killed at random for minutes,
// on the embedded Kafka and on real ones. The scenario is the one that the tests run, short.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SeededRandom } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { runKillScenario } from '../packages/streams/test/helpers/kill-scenario.ts'
import { startKafka } from './real-engines.ts'

export interface StreamsSoak {
  readonly minutes: number
  readonly seed: number
  readonly kafka: 'embedded' | 'kraft' | 'zookeeper'
  readonly say: (text: string) => void
}

/** Gives whether nothing was lost and nothing doubled. */
export async function soakStreams({ minutes, seed, kafka, say }: StreamsSoak): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-soak-'))
  const ends: (() => Promise<unknown>)[] = []
  const random = new SeededRandom(seed)
  try {
    const { kills, stops, lines, readings, words, windows } = await runKillScenario({
      stops: ends,
      folder,
      servers: await startServers(kafka, folder, ends),
      durationMs: minutes * 60_000,
      random: () => random.next(),
    })
    say(
      `streams, ${kafka}: ${kills} kills and ${stops} stops in ${minutes} minutes (seed ${seed}), ${words} words of ${lines} lines counted one by one, ` +
        `${readings} readings joined, ${windows} windows; 0 missing, 0 doubled\n`,
    )
    return true
  } catch (error) {
    say(`streams, ${kafka} (seed ${seed}): ${(error as Error).message}\n`)
    return false
  } finally {
    for (const end of ends.reverse()) await end()
    await rm(folder, { recursive: true, force: true })
  }
}

async function startServers(
  kafka: StreamsSoak['kafka'],
  folder: string,
  ends: (() => Promise<unknown>)[],
): Promise<string> {
  if (kafka !== 'embedded') return startKafka(ends, `${folder}/kafka`, kafka)
  const broker = new KafkaBroker({ listen: 0, data: `${folder}/kafka` })
  ends.push(() => broker.stop())
  await broker.start()
  return Object.values(broker.addresses)[0]!
}
