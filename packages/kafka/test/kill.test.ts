import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { SeededRandom } from '@khlong/core/testing'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import { encodeCreateTopicsRequest } from '@khlong/kafka-protocol/messages/create-topics'
import { decodeFetchResponse, encodeFetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import {
  decodeOffsetCommitResponse,
  encodeOffsetCommitRequest,
} from '@khlong/kafka-protocol/messages/offset-commit'
import {
  decodeOffsetFetchResponse,
  encodeOffsetFetchRequest,
} from '@khlong/kafka-protocol/messages/offset-fetch'
import {
  decodeProduceResponse,
  encodeProduceRequest,
} from '@khlong/kafka-protocol/messages/produce'
import {
  BatchBuilder,
  batchHeaders,
  checkBatch,
  decodeRecordsOf,
} from '@khlong/kafka-protocol/records'
import { dataFolder } from './helpers.ts'
import { startChild } from './killable.ts'
import { Wire } from './wire.ts'

const rounds = Number(process.env.KHLONG_KILL_ROUNDS ?? 4)
const partitions = 6
const seed = Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000)

/** One idempotent producer: a batch at a time to each partition, values counted for each. */
class Load {
  /** By partition: how many records were acknowledged. */
  readonly acknowledged: number[] = Array(partitions).fill(0)
  readonly producerId: bigint
  committed = 0
  #sequences: number[] = Array(partitions).fill(0)

  constructor(producerId: bigint) {
    this.producerId = producerId
  }

  async run(wire: Wire, random: SeededRandom): Promise<void> {
    const state = { isClosed: false }
    void wire.closed.then(() => {
      state.isClosed = true
    })
    const lost = new Promise<'lost'>((resolve) => void wire.closed.then(() => resolve('lost')))
    while (!state.isClosed) {
      const chosen = Array.from({ length: partitions }, (_, index) => index).filter(
        () => random.next() < 0.7,
      )
      if (chosen.length === 0) continue
      const counts = chosen.map(() => 1 + Math.floor(random.next() * 5))
      const answer = wire
        .send(ApiKey.produce, 9, (writer) =>
          encodeProduceRequest(
            writer,
            {
              acks: -1,
              timeoutMs: 5_000,
              topicData: [
                {
                  name: 'load',
                  partitionData: chosen.map((index, at) => ({
                    index,
                    records: this.#batch(index, counts[at]!),
                  })),
                },
              ],
            },
            9,
          ),
        )
        .then((reader) => decodeProduceResponse(reader, 9))
      const response = await Promise.race([answer, lost])
      if (response === 'lost') return
      for (const { index, errorCode } of response.responses[0]!.partitionResponses) {
        assert.equal(errorCode, ErrorCode.none)
        const count = counts[chosen.indexOf(index)]!
        this.acknowledged[index]! += count
        this.#sequences[index]! += count
      }
      const commit = wire
        .send(ApiKey.offsetCommit, 8, (writer) =>
          encodeOffsetCommitRequest(
            writer,
            {
              groupId: 'group',
              generationIdOrMemberEpoch: -1,
              memberId: '',
              topics: [
                {
                  name: 'load',
                  partitions: [
                    {
                      partitionIndex: 0,
                      committedOffset: this.committed + 1,
                      committedMetadata: null,
                    },
                  ],
                },
              ],
            },
            8,
          ),
        )
        .then((reader) => decodeOffsetCommitResponse(reader, 8))
      const committed = await Promise.race([commit, lost])
      if (committed === 'lost') return
      assert.equal(committed.topics[0]?.partitions[0]?.errorCode, ErrorCode.none)
      this.committed++
    }
  }

  #batch(partition: number, count: number): Buffer {
    const builder = new BatchBuilder({
      producerId: this.producerId,
      producerEpoch: 0,
      baseSequence: this.#sequences[partition]!,
    })
    for (let index = 0; index < count; index++)
      builder.append(
        null,
        `${this.producerId}/${this.acknowledged[partition]! + index}`,
        [],
        Date.now(),
      )
    return builder.build()
  }
}

async function readAll(wire: Wire, partition: number): Promise<string[]> {
  const values: string[] = []
  for (let offset = 0; ; ) {
    const reader = await wire.send(ApiKey.fetch, 11, (writer) =>
      encodeFetchRequest(
        writer,
        {
          maxWaitMs: 0,
          minBytes: 1,
          topics: [
            {
              topic: 'load',
              partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 100_000 }],
            },
          ],
        },
        11,
      ),
    )
    const found = decodeFetchResponse(reader, 11).responses[0]!.partitions[0]!
    assert.equal(found.errorCode, ErrorCode.none)
    const bytes = found.records!
    if (bytes.byteLength === 0) return values
    for (const header of batchHeaders(bytes)) {
      checkBatch(bytes, header)
      for (const record of decodeRecordsOf(bytes, header)) {
        assert.equal(record.offset, values.length)
        values.push(String(record.value))
      }
      offset = header.lastOffset + 1
    }
  }
}

test(`nothing acknowledged is lost, doubled or out of order after kill -9, seed ${seed}`, async (t) => {
  const random = new SeededRandom(seed)
  const data = dataFolder()
  const loads: Load[] = []
  for (let round = 0; round < rounds; round++) {
    const child = await startChild(t, data)
    const wire = await Wire.open(child.address)
    if (round === 0)
      await wire.send(ApiKey.createTopics, 5, (writer) =>
        encodeCreateTopicsRequest(
          writer,
          {
            topics: [
              {
                name: 'load',
                numPartitions: partitions,
                replicationFactor: 1,
                assignments: [],
                configs: [],
              },
            ],
            timeoutMs: 5_000,
          },
          5,
        ),
      )
    const load = new Load(BigInt(1_000 + round))
    loads.push(load)
    if (round > 0) load.committed = loads[round - 1]!.committed
    const running = load.run(wire, random)
    await pause(100 + random.next() * 300)
    child.process.kill('SIGKILL')
    await once(child.process, 'exit')
    await running
  }
  const child = await startChild(t, data)
  const wire = await Wire.open(child.address)
  let total = 0
  for (let partition = 0; partition < partitions; partition++) {
    const values = await readAll(wire, partition)
    for (const { producerId, acknowledged } of loads) {
      const own = values.filter((value) => value.startsWith(`${producerId}/`))
      // The last batch may be there without its acknowledgement; nothing may be missing or twice.
      assert.deepEqual(
        own,
        own.map((_, index) => `${producerId}/${index}`),
      )
      const count = acknowledged[partition]!
      assert.ok(own.length >= count && own.length <= count + 5, `${own.length} of ${count}`)
      total += count
    }
  }
  const reader = await wire.send(ApiKey.offsetFetch, 7, (writer) =>
    encodeOffsetFetchRequest(
      writer,
      { groupId: 'group', topics: [{ name: 'load', partitionIndexes: [0] }] },
      7,
    ),
  )
  const offset =
    decodeOffsetFetchResponse(reader, 7).topics[0]?.partitions[0]?.committedOffset ?? -1
  const { committed } = loads.at(-1)!
  assert.ok(offset === committed || offset === committed + 1, `${offset} of ${committed}`)
  assert.ok(total > 0)
  wire.close()
  child.process.kill('SIGKILL')
  await once(child.process, 'exit')
})
