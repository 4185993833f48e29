import { createHash } from 'node:crypto'
import type { Admin, ConsumerRecord, KafkaClient, TopicPartition } from '@khlong/kafka-client'
import { translateOffset } from './group-offsets.ts'
import type { Positions } from './positions.ts'
import type { CopiedTopic } from './topics.ts'
import { committedFetcher, type OffsetRange } from './walk.ts'

/** How a copied partition compares with its source. */
export interface PartitionComparison extends TopicPartition {
  readonly records: number
  /** SHA-256 over times, keys, values and headers, in their order. */
  readonly checksum: string
  /** What is not the same, in one sentence. */
  readonly difference?: string
}

/**
 * Compares each partition with its copy, record by record, up to where the copy is. Of what the target has
 * removed since by its own retention nothing is said. Of compacted topics the newest record of each key is
 * compared, by digests that are held in memory; keys that only the target has are passed over, for the source
 * may have removed them since.
 */
export async function* compareRecords(
  source: Admin,
  target: Admin,
  topics: readonly CopiedTopic[],
  positions: Positions,
): AsyncGenerator<PartitionComparison, void, undefined> {
  for (const { name: topic, partitions, isCompacted } of topics)
    for (let partition = 0; partition < partitions; partition++) {
      const place = { topic, partition }
      const position = positions.of(topic, partition)
      if (!position) {
        yield { ...place, records: 0, checksum: '', difference: 'it was not copied' }
        continue
      }
      const [first] = await source.listOffsets([{ ...place, spec: 'earliest' }])
      const [there] = await target.listOffsets([{ ...place, spec: 'earliest' }])
      const from = await translateOffset(source, place, first!.offset, position)
      const ranges = {
        source: { ...place, from: first!.offset, to: position.source },
        target: { ...place, from: Math.max(from, there!.offset), to: position.target },
      }
      const clients = { source: source.client, target: target.client }
      yield isCompacted
        ? await compareNewest(clients, ranges)
        : await compareAll(clients, ranges, ranges.target.from - from)
    }
}

interface Both<Thing> {
  readonly source: Thing
  readonly target: Thing
}

/** @param skipped records that the target has removed by itself */
async function compareAll(
  clients: Both<KafkaClient>,
  ranges: Both<OffsetRange>,
  skipped: number,
): Promise<PartitionComparison> {
  const { topic, partition } = ranges.source
  const hash = createHash('sha256')
  const copies = recordsOf(clients.target, ranges.target)
  let records = 0
  let left = skipped
  const end = (difference?: string): PartitionComparison => ({
    topic,
    partition,
    records,
    checksum: hash.digest('hex'),
    ...(difference === undefined ? {} : { difference }),
  })
  try {
    for await (const record of recordsOf(clients.source, ranges.source)) {
      if (left-- > 0) continue
      const copy = (await copies.next()).value
      if (!copy) return end(`offset ${record.offset} is missing at the target, and all behind it`)
      const digest = digestOf(record)
      if (!digest.equals(digestOf(copy)))
        return end(
          `offset ${record.offset} is another record at the target (offset ${copy.offset} there)`,
        )
      hash.update(digest)
      records++
    }
    const extra = (await copies.next()).value
    return extra ? end(`offset ${extra.offset} of the target is at the source no more`) : end()
  } finally {
    await copies.return(undefined)
  }
}

async function compareNewest(
  clients: Both<KafkaClient>,
  ranges: Both<OffsetRange>,
): Promise<PartitionComparison> {
  const { topic, partition } = ranges.source
  const newest = async (client: KafkaClient, range: OffsetRange): Promise<Map<string, Buffer>> => {
    const found = new Map<string, Buffer>()
    for await (const record of recordsOf(client, range)) {
      const key = createHash('sha256')
        .update(record.key ?? '')
        .digest('base64')
      if (record.value === null) found.delete(key)
      else found.set(key, digestOf(record))
    }
    return found
  }
  const here = await newest(clients.source, ranges.source)
  const there = await newest(clients.target, ranges.target)
  const hash = createHash('sha256')
  let missing = 0
  for (const [key, digest] of [...here].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (there.get(key)?.equals(digest)) hash.update(digest)
    else missing++
  }
  const result = { topic, partition, records: here.size, checksum: hash.digest('hex') }
  return missing === 0
    ? result
    : { ...result, difference: `${missing} of ${here.size} keys have another value or none` }
}

async function* recordsOf(
  client: KafkaClient,
  range: OffsetRange,
): AsyncGenerator<ConsumerRecord, undefined, undefined> {
  if (range.from >= range.to) return undefined
  const fetcher = committedFetcher(client)
  try {
    fetcher.assign([{ topic: range.topic, partition: range.partition, offset: range.from }])
    while ((fetcher.position(range) ?? range.from) < range.to)
      for (const { records } of await fetcher.poll(500))
        for (const record of records) if (record.offset < range.to) yield record
  } finally {
    await fetcher.close()
  }
  return undefined
}

function digestOf({ timestamp, key, value, headers }: ConsumerRecord): Buffer {
  const hash = createHash('sha256')
  const take = (part: Buffer | null): void => {
    hash.update(part === null ? 'null:' : `${part.byteLength}:`)
    if (part) hash.update(part)
  }
  hash.update(`${timestamp}:${headers.length}:`)
  take(key)
  take(value)
  for (const [name, header] of headers) {
    take(Buffer.from(name))
    take(header)
  }
  return hash.digest()
}
