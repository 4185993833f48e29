import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, FakeClock, SeededRandom } from '@khlong/core/testing'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeFetchResponse,
  encodeFetchRequest,
  type FetchRequestInput,
} from '@khlong/kafka-protocol/messages/fetch'
import {
  decodeProduceResponse,
  encodeProduceRequest,
} from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder, batchHeaders } from '@khlong/kafka-protocol/records'
import type { KafkaBroker } from '../../src/index.ts'
import { startBroker } from '../helpers.ts'
import { createTopic, TransactionalClient } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

// The broker's clock stands still: a fetch that waits is answered because of a record, or never. So a
// wake-up that is lost between a look at the logs and the wait, or memory for answers that is not given
// back, shows as a test that does not end.

const partitionCount = 4
const consumerCount = 8
/** Large ones need most of the budget of answers, so that fetches wait for memory, too. */
const largeBytes = 300_000
const minBytesChoices = [1, 1, 200, 3_000]

for (const seed of [1, 2, 3, 4, 5, 6])
  test(`every fetch that waits is answered when there is something, seed ${seed}`, async (t) => {
    const random = new SeededRandom(seed)
    const { address, broker } = await startBroker(
      t,
      {
        'ack.flush': seed % 2 === 0 ? 'all' : 'none',
        'log.segment.bytes': 400_000,
        'queued.max.response.bytes': 1_048_576,
        'max.incremental.fetch.session.cache.slots': 5,
      },
      { clock: new FakeClock(Date.now()) },
    )
    const wire = await Wire.open(address)
    t.after(() => wire.close())
    await createTopic(wire, 'p', partitionCount)
    const consumers = Array.from({ length: consumerCount }, () => new Consumer(address, random))
    t.after(() => consumers.forEach((consumer) => void consumer.stop()))
    const running = consumers.map((consumer) => consumer.run())
    const ends = await produceAtRandom(wire, random)
    for (const consumer of consumers) consumer.reached = (at) => at.every((o, p) => o >= ends[p]!)
    // Who waits for many bytes has them some time.
    const isDone = Promise.all(running)
    let isOver = false
    void isDone.finally(() => {
      isOver = true
    })
    for (let round = 0; round < 60 && !isOver; round++)
      for (let partition = 0; partition < partitionCount; partition++)
        await produce(wire, partition, 5_000)
    await isDone
    await eventually(() => assert.deepEqual(heldOf(broker), [0, 0]))
  })

/** Bytes that answers hold, and fetches that wait for memory. */
function heldOf(broker: KafkaBroker): number[] {
  return ['khlong_kafka_answer_bytes', 'khlong_kafka_answers_waiting'].map((name) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(broker.metrics())?.[1]),
  )
}

async function produceAtRandom(wire: Wire, random: SeededRandom): Promise<number[]> {
  const client = new TransactionalClient(wire, 'tx')
  assert.equal(await client.init(), 0)
  const partitionOf = (): number => Math.floor(random.next() * partitionCount)
  for (let step = 0; step < 120; step++) {
    const kind = random.next()
    if (kind < 0.1) await produce(wire, partitionOf(), largeBytes)
    else if (kind < 0.25) {
      const partitions = [...new Set([partitionOf(), partitionOf()])]
      assert.deepEqual(new Set(await client.add('p', partitions)), new Set([0]))
      for (const partition of partitions) await client.produce('p', [[partition, ['in', 'it']]])
      assert.equal(await client.end(random.next() < 0.5), 0)
    } else await produce(wire, partitionOf(), 1 + Math.floor(random.next() * 300))
    for (let turns = random.next() * 4; turns > 0; turns--) await new Promise(setImmediate)
  }
  return await Promise.all(
    Array.from({ length: partitionCount }, async (_, partition) => {
      const { baseOffset } = await produce(wire, partition, 10)
      return baseOffset + 1
    }),
  )
}

async function produce(
  wire: Wire,
  partition: number,
  valueBytes: number,
): Promise<{ baseOffset: number }> {
  const builder = new BatchBuilder({})
  builder.append(null, Buffer.alloc(valueBytes, 1), [], Date.now())
  const partitionData = [{ index: partition, records: builder.build() }]
  const reader = await wire.send(ApiKey.produce, 9, (writer) =>
    encodeProduceRequest(
      writer,
      { acks: -1, timeoutMs: 30_000, topicData: [{ name: 'p', partitionData }] },
      9,
    ),
  )
  const [answer] = decodeProduceResponse(reader, 9).responses[0]!.partitionResponses
  assert.equal(answer!.errorCode, 0)
  return answer!
}

interface Wanted {
  readonly partition: number
  readonly fetchOffset: number
  readonly partitionMaxBytes: number
}

/** Reads all partitions at once, with sessions and without, and begins a new connection now and then. */
class Consumer {
  readonly offsets: number[] = Array(partitionCount).fill(0)
  reached: (offsets: readonly number[]) => boolean = () => false
  readonly #address: string
  readonly #random: SeededRandom
  readonly #minBytes: number
  readonly #isCommitted: boolean
  #wire: Wire | undefined
  #isStopped = false

  constructor(address: string, random: SeededRandom) {
    this.#address = address
    this.#random = random
    this.#minBytes = minBytesChoices[Math.floor(random.next() * minBytesChoices.length)]!
    this.#isCommitted = random.next() < 0.5
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wire?.close()
  }

  async run(): Promise<void> {
    while (!this.#isStopped && !this.reached(this.offsets)) await this.#runConnection()
    this.#wire?.close()
  }

  async #runConnection(): Promise<void> {
    const wire = await Wire.open(this.#address)
    this.#wire = wire
    // -1 begins no session, 0 asks for one.
    let sessionEpoch = this.#random.next() < 0.5 ? 0 : -1
    let sessionId = 0
    let told: number[] = []
    for (let count = 1 + this.#random.next() * 40; count > 0; count--) {
      if (this.#isStopped || this.reached(this.offsets)) break
      const isNext = sessionEpoch > 0
      const changed = this.offsets.flatMap((offset, partition) =>
        isNext && told[partition] === offset ? [] : [this.#wanted(partition, offset)],
      )
      told = [...this.offsets]
      const answer = wire.send(ApiKey.fetch, 12, (writer) =>
        encodeFetchRequest(writer, { ...this.#request(changed), sessionId, sessionEpoch }, 12),
      )
      const isCut = count < 2 && this.#random.next() < 0.5
      if (isCut) {
        // In the middle of it: what was held for the answer must come back.
        await new Promise(setImmediate)
        break
      }
      const reader = await Promise.race([answer, wire.closed])
      if (!reader) break
      const response = decodeFetchResponse(reader, 12)
      if (response.errorCode === ErrorCode.fetchSessionIdNotFound) {
        sessionEpoch = 0
        sessionId = 0
        continue
      }
      assert.equal(response.errorCode, 0)
      this.#take(response)
      sessionId = response.sessionId
      sessionEpoch = sessionId > 0 ? sessionEpoch + 1 : sessionEpoch < 0 ? -1 : 0
    }
    wire.close()
  }

  #wanted(partition: number, fetchOffset: number): Wanted {
    return { partition, fetchOffset, partitionMaxBytes: 100_000 }
  }

  #request(partitions: readonly Wanted[]): FetchRequestInput {
    return {
      maxWaitMs: 60_000,
      minBytes: this.#minBytes,
      maxBytes: 1_000_000,
      isolationLevel: this.#isCommitted ? 1 : 0,
      topics: partitions.length > 0 ? [{ topic: 'p', partitions: [...partitions] }] : [],
    }
  }

  #take({ responses }: ReturnType<typeof decodeFetchResponse>): void {
    for (const { partitionIndex, errorCode, records } of responses.flatMap((r) => r.partitions)) {
      assert.equal(errorCode, 0)
      for (const header of batchHeaders(records!)) {
        assert.ok(header.baseOffset <= this.offsets[partitionIndex]!, 'records were left out')
        this.offsets[partitionIndex] = Math.max(
          this.offsets[partitionIndex]!,
          header.lastOffset + 1,
        )
      }
    }
  }
}
