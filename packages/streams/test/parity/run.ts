import { StreamsError, serdes, type Topology, TopologyTestDriver } from '../../src/index.ts'
import type { Case, Input, Output, Result } from './cases.ts'
import { buildTopology } from './interpreter.ts'

/** What our library makes of a case. */
export function runOurs({ name, steps, inputs, cacheBytes = 0 }: Case): Result {
  let topology: Topology
  try {
    topology = buildTopology(steps)
  } catch (thrown) {
    if (!(thrown instanceof StreamsError)) throw thrown
    return { name, describe: '', outputs: [], error: thrown.message }
  }
  const driver = new TopologyTestDriver(topology, {
    initialWallClockMs: 0,
    settings: {
      'application.id': 'app',
      'default.key.serde': serdes.string,
      'default.value.serde': serdes.string,
      'statestore.cache.max.bytes': cacheBytes,
    },
  })
  const outputs: Output[][] = []
  let error: string | undefined
  try {
    for (const input of inputs) {
      pipe(driver, input)
      outputs.push(produced(driver))
    }
  } catch (thrown) {
    error = String(thrown)
  }
  driver.close()
  return { name, describe: topology.describe(), outputs, ...(error === undefined ? {} : { error }) }
}

function pipe(driver: TopologyTestDriver, input: Input): void {
  if (typeof input === 'number') {
    driver.advanceWallClock(input)
    return
  }
  const [topic, key, value, timestampMs, headers = []] = input
  driver.createInputTopic<string | null, string | null>(topic, serdes.string, serdes.string).pipe(
    key,
    value,
    timestampMs,
    headers.map(([name, text]) => [name, Buffer.from(text)] as const),
  )
}

function produced(driver: TopologyTestDriver): Output[] {
  return driver
    .producedTopicNames()
    .sort()
    .flatMap((topic) =>
      driver
        .createOutputTopic<Buffer | null, Buffer | null>(topic, serdes.bytes, serdes.bytes)
        .readAll()
        .map(({ key, value, timestampMs, headers }): Output => {
          const base = [topic, text(key), text(value), timestampMs ?? null] as const
          if (headers.length === 0) return base
          return [...base, headers.map(([name, bytes]) => [name, text(bytes)] as const)]
        }),
    )
}

const text = (bytes: Buffer | null): string | null => bytes?.toString('latin1') ?? null

/**
 * A result in the form in which both libraries must agree. Of what goes to a changelog between two
 * commits, ours writes the last record of a key; and a suppress buffer's changelog has the order of a
 * hash set in Java.
 */
export function comparable({ describe, outputs, error }: Result): unknown {
  return {
    describe,
    outputs: outputs.map((records) => {
      const last = new Map<string, Output>()
      const others: Output[] = []
      for (const record of records)
        if (record[0].endsWith('-changelog')) last.set(`${record[0]}\n${record[1]}`, record)
        else others.push(record)
      const logged = [...last].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record)
      return [...others, ...logged]
    }),
    hasFailed: error !== undefined,
  }
}
