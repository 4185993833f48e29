import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '@khlong/core'
import { Writer } from '@khlong/core/bytes'
import { SeededRandom } from '@khlong/core/testing'
import {
  ApiKey,
  apiInfo,
  beginFrame,
  encodeRequestHeader,
  endFrame,
  loadCodec,
} from '@khlong/kafka-protocol'
import { startBroker } from '../helpers.ts'
import { questions } from '../security/acl-questions.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

// Requests that are nearly right reach deeper than random bytes: each API in each version, with bytes
// changed, cut out and doubled. The broker answers, or closes the connection with a reason of its own.

/** What an attacker would write into a length, a count, or a number of partitions. */
const numbers = [-1, 0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, -0x8000_0000]

for (const seed of [1, 2, 3])
  test(`requests with changed bytes are answered or refused, and break nothing, seed ${seed}`, async (t) => {
    const random = new SeededRandom(seed)
    const errors: unknown[] = []
    const nothing = (): void => {}
    const logger: Logger = {
      trace: nothing,
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (fields, message) => errors.push([message, fields]),
    }
    const { address, broker } = await startBroker(t, {}, { logger })
    const good = await Wire.open(address)
    t.after(() => good.close())
    for (const name of ['one', 'two']) await createTopic(good, name, 1)
    // All stay open until the end, for some are answered late and some never.
    for (const frame of await framesOf()) {
      const wire = await Wire.open(address)
      t.after(() => wire.close())
      wire.socket.removeAllListeners('data')
      wire.socket.resume()
      wire.socket.write(mutated(frame, random))
      await good.send(ApiKey.apiVersions, 0, () => {})
    }
    await createTopic(good, 'last', 1)
    await broker.stop()
    assert.deepEqual(errors, [])
  })

/** Every question in every version that can be written of it. */
async function framesOf(): Promise<Buffer[]> {
  const frames: Buffer[] = []
  for (const { key, request } of Object.values(questions)) {
    const codec = await loadCodec(key)
    const { minVersion, maxVersion } = apiInfo(key)!
    for (let version = minVersion; version <= maxVersion; version++) {
      const writer = new Writer()
      const start = beginFrame(writer)
      const header = { apiKey: key, apiVersion: version, correlationId: 1, clientId: 'mutant' }
      encodeRequestHeader(writer, header)
      try {
        codec.encodeRequest(writer, request('User:mutant'), version)
      } catch {
        // The question says less than this version asks for.
        continue
      }
      endFrame(writer, start)
      frames.push(writer.copy())
    }
  }
  return frames
}

function mutated(frame: Buffer, random: SeededRandom): Buffer {
  const bytes = Buffer.from(frame.subarray(4))
  const at = (room: number): number => 8 + Math.floor(random.next() * (bytes.byteLength - 8 - room))
  let changed: Buffer = bytes
  for (let count = 1 + random.next() * 3; count > 0; count--) {
    const kind = random.next()
    const number = numbers[Math.floor(random.next() * numbers.length)]!
    if (kind < 0.4) bytes[at(1)] = random.next() * 256
    else if (kind < 0.7 && bytes.byteLength > 20) bytes.writeInt32BE(number | 0, at(4))
    else if (kind < 0.8 && bytes.byteLength > 20) bytes.writeInt16BE((number << 16) >> 16, at(2))
    else if (kind < 0.9) changed = bytes.subarray(0, at(1))
    else changed = Buffer.concat([bytes.subarray(0, at(1)), bytes])
  }
  const length = Buffer.alloc(4)
  length.writeInt32BE(changed.byteLength)
  return Buffer.concat([length, changed])
}
