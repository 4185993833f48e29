import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadError, Reader, Writer } from '@khlong/core/bytes'
import { SeededRandom } from '@khlong/core/testing'
import { allApis, loadCodec } from '@khlong/kafka-protocol'
import * as consumerProtocol from '../../src/messages/generated/consumer-protocol.ts'
import * as endTxnMarker from '../../src/messages/generated/end-txn-marker.ts'
import * as groupMetadata from '../../src/messages/generated/group-metadata-record.ts'
import * as offsetCommit from '../../src/messages/generated/offset-commit-record.ts'
import * as transactionLog from '../../src/messages/generated/transaction-log-record.ts'
import { RandomReader } from './random-reader.ts'

interface Schema {
  readonly name: string
  readonly versions: readonly number[]
  readonly encode: (writer: Writer, value: never, version: number) => void
  readonly decode: (reader: Reader, version: number) => object
}

const range = (low: number, high: number): number[] =>
  Array.from({ length: high - low + 1 }, (_, index) => low + index)

async function allSchemas(): Promise<Schema[]> {
  const schemas: Schema[] = []
  for (const { key, name, minVersion, maxVersion } of allApis()) {
    const codec = await loadCodec(key)
    const versions = range(minVersion, maxVersion)
    schemas.push(
      {
        name: `${name}Request`,
        versions,
        encode: codec.encodeRequest,
        decode: codec.decodeRequest,
      },
      {
        name: `${name}Response`,
        versions,
        encode: codec.encodeResponse,
        decode: codec.decodeResponse,
      },
    )
  }
  const add = (
    name: string,
    last: number,
    encode: Schema['encode'],
    decode: Schema['decode'],
  ): void => {
    schemas.push({
      name,
      versions: range(name === 'OffsetCommitKey' ? 1 : 0, last),
      encode,
      decode,
    })
  }
  const c = consumerProtocol
  add('Subscription', 3, c.encodeConsumerProtocolSubscription, c.decodeConsumerProtocolSubscription)
  add('Assignment', 3, c.encodeConsumerProtocolAssignment, c.decodeConsumerProtocolAssignment)
  add('OffsetCommitKey', 1, offsetCommit.encodeOffsetCommitKey, offsetCommit.decodeOffsetCommitKey)
  add(
    'OffsetCommitValue',
    4,
    offsetCommit.encodeOffsetCommitValue,
    offsetCommit.decodeOffsetCommitValue,
  )
  const g = groupMetadata
  add('GroupMetadataKey', 2, g.encodeGroupMetadataKey, g.decodeGroupMetadataKey)
  add('GroupMetadataValue', 4, g.encodeGroupMetadataValue, g.decodeGroupMetadataValue)
  const t = transactionLog
  add('TransactionLogKey', 0, t.encodeTransactionLogKey, t.decodeTransactionLogKey)
  add('TransactionLogValue', 1, t.encodeTransactionLogValue, t.decodeTransactionLogValue)
  add('EndTxnMarker', 0, endTxnMarker.encodeEndTxnMarker, endTxnMarker.decodeEndTxnMarker)
  return schemas
}

const schemas = await allSchemas()

test('every message of every API comes back from its bytes at every version', () => {
  let messageCount = 0
  const writer = new Writer(1024)
  for (const { name, versions, encode, decode } of schemas)
    for (const version of versions)
      for (let seed = 1; seed <= 12; seed++) {
        const value = decode(new RandomReader(seed * 7919 + version), version)
        writer.reset()
        encode(writer, value as never, version)
        const reader = new Reader(writer.bytes())
        const again = decode(reader, version)
        reader.finish()
        assert.deepEqual(again, value, `${name} version ${version} seed ${seed}`)
        messageCount++
      }
  assert.ok(messageCount > 4000, `${messageCount} messages`)
})

test('a message cut anywhere, or with bytes changed, gives a value or one typed error', () => {
  const random = new SeededRandom(20_260_131)
  const writer = new Writer(1024)
  for (const { name, versions, encode, decode } of schemas)
    for (const version of versions) {
      writer.reset()
      encode(writer, decode(new RandomReader(version + 3), version) as never, version)
      const whole = writer.copy()
      for (let round = 0; round < 6; round++) {
        const bytes = Buffer.from(whole)
        for (let flips = round % 3; flips > 0 && bytes.length > 0; flips--)
          bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256)
        const reader = new Reader(bytes, 0, Math.floor(random.next() * (bytes.length + 1)))
        decode(reader, version)
        try {
          reader.finish()
        } catch (error) {
          assert.ok(error instanceof ReadError, `${name} version ${version}: ${error}`)
        }
      }
    }
})

test('arbitrary bytes never crash a decoder and never make it allocate beyond their length', () => {
  const random = new SeededRandom(7)
  for (const { name, versions, decode } of schemas)
    for (const version of versions) {
      const bytes = random.bytes(Math.floor(random.next() * 200))
      if (random.next() < 0.5) bytes.fill(0xff, 0, Math.min(5, bytes.length))
      const elements = countValues(decode(new Reader(bytes), version))
      assert.ok(elements < 20_000, `${name} version ${version}: ${elements} values`)
    }
})

function countValues(value: unknown): number {
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return 1
  let count = 1
  for (const inner of Object.values(value)) count += countValues(inner)
  return count
}
