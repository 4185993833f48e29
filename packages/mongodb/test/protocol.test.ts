import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { crc32c } from '@khlong/core/bytes'
import { deserialize, serialize } from 'bson'
import fc from 'fast-check'
import { validateDocument } from '../src/bson/validate.ts'
import { MongoError } from '../src/index.ts'
import { decodeMessage } from '../src/protocol/message.ts'
import { startServer } from './helpers.ts'

function opMsg(flags: number, sections: Buffer, withChecksum = false): Buffer {
  const size = 20 + sections.length + (withChecksum ? 4 : 0)
  const message = Buffer.alloc(size)
  message.writeInt32LE(size, 0)
  message.writeInt32LE(7, 4)
  message.writeInt32LE(2013, 12)
  message.writeUInt32LE(flags, 16)
  sections.copy(message, 20)
  if (withChecksum) message.writeUInt32LE(crc32c(message.subarray(0, size - 4)), size - 4)
  return message
}

const body = (document: object): Buffer => Buffer.concat([Buffer.from([0]), serialize(document)])

async function ask(socket: net.Socket, message: Buffer): Promise<Buffer> {
  socket.write(message)
  let reply = Buffer.alloc(0)
  while (reply.length < 16 || reply.length < reply.readInt32LE(0))
    reply = Buffer.concat([reply, (await once(socket, 'data'))[0] as Buffer])
  return reply
}

test('OP_MSG with a checksum, in pieces, and OP_QUERY for the handshake', async (t) => {
  const { server } = await startServer(t)
  const port = Number(server.addresses.mongodb!.split(':')[1])
  const socket = net.connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const message = opMsg(1, body({ ping: 1, $db: 'admin' }), true)
  socket.write(message.subarray(0, 9))
  await new Promise(setImmediate)
  const reply = await ask(socket, message.subarray(9))
  assert.equal(reply.readInt32LE(8), 7)
  assert.deepEqual(deserialize(reply.subarray(21)), { ok: 1 })
  const document = serialize({ isMaster: 1, helloOk: true })
  const name = Buffer.from('admin.$cmd\0')
  const query = Buffer.alloc(20 + name.length + 8)
  query.writeInt32LE(query.length + document.length, 0)
  query.writeInt32LE(2004, 12)
  name.copy(query, 20)
  query.writeInt32LE(-1, 20 + name.length + 4)
  const hello = await ask(socket, Buffer.concat([query, document]))
  assert.equal(hello.readInt32LE(12), 1)
  const answer = deserialize(hello.subarray(36))
  assert.equal(answer.ismaster, true)
  assert.equal(answer.helloOk, true)
})

test('a wrong checksum, an unknown flag, compression and a length too large close the connection', async (t) => {
  const { server } = await startServer(t)
  const port = Number(server.addresses.mongodb!.split(':')[1])
  const wrongSum = opMsg(1, body({ ping: 1 }), true)
  wrongSum[wrongSum.length - 1]! ^= 1
  const compressed = opMsg(0, body({ ping: 1 }))
  compressed.writeInt32LE(2012, 12)
  const large = Buffer.alloc(16)
  large.writeInt32LE(48_000_001, 0)
  for (const message of [wrongSum, opMsg(8, body({ ping: 1 })), compressed, large]) {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(message)
    await once(socket, 'close')
  }
})

test('no bytes make the decoder crash, hang or read beyond its end', () => {
  const seeds = [
    opMsg(
      0,
      Buffer.concat([body({ insert: 'x', $db: 'y', a: [1, { b: 'c' }, /x/i], d: new Date() })]),
    ),
    opMsg(1, body({ ping: 1 }), true),
  ]
  const attempt = (message: Buffer): void => {
    try {
      decodeMessage(message)
    } catch (error) {
      assert.ok(error instanceof MongoError, String(error))
    }
  }
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
      fc.nat(120),
      (seed, changes, cut) => {
        const message = Buffer.from(
          seed.subarray(0, Math.max(16, seed.length - (cut % 40 === 0 ? cut : 0))),
        )
        for (const [at, byte] of changes) message[12 + (at % (message.length - 12))] = byte
        attempt(message)
      },
    ),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const document = Buffer.concat([Buffer.alloc(4), bytes, Buffer.alloc(1)])
      document.writeInt32LE(document.length, 0)
      try {
        assert.equal(validateDocument(document, 0, document.length), document.length)
        deserialize(document)
      } catch (error) {
        // What we take for well-formed the reference library can read, except for what it checks beyond.
        if (!(error instanceof MongoError))
          assert.match(String(error), /BSON|utf|Invalid|regular|supported/i)
      }
    }),
    { numRuns: 2_000 },
  )
})
