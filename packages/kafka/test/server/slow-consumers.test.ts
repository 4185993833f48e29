import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Reader, Writer } from '@khlong/core/bytes'
import { eventually, FakeClock } from '@khlong/core/testing'
import { ApiKey, beginFrame, encodeRequestHeader, endFrame } from '@khlong/kafka-protocol'
import { decodeFetchResponse, encodeFetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import { encodeProduceRequest } from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import type { KafkaBroker } from '../../src/index.ts'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

const mebibyte = 1024 * 1024
const budgetBytes = 4 * mebibyte
const stalledMs = 30_000

test('what slow consumers hold stays below queued.max.response.bytes, and ends for those who wait', async (t) => {
  const clock = new FakeClock(Date.now())
  const settings = { 'ack.flush': 'none', 'queued.max.response.bytes': budgetBytes } as const
  const { address, broker } = await startBroker(t, settings, { clock })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'large', 1)
  // Batches of nearly 1 MiB, of which everybody is given one whatever he asks for.
  for (let index = 0; index < 12; index++) await produce(wire, mebibyte - 10_000)
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  const held = (): number => {
    const bytes = metric(broker, 'khlong_kafka_answer_bytes')
    assert.ok(bytes <= budgetBytes, `${bytes} bytes of answers`)
    return bytes
  }
  const slow = await Promise.all(Array.from({ length: 40 }, () => openSlow(address)))
  let closed = 0
  for (const socket of slow) socket.on('close', () => closed++)
  t.after(() => {
    for (const socket of slow) socket.destroy()
  })
  // Each asks for all of it, twenty times, and never reads: 9.6 GB if all of it were held.
  const request = fetchRequest()
  for (const socket of slow) for (let turn = 0; turn < 20; turn++) socket.write(request)
  // Until nothing is left for the next one; what the kernel takes is nobody's.
  await eventually(() => {
    held()
    assert.ok(metric(broker, 'khlong_kafka_answers_waiting') > 0)
  }, 60_000)
  await eventually(() => {
    collectGarbage()
    const bytes = process.memoryUsage().arrayBuffers - before
    assert.ok(bytes < 2 * budgetBytes, `${bytes} bytes in memory`)
  })
  // Others that fetch nothing are served all the same.
  const other = await Wire.open(address)
  t.after(() => other.close())
  await other.send(ApiKey.apiVersions, 0, () => {})
  // Who reads is answered without records when his wait for memory is over, and with some when others were cut.
  let waitedMs = 0
  for (let bytes = 0; bytes === 0; ) {
    let answer: Reader | undefined
    void wire
      .send(ApiKey.fetch, 11, (writer) => encodeFetchRequest(writer, fetchBody, 11))
      .then((reader) => {
        answer = reader
      })
    while (!answer) {
      assert.ok(waitedMs < 10 * stalledMs, 'the quick one was not served')
      clock.advance(1_000)
      waitedMs += 1_000
      for (let turn = 0; turn < 20 && !answer; turn++) {
        held()
        await new Promise(setImmediate)
      }
    }
    const [partition] = decodeFetchResponse(answer, 11).responses[0]!.partitions
    assert.equal(partition!.errorCode, 0)
    bytes = partition!.records!.byteLength
  }
  for (const socket of slow) socket.resume()
  await eventually(() => assert.ok(closed > 0, 'nobody was cut'))
  for (const socket of slow) socket.destroy()
  await eventually(() => assert.equal(metric(broker, 'khlong_kafka_answer_bytes'), 0))
})

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

function metric(broker: KafkaBroker, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(broker.metrics())?.[1])
}

const fetchBody = {
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 50 * mebibyte,
  topics: [
    {
      topic: 'large',
      partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50 * mebibyte }],
    },
  ],
}

function fetchRequest(): Buffer {
  const writer = new Writer()
  const start = beginFrame(writer)
  const header = { apiKey: ApiKey.fetch, apiVersion: 11, correlationId: 1, clientId: 'slow' }
  encodeRequestHeader(writer, header)
  encodeFetchRequest(writer, fetchBody, 11)
  endFrame(writer, start)
  return writer.copy()
}

async function openSlow(address: string): Promise<Socket> {
  const [host = '', port = ''] = address.split(':')
  const socket = connect(Number(port), host)
  socket.on('error', () => {})
  socket.pause()
  await once(socket, 'connect')
  return socket
}

async function produce(wire: Wire, valueBytes: number): Promise<void> {
  const builder = new BatchBuilder({})
  builder.append(null, Buffer.alloc(valueBytes, 1), [], Date.now())
  const records = builder.build()
  await wire.send(ApiKey.produce, 9, (writer) =>
    encodeProduceRequest(
      writer,
      {
        acks: -1,
        timeoutMs: 30_000,
        topicData: [{ name: 'large', partitionData: [{ index: 0, records }] }],
      },
      9,
    ),
  )
}
