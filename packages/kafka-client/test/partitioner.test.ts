import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyPartition, murmur2 } from '@khlong/kafka-client'

// From org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1, over the text's UTF-8.
const vectors: readonly (readonly [string, number])[] = [
  ['', 275646681],
  ['a', -1563381124],
  ['ab', 316155434],
  ['abc', 479470107],
  ['abcd', -1323649548],
  ['21', -973932308],
  ['foobar', -790332482],
  ['12434345', 432752070],
  ['21321434', -1035132525],
  ['43245253', -177996022],
  ['คลอง', 1294272206],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
]

test('murmur2 gives what the Java client gives', () => {
  for (const [text, hash] of vectors) assert.equal(murmur2(Buffer.from(text)), hash, text)
})

test('text and its UTF-8 bytes have the same partition, which is that of the Java producer', () => {
  for (const [text, hash] of vectors)
    for (const count of [1, 3, 6, 50]) {
      assert.equal(keyPartition(text, count), (hash & 0x7fff_ffff) % count)
      assert.equal(keyPartition(Buffer.from(text), count), keyPartition(text, count))
    }
  const long = 'คลอง'.repeat(500)
  assert.equal(keyPartition(long, 6), keyPartition(Buffer.from(long), 6))
})
