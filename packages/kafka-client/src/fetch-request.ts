import type { FetchRequestInput } from '@khlong/kafka-protocol/messages/fetch'
import type { FetchState } from './fetch-state.ts'
import type { ResolvedFetcherOptions } from './options.ts'
import { byTopic } from './transactions.ts'

/** What is asked for of one partition at least, however many share a request. */
const shareBytesMin = 256 * 1024

/**
 * Asks for what comes next of these partitions, `maxBytes` of all together. A broker gives a batch that is larger
 * than what was asked for only of the first that has one: those come first of which least is there.
 */
export function fetchRequestOf(
  states: readonly FetchState[],
  maxBytes: number,
  options: ResolvedFetcherOptions,
): FetchRequestInput {
  const ordered = states.toSorted((a, b) => a.bufferedBytes - b.bufferedBytes)
  const partitionMaxBytes = Math.min(
    options['max.partition.fetch.bytes'],
    Math.max(shareBytesMin, Math.ceil(maxBytes / states.length)),
  )
  return {
    replicaId: -1,
    maxWaitMs: options['fetch.max.wait.ms'],
    minBytes: options['fetch.min.bytes'],
    maxBytes,
    isolationLevel: options['isolation.level'] === 'read_committed' ? 1 : 0,
    topics: [...byTopic(ordered)].map(([topic, list]) => ({
      topic,
      partitions: list.map(({ partition, fetchOffset }) => ({
        partition,
        fetchOffset,
        partitionMaxBytes,
      })),
    })),
  }
}
