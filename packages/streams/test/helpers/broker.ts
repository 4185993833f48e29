import type { TestContext } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'

/** A broker that ends with the test; gives its address. */
export async function startBroker(t: TestContext): Promise<string> {
  let broker: KafkaBroker | undefined
  // Before the folder is made: what comes first is cleaned up first.
  t.after(() => broker?.stop())
  const data = await temporaryFolder(t)
  broker = new KafkaBroker({ listen: 0, data, 'group.initial.rebalance.delay.ms': 0 })
  await broker.start()
  return Object.values(broker.addresses)[0]!
}
