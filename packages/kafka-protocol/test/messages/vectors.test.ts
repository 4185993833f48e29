import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Reader, Writer } from '@khlong/core/bytes'
import { allApis, loadCodec } from '@khlong/kafka-protocol'

// Written by vectors/MakeVectors.java with kafka-clients 4.3.1: every field set that the version has.
const lines = readFileSync(
  new URL('./vectors/messages-kafka-clients-4.3.1.txt', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')

test('every message that the Java classes write is read, and written back byte for byte', async () => {
  const seen = new Set<string>()
  const apis = new Map(allApis().map((api) => [api.name, api]))
  for (const line of lines) {
    const [name, versionText, hex] = line.split(' ') as [string, string, string]
    const [, apiName, kind] = /^(.*)(Request|Response)$/.exec(name) as unknown as [
      string,
      string,
      string,
    ]
    const version = Number(versionText)
    const codec = await loadCodec(apis.get(apiName)!.key)
    const bytes = Buffer.from(hex ?? '', 'hex')
    const reader = new Reader(bytes)
    const isRequest = kind === 'Request'
    const value = isRequest
      ? codec.decodeRequest(reader, version)
      : codec.decodeResponse(reader, version)
    reader.finish()
    const writer = new Writer()
    if (isRequest) codec.encodeRequest(writer, value, version)
    else codec.encodeResponse(writer, value, version)
    assert.equal(writer.bytes().toString('hex'), hex ?? '', `${name} ${version}`)
    seen.add(`${apiName} ${version}`)
  }
  for (const { name, minVersion, maxVersion } of allApis())
    for (let version = minVersion; version <= maxVersion; version++)
      assert.ok(seen.has(`${name} ${version}`), `no vector of ${name} ${version}`)
})
