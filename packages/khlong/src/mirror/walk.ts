import {
  batchOffsets,
  Fetcher,
  type FetcherOptions,
  type KafkaClient,
  type RawBatch,
  type TopicPartition,
} from '@khlong/kafka-client'

/** Offsets of a partition from `from` up to and without `to`. */
export interface OffsetRange extends TopicPartition {
  readonly from: number
  readonly to: number
}

const readAhead = {
  'isolation.level': 'read_committed',
  'auto.offset.reset': 'earliest',
  'fetch.max.wait.ms': 200,
  'prefetch.max.bytes': 32 * 1024 * 1024,
} satisfies Omit<FetcherOptions, 'bootstrap.servers'>

/** A fetcher that gives what was committed. */
export function committedFetcher(client: KafkaClient): Fetcher {
  const { 'bootstrap.servers': servers } = client.options
  return new Fetcher({ ...readAhead, 'bootstrap.servers': servers }, { client })
}

/**
 * Reads ranges of partitions at once and gives their batches to `use`, which is waited for before more is
 * read than the fetcher holds. Records of aborted transactions are left out; the first batch of a range may
 * begin before it and the last end behind it. `use` may say that it has seen enough of a range with `true`.
 */
export async function walkRanges<Range extends OffsetRange>(
  client: KafkaClient,
  ranges: readonly Range[],
  use: (range: Range, batches: readonly RawBatch[]) => Promise<boolean> | boolean,
  options: { readonly onRound?: () => Promise<void>; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const open = new Map(
    ranges.filter(({ from, to }) => from < to).map((range) => [keyOf(range), range]),
  )
  if (open.size === 0) return
  const fetcher = committedFetcher(client)
  try {
    fetcher.assign([...open.values()].map((range) => ({ ...place(range), offset: range.from })))
    while (open.size > 0) {
      options.signal?.throwIfAborted()
      const results = await fetcher.pollBatches(500)
      const before = open.size
      // One poll may give a partition several times: its batches stay in their order.
      const byPlace = Map.groupBy(results, keyOf)
      await Promise.all(
        [...byPlace].map(async ([key, parts]) => {
          for (const { batches } of parts) {
            const range = open.get(key)
            if (range && (await use(range, batches))) open.delete(key)
          }
        }),
      )
      for (const [key, range] of open)
        if ((fetcher.position(range) ?? range.from) >= range.to) open.delete(key)
      if (open.size < before) fetcher.assign([...open.values()].map(place))
      await options.onRound?.()
    }
  } finally {
    await fetcher.close()
  }
}

/** How many records that were committed lie in each range, in the order given. */
export async function countRecords(
  client: KafkaClient,
  ranges: readonly OffsetRange[],
): Promise<number[]> {
  const counted = ranges.map((range) => ({ ...range, count: 0 }))
  await walkRanges(client, counted, (range, batches) => {
    for (const batch of batches) range.count += countIn(batch, range)
    return false
  })
  return counted.map(({ count }) => count)
}

/** The offset behind the first `count` records from `from` on. */
export async function offsetBehind(
  client: KafkaClient,
  range: OffsetRange,
  count: number,
): Promise<number> {
  let left = count
  let behind = range.from
  if (left > 0)
    await walkRanges(client, [range], (_range, batches) => {
      for (const batch of batches) {
        const offsets = batchOffsets(batch).filter((offset) => offset >= behind)
        const last = offsets[Math.min(left, offsets.length) - 1]
        if (last !== undefined) behind = last + 1
        left -= offsets.length
        if (left <= 0) return true
      }
      return false
    })
  return behind
}

function countIn(
  batch: RawBatch,
  { from, to }: { readonly from: number; readonly to: number },
): number {
  const { baseOffset, lastOffset, recordCount } = batch.header
  if (baseOffset >= from && lastOffset < to) return recordCount
  return batchOffsets(batch).filter((offset) => offset >= from && offset < to).length
}

const place = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition })
export const keyOf = ({ topic, partition }: TopicPartition): string => `${partition}:${topic}`
