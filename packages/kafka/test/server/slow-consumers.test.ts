import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { Writer } from '@khlong/core/bytes'
import { eventually } from '@khlong/core/testing'
import { ApiKey, beginFrame, encodeRequestHeader, endFrame } from '@khlong/kafka-protocol'
import { decodeFetchResponse, encodeFetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import { encodeProduceRequest } from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import { AnswerBudget } from '../../src/server/answer-budget.ts'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

const mebibyte = 1024 * 1024
const batches = 24
const connections = 200

test('two hundred consumers that take nothing hold bounded memory, and one that does is served', async (t) => {
  const { address } = await startBroker(t, { 'ack.flush': 'none' })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'large', 1)
  for (let index = 0; index < batches; index++) await produce(wire, mebibyte - 1_000)
  const before = process.memoryUsage().arrayBuffers
  const slow = await Promise.all(Array.from({ length: connections }, () => openSlow(address)))
  t.after(() => {
    for (const socket of slow) socket.destroy()
  })
  const request = fetchRequest()
  // Each asks for all of them, three times, and never reads: 14 GB if all of it were held.
  for (const socket of slow) for (let turn = 0; turn < 3; turn++) socket.write(request)
  let most = 0
  await eventually(async () => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    const reader = await wire.send(ApiKey.fetch, 11, (writer) =>
      encodeFetchRequest(writer, fetchBody, 11),
    )
    const [partition] = decodeFetchResponse(reader, 11).responses[0]!.partitions
    assert.ok(partition!.records!.byteLength > 0)
    // All have been asked: the broker has read what it will read of them.
    assert.ok(slow.every((socket) => socket.writableLength === 0))
  }, 60_000)
  most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  // The budget, and one batch for each connection, which nobody is refused.
  assert.ok(most < 900 * mebibyte, `${Math.round(most / mebibyte)} MiB`)
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
