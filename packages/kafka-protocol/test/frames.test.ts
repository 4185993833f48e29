import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader, Writer } from '@khlong/core/bytes'
import {
  ApiKey,
  allApis,
  allErrors,
  apiInfo,
  beginFrame,
  decodeRequestHeader,
  decodeResponseHeaderRest,
  encodeRequestHeader,
  encodeResponseHeader,
  endFrame,
  errorInfo,
  FrameSplitter,
  responseHeaderVersion,
} from '@khlong/kafka-protocol'
import {
  decodeApiVersionsRequest,
  encodeApiVersionsRequest,
} from '@khlong/kafka-protocol/messages/api-versions'
import { encodeJoinGroupRequest } from '@khlong/kafka-protocol/messages/join-group'

test('the headers of every API and version come back', () => {
  for (const { key, minVersion, maxVersion } of allApis())
    for (let version = minVersion; version <= maxVersion; version++) {
      const header = { apiKey: key, apiVersion: version, correlationId: 77, clientId: 'sensor' }
      const writer = new Writer()
      encodeRequestHeader(writer, header)
      const reader = new Reader(writer.bytes())
      assert.deepEqual(decodeRequestHeader(reader), header)
      reader.finish()
      writer.reset()
      encodeResponseHeader(writer, key, version, 77)
      const answer = new Reader(writer.bytes())
      assert.equal(answer.int32(), 77)
      decodeResponseHeaderRest(answer, key, version)
      answer.finish()
    }
})

test('the response header of ApiVersions stays the oldest [KIP-511]', () => {
  assert.equal(responseHeaderVersion(ApiKey.apiVersions, 4), 0)
  assert.equal(responseHeaderVersion(ApiKey.metadata, 9), 1)
  assert.equal(responseHeaderVersion(ApiKey.metadata, 8), 0)
})

test('an ApiVersions request has the bytes that kafka-clients 4.3.1 sends', () => {
  // Captured: header 2 (key 18, version 4, correlation 0, client id "a"), name and version compact.
  const bytes = Buffer.from(
    `0012000400000000000161${'00'}${'12'}${Buffer.from('apache-kafka-java').toString('hex')}${'06'}${Buffer.from('4.3.1').toString('hex')}00`,
    'hex',
  )
  const reader = new Reader(bytes)
  const header = decodeRequestHeader(reader)
  assert.deepEqual(header, { apiKey: 18, apiVersion: 4, correlationId: 0, clientId: 'a' })
  const request = decodeApiVersionsRequest(reader, 4)
  reader.finish()
  assert.equal(request.clientSoftwareName, 'apache-kafka-java')
  const writer = new Writer()
  encodeRequestHeader(writer, header)
  encodeApiVersionsRequest(writer, request, 4)
  assert.deepEqual(writer.copy(), bytes)
})

test('the ranges that Kafka 4.2 advertises differ from the codecs only where they must', () => {
  assert.deepEqual(
    allApis()
      .filter((api) => api.advertisedMin !== api.minVersion || api.advertisedMax !== api.maxVersion)
      .map((api) => `${api.name} ${api.advertisedMin}-${api.advertisedMax}`),
    ['Produce 0-13', 'InitProducerId 0-5', 'DescribeLogDirs 1-4'],
  )
  assert.equal(apiInfo(4), undefined)
})

test('a field that a version has no place for is refused and not dropped', () => {
  const request = {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    memberId: '',
    groupInstanceId: 'sensor-1',
    protocolType: 'consumer',
    protocols: [],
  }
  assert.throws(() => encodeJoinGroupRequest(new Writer(), request, 4), {
    code: 'KAFKA_PROTOCOL_UNSUPPORTED_FIELD',
    message: /JoinGroupRequest\.groupInstanceId cannot be sent in version 4/,
  })
  encodeJoinGroupRequest(new Writer(), request, 5)
})

test('every error has a name, a code of its own and a message', () => {
  const errors = allErrors()
  assert.equal(new Set(errors.map((error) => error.code)).size, errors.length)
  assert.equal(new Set(errors.map((error) => error.name)).size, errors.length)
  assert.ok(errors.every((error) => error.message !== '' && /^[A-Z_]+$/.test(error.name)))
  assert.deepEqual(errorInfo(6), {
    code: 6,
    name: 'NOT_LEADER_OR_FOLLOWER',
    retriable: true,
    staleMetadata: true,
    message: 'the broker is not the leader of this partition, or not a replica of it',
  })
  assert.equal(errorInfo(9999).name, 'ERROR_9999')
})

test('a stream cut at every byte gives the same frames', () => {
  const writer = new Writer()
  const contents = ['', 'a', 'bb', 'c'.repeat(300), '']
  for (const content of contents) {
    const start = beginFrame(writer)
    writer.utf8(content)
    endFrame(writer, start)
  }
  const stream = writer.copy()
  for (let size = 1; size <= stream.byteLength; size++) {
    let copiedBytes = 0
    const splitter = new FrameSplitter({
      bytesMax: 1000,
      onCopied: (piece) => {
        copiedBytes += piece.byteLength
        // Whose memory it is may use it for something else from now on.
        piece.fill(0xdb)
      },
    })
    const frames: string[] = []
    for (let at = 0; at < stream.byteLength; at += size) {
      splitter.push(Buffer.from(stream.subarray(at, at + size)))
      while (splitter.nextLength !== undefined) frames.push(splitter.take().toString())
    }
    assert.deepEqual(frames, contents)
    assert.equal(splitter.bufferedBytes, 0)
    assert.equal(copiedBytes, stream.byteLength)
  }
})

test('the API key of a request is known before it is taken, wherever it was cut', () => {
  const stream = Buffer.from([0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 1, 9])
  for (let cut = 0; cut <= stream.byteLength; cut++) {
    const splitter = new FrameSplitter({ bytesMax: 1000 })
    splitter.push(stream.subarray(0, cut))
    assert.equal(splitter.nextApiKey, cut < 7 ? -1 : 0x0102)
    splitter.push(stream.subarray(cut))
    assert.equal(splitter.nextApiKey, 0x0102)
    assert.deepEqual([...splitter.take()], [1, 2, 3])
    assert.equal(splitter.nextApiKey, -1)
    assert.deepEqual([...splitter.take(Buffer.alloc(1))], [9])
    assert.throws(() => splitter.take(), /no frame is there/)
  }
})

test('a frame above the limit or below zero is refused by its length alone', () => {
  for (const length of [1001, -1, 0x47455420]) {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(length)
    const splitter = new FrameSplitter({ bytesMax: 1000 })
    splitter.push(bytes)
    assert.throws(() => splitter.nextLength, {
      code: 'KAFKA_PROTOCOL_FRAME_INVALID',
    })
  }
})
