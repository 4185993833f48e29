import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fetcher, type PartitionBatches } from '@khlong/kafka-client'
import { ApiKey } from '@khlong/kafka-protocol'
import type { FetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import {
  BatchBuilder,
  Compression,
  type CompressionType,
  decodeRecordsOf,
} from '@khlong/kafka-protocol/records'
import { ScriptedBroker } from './scripted-broker.ts'

// These run with KHLONG_POISON_BUFFERS, so that memory which was given back has other bytes at once.

const valueBytes = 1_000
const recordsPerBatch = 50
const textOf = (offset: number): string => `${offset}:`.padEnd(valueBytes, String(offset % 10))

function batchAt(baseOffset: number, compression: CompressionType = Compression.none): Buffer {
  const builder = new BatchBuilder({ baseOffset, compression, initialBytes: 64 * 1024 })
  for (let n = 0; n < recordsPerBatch; n++)
    builder.append(`key-${baseOffset + n}`, textOf(baseOffset + n), [['n', String(n)]], 1_000)
  return builder.build()
}

interface Script {
  readonly partitions: number
  /** Batches of each partition. */
  readonly batches: number
  /** Every second batch. */
  readonly compression?: CompressionType
  /** A batch that begins here fails its checksum, if it begins anywhere. */
  readonly brokenAt?: number
}

/** A broker whose topic `t` has batches of 50 records, as many as fit into what is asked for. */
async function startBroker(
  t: { after(cleanUp: () => void): void },
  { partitions, batches, compression = Compression.none, brokenAt }: Script,
): Promise<{ broker: ScriptedBroker; requests: FetchRequest[] }> {
  const broker = await new ScriptedBroker().start(t)
  const requests: FetchRequest[] = []
  const { topics, ...rest } = broker.metadata()
  broker.answers.set(ApiKey.metadata, () => ({
    ...rest,
    topics: topics.map((topic) => ({
      ...topic,
      partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
        ...topic.partitions![0]!,
        partitionIndex,
      })),
    })),
  }))
  const end = batches * recordsPerBatch
  broker.answers.set(ApiKey.fetch, async (request: FetchRequest) => {
    requests.push(request)
    let left = request.maxBytes
    let hasRecords = false
    const found = request.topics[0]!.partitions.map(
      ({ partition, fetchOffset, partitionMaxBytes }) => {
        const records: Buffer[] = []
        let room = Math.min(left, partitionMaxBytes)
        for (let offset = fetchOffset - (fetchOffset % recordsPerBatch); offset < end; ) {
          const isSecond = (offset / recordsPerBatch) % 2 === 1
          const batch = batchAt(offset, isSecond ? compression : Compression.none)
          if (offset === brokenAt) batch[batch.byteLength - 1]! ^= 1
          if (batch.byteLength > room && (hasRecords || records.length > 0)) break
          records.push(batch)
          room -= batch.byteLength
          left -= batch.byteLength
          offset += recordsPerBatch
        }
        hasRecords ||= records.length > 0
        return {
          partitionIndex: partition,
          highWatermark: end,
          lastStableOffset: end,
          logStartOffset: 0,
          abortedTransactions: [],
          records: Buffer.concat(records),
        }
      },
    )
    if (!hasRecords) await new Promise((resolve) => setTimeout(resolve, request.maxWaitMs).unref())
    return { responses: [{ topic: 't', partitions: found }] }
  })
  return { broker, requests }
}

const assign = (fetcher: Fetcher, partitions: number): void =>
  fetcher.assign(
    Array.from({ length: partitions }, (_, partition) => ({ topic: 't', partition, offset: 0 })),
  )

test('records keep their bytes, however often the memory of their responses was used again', async (t) => {
  const { broker } = await startBroker(t, { partitions: 2, batches: 30 })
  await using fetcher = new Fetcher({
    'bootstrap.servers': broker.bootstrapServers,
    'prefetch.max.bytes': 400_000,
    'max.poll.records': 70,
  })
  assign(fetcher, 2)
  const records = []
  while (records.length < 2 * 30 * recordsPerBatch)
    for (const polled of await fetcher.poll()) records.push(...polled.records)
  // Looked at only now: nothing of them was decoded before.
  for (const { offset, key, value, headers } of records) {
    assert.equal(String(key), `key-${offset}`)
    assert.equal(String(value), textOf(offset))
    assert.deepEqual(
      headers.map(([name, text]) => [name, String(text)]),
      [['n', String(offset % recordsPerBatch)]],
    )
  }
  assert.equal(new Set(records.map((one) => `${one.partition}/${one.offset}`)).size, records.length)
})

test('batches keep their bytes until they are given back, and then their memory is used again', async (t) => {
  const { broker } = await startBroker(t, { partitions: 1, batches: 60 })
  await using fetcher = new Fetcher({
    'bootstrap.servers': broker.bootstrapServers,
    'prefetch.max.bytes': 400_000,
  })
  assign(fetcher, 1)
  const check = ({ batches }: PartitionBatches): void => {
    for (const { header, bytes } of batches)
      for (const { offset, value } of decodeRecordsOf(bytes, header))
        assert.equal(String(value), textOf(offset))
  }
  const kept: PartitionBatches[] = []
  const memories = new Set<ArrayBufferLike>()
  let responses = 0
  while ((fetcher.position({ topic: 't', partition: 0 }) ?? 0) < 60 * recordsPerBatch)
    for (const polled of await fetcher.pollBatches()) {
      check(polled)
      if (responses++ < 2) kept.push(polled)
      else {
        memories.add(polled.batches[0]!.bytes.buffer)
        polled.release()
        polled.release()
      }
    }
  // Those that were kept are as they were.
  kept.forEach(check)
  assert.ok(responses > 10, `${responses} responses`)
  assert.ok(memories.size <= 4, `${memories.size} buffers for ${responses} responses`)
})

test('readers give each record in place, from the offset on, whatever its batch was compressed with', async (t) => {
  const { broker } = await startBroker(t, {
    partitions: 2,
    batches: 30,
    compression: Compression.gzip,
  })
  await using fetcher = new Fetcher({
    'bootstrap.servers': broker.bootstrapServers,
    'prefetch.max.bytes': 400_000,
  })
  const first = [17, 73]
  fetcher.assign([0, 1].map((partition) => ({ topic: 't', partition, offset: first[partition]! })))
  const next = [...first]
  const end = 30 * recordsPerBatch
  const memories = new Set<ArrayBufferLike>()
  while (next[0]! < end || next[1]! < end)
    for (const reader of await fetcher.pollReaders()) {
      const { partition } = reader
      for (let { head } = reader; head; head = reader.head) {
        const { count } = reader
        assert.equal(head.offset, next[partition])
        assert.equal(String(head.key), `key-${next[partition]}`)
        assert.equal(String(head.value), textOf(next[partition]!))
        const [[name, text] = []] = head.headers.entries
        assert.equal(`${name}=${text}`, `n=${next[partition]! % recordsPerBatch}`)
        if (head.offset % 100 < recordsPerBatch) memories.add(head.bytes.buffer)
        next[partition]!++
        reader.shift()
        assert.equal(reader.count, count - 1)
      }
      assert.equal(reader.nextOffset, next[partition])
    }
  assert.ok(memories.size <= 4, `${memories.size} buffers`)
})

for (const how of ['pollBatches', 'pollReaders'] as const)
  test(`${how}: what lies before a batch that cannot be read is given first, what lies behind it afterwards`, async (t) => {
    const { broker } = await startBroker(t, { partitions: 1, batches: 3, brokenAt: 50 })
    await using fetcher = new Fetcher({ 'bootstrap.servers': broker.bootstrapServers })
    assign(fetcher, 1)
    const position = (): number | undefined => fetcher.position({ topic: 't', partition: 0 })
    const given: number[] = []
    const read = async (): Promise<void> => {
      if (how === 'pollBatches')
        for (const { batches } of await fetcher.pollBatches(10_000))
          given.push(...batches.map(({ header }) => header.baseOffset))
      else
        for (const reader of await fetcher.pollReaders(10_000))
          for (; reader.head; reader.shift())
            if (reader.head.offset % recordsPerBatch === 0) given.push(reader.head.offset)
    }
    await read()
    assert.deepEqual(given, [0])
    assert.equal(position(), 50)
    await assert.rejects(read(), {
      code: 'KAFKA_CLIENT_MALFORMED_RESPONSE',
      message: 'records of t-0 from offset 50 cannot be read',
    })
    await read()
    assert.deepEqual(given, [0, 100])
    assert.equal(position(), 150)
  })

test('no response is asked for that is larger than half of what may be fetched ahead', async (t) => {
  const { broker, requests } = await startBroker(t, { partitions: 4, batches: 4 })
  await using fetcher = new Fetcher({
    'bootstrap.servers': broker.bootstrapServers,
    'prefetch.max.bytes': 2_000_000,
  })
  assign(fetcher, 4)
  await fetcher.poll()
  const { maxBytes, topics } = requests[0]!
  assert.equal(maxBytes, 1_000_000)
  assert.deepEqual(
    topics[0]!.partitions.map(({ partitionMaxBytes }) => partitionMaxBytes),
    [262_144, 262_144, 262_144, 262_144],
  )
})

test('what was fetched of paused partitions does not keep the others from being fetched', async (t) => {
  const { broker, requests } = await startBroker(t, { partitions: 3, batches: 40 })
  await using fetcher = new Fetcher({
    'bootstrap.servers': broker.bootstrapServers,
    'prefetch.max.bytes': 300_000,
    'max.poll.records': 10,
  })
  assign(fetcher, 2)
  await fetcher.poll(10_000)
  // With what the third brings there is room for no more.
  while (requests.length < 3) await new Promise((resolve) => setImmediate(resolve))
  fetcher.pause(fetcher.assignment)
  fetcher.assign(
    [0, 1, 2].map((partition) => ({
      topic: 't',
      partition,
      ...(partition === 2 ? { offset: 0 } : {}),
    })),
  )
  const last = { topic: 't', partition: 2 }
  while ((fetcher.position(last) ?? 0) < 40 * recordsPerBatch)
    assert.notEqual((await fetcher.poll(10_000)).length, 0)
  fetcher.resume(fetcher.paused)
  const read = (): number =>
    [0, 1].reduce((sum, partition) => sum + fetcher.position({ topic: 't', partition })!, 0)
  while (read() < 2 * 40 * recordsPerBatch) assert.notEqual((await fetcher.poll(10_000)).length, 0)
})

test('a seek while a response is on its way drops what comes of it, and reads on', async (t) => {
  const { broker } = await startBroker(t, { partitions: 1, batches: 20 })
  await using fetcher = new Fetcher({
    'bootstrap.servers': broker.bootstrapServers,
    'prefetch.max.bytes': 200_000,
  })
  assign(fetcher, 1)
  const place = { topic: 't', partition: 0 }
  for (const offset of [700, 3, 999, 250, 0]) {
    fetcher.seek(place, offset)
    const [polled] = await fetcher.poll(10_000)
    const [first] = polled!.records
    assert.equal(first!.offset, offset)
    assert.equal(String(first!.value), textOf(offset))
  }
})
