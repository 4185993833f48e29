import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Writer } from '@khlong/core/bytes'
import { SeededRandom } from '@khlong/core/testing'
import { ApiKey, beginFrame, encodeRequestHeader, endFrame } from '@khlong/kafka-protocol'
import { decodeFetchResponse, encodeFetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import { encodeProduceRequest } from '@khlong/kafka-protocol/messages/produce'
import {
  BatchBuilder,
  batchHeaders,
  checkBatch,
  decodeRecordsOf,
} from '@khlong/kafka-protocol/records'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

// Requests and answers lie in memory that is used again. Given-back memory is overwritten in tests, so whoever gives
// it back too early is seen by a checksum, or by a record that is another's.

const partitions = 3

for (const flush of ['none', 'all', 'leader'] as const)
  test(`memory is another’s only when nobody needs it, with ack.flush=${flush}`, async (t) => {
    const { address } = await startBroker(t, { 'ack.flush': flush })
    const random = new SeededRandom(7)
    const below = (limit: number): number => Math.floor(random.next() * limit)
    const wire = await Wire.open(address)
    t.after(() => wire.close())
    await createTopic(wire, 'lent', partitions)

    let sequence = 0
    const send = async (acks: number): Promise<void> => {
      const partitionData = Array.from({ length: partitions }, (_, index) => {
        const builder = new BatchBuilder({})
        const value = Buffer.alloc(1_000 + below(60_000), sequence % 250)
        builder.append(Buffer.from(`${sequence++}`), value, [], Date.now())
        return { index, records: builder.build() }
      })
      const request = { acks, timeoutMs: 30_000, topicData: [{ name: 'lent', partitionData }] }
      const body = (writer: Writer): void => encodeProduceRequest(writer, request, 9)
      if (acks !== 0) await wire.send(ApiKey.produce, 9, body)
      else wire.socket.write(frameOf(ApiKey.produce, 9, body))
    }

    const fetch = (index: number, fetchOffset: number) => (writer: Writer) =>
      encodeFetchRequest(
        writer,
        {
          maxWaitMs: 100,
          minBytes: 1,
          maxBytes: 1 << 20,
          topics: [
            {
              topic: 'lent',
              partitions: [{ partition: index, fetchOffset, partitionMaxBytes: 200_000 }],
            },
          ],
        },
        11,
      )
    const leave = async (): Promise<void> => {
      const [host = '', port = ''] = address.split(':')
      const socket = connect(Number(port), host).on('error', () => {})
      await once(socket, 'connect')
      for (let turn = 0; turn < 5; turn++)
        socket.write(frameOf(ApiKey.fetch, 11, fetch(below(partitions), below(20))))
      if (random.next() < 0.5) await once(socket, 'data')
      socket.destroy()
    }

    const check = (records: Buffer): void => {
      for (const header of batchHeaders(records)) {
        checkBatch(records, header)
        for (const { key, value } of decodeRecordsOf(records, header)) {
          const number = Number(key)
          assert.ok(value!.every((byte) => byte === number % 250))
          seen.add(number)
        }
      }
    }

    /** Asks for more than the system takes for it, and reads when others were served meanwhile. */
    const readLate = async (others: Promise<unknown>): Promise<void> => {
      const late = await Wire.open(address)
      late.socket.pause()
      const answers = Array.from({ length: 40 }, () =>
        late.send(ApiKey.fetch, 11, fetch(below(partitions), below(5))),
      )
      await others
      late.socket.resume()
      for (const answer of answers)
        check(decodeFetchResponse(await answer, 11).responses[0]!.partitions[0]!.records!)
      late.close()
    }

    const offsets = Array.from({ length: partitions }, () => 0)
    const seen = new Set<number>()
    const read = async (index: number): Promise<void> => {
      const reader = await wire.send(ApiKey.fetch, 11, fetch(index, offsets[index]!))
      const { records } = decodeFetchResponse(reader, 11).responses[0]!.partitions[0]!
      check(records!)
      for (const { lastOffset } of batchHeaders(records!)) offsets[index] = lastOffset + 1
    }

    for (let round = 0; round < 40; round++) {
      const all = Promise.all([
        ...[0, 1, -1].map(send),
        leave(),
        ...offsets.map((_, index) => read(index)),
      ])
      await (round % 8 === 7 ? readLate(all) : all)
    }
    // What was sent last is behind what was sent before.
    await send(-1)
    for (let before = -1; before < seen.size; ) {
      before = seen.size
      for (let index = 0; index < partitions; index++) await read(index)
    }
    assert.equal(seen.size, sequence)
  })

function frameOf(apiKey: number, apiVersion: number, body: (writer: Writer) => void): Buffer {
  const writer = new Writer()
  const start = beginFrame(writer)
  encodeRequestHeader(writer, { apiKey, apiVersion, correlationId: 1, clientId: 'lent' })
  body(writer)
  endFrame(writer, start)
  return writer.copy()
}
