import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PartContext } from '@khlong/core'
import { KafkaBroker, type KafkaOptions } from '../src/index.ts'

interface TestContext {
  after(cleanUp: () => Promise<void>): void
}

export interface StartedBroker {
  readonly broker: KafkaBroker
  readonly address: string
  readonly data: string
}

/** A folder that outlives the tests, so that a broker can come back to it; removed with the process. */
export function dataFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'khlong-kafka-'))
  folders.push(folder)
  return folder
}

const folders: string[] = []
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A broker on a free port, by default with a folder of its own; stopped when the test ends. */
export async function startBroker(
  t: TestContext,
  options: KafkaOptions = {},
  context: PartContext = {},
): Promise<StartedBroker> {
  const data = options.data ?? dataFolder()
  const broker = new KafkaBroker(
    { listen: 0, 'group.initial.rebalance.delay.ms': 0, ...options, data },
    context,
  )
  t.after(() => broker.stop())
  await broker.start()
  return { broker, address: broker.addresses.kafka!, data }
}
