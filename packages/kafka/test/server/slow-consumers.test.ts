import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { Writer } from '@khlong/core/bytes'
import { ApiKey, beginFrame, encodeRequestHeader, endFrame } from '@khlong/kafka-protocol'
import { decodeFetchResponse, encodeFetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import { encodeProduceRequest } from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import { AnswerBudget } from '../../src/server/answer-budget.ts'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

const mebibyte = 1024 * 1024
const batches = 96
const batchBytes = mebibyte / 4
const connections = 1_000

test('a thousand consumers that take nothing hold bounded memory, and one that does is served', async (t) => {
  const { address } = await startBroker(t, { 'ack.flush': 'none' })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'large', 1)
  for (let index = 0; index < batches; index++) await produce(wire, batchBytes - 1_000)
  const before = process.memoryUsage().arrayBuffers
  const slow: Socket[] = []
  t.after(() => {
    for (const socket of slow) socket.destroy()
  })
  while (slow.length < connections)
    slow.push(...(await Promise.all(Array.from({ length: 100 }, () => openSlow(address)))))
  const request = fetchRequest()
  // Each asks for all of it, eight times, and never reads: 190 GB if all of it were held.
  for (const socket of slow) for (let turn = 0; turn < 8; turn++) socket.write(request)
  let most = 0
  let turnsWithoutMore = 0
  // Until the broker has read what it will read of them: then nothing grows any more.
  while (turnsWithoutMore < 50) {
    const reader = await wire.send(ApiKey.fetch, 11, (writer) =>
      encodeFetchRequest(writer, fetchBody, 11),
    )
    const [partition] = decodeFetchResponse(reader, 11).responses[0]!.partitions
    assert.ok(partition!.records!.byteLength > 0)
    const held = process.memoryUsage().arrayBuffers - before
    turnsWithoutMore = held > most ? 0 : turnsWithoutMore + 1
    most = Math.max(most, held)
  }
  // The budget, and one batch for each connection, which nobody is refused.
  assert.ok(most < 650 * mebibyte, `${Math.round(most / mebibyte)} MiB`)
})

test('answers get smaller while much is held, down to what is never refused', () => {
  const budget = new AnswerBudget(1_000_000)
  assert.equal(budget.answerBytesMax, 250_000)
  budget.hold(600_000)
  assert.equal(budget.answerBytesMax, 100_000)
  budget.hold(5_000_000)
  assert.equal(budget.answerBytesMax, 65_536)
  budget.release(5_600_000)
  assert.equal(budget.answerBytesMax, 250_000)
  assert.equal(budget.heldBytes, 0)
})

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
