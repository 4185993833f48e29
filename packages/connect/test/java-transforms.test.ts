import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { simpleHeaderConverter } from '../src/converters/headers.ts'
import { jsonConverter } from '../src/converters/json.ts'
import type { SinkRecord } from '../src/data/record.ts'
import { javaClassOf } from '../src/errors.ts'
import { transformPlugins } from '../src/transforms/chain.ts'

// What Java's transforms made of the same records: tools/connect-vectors.

interface Case {
  readonly class: string
  readonly config: Readonly<Record<string, string>>
  readonly hasSchemas: boolean
  readonly key?: unknown
  readonly value?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly topic?: string
  readonly result: { readonly error?: string }
}

const cases = JSON.parse(
  readFileSync(new URL('./vectors/transforms.json', import.meta.url), 'utf8'),
) as Case[]

/** What our transform makes of a case, as the vectors have it. */
function run({ class: className, config, hasSchemas, key, value, headers, topic = 't' }: Case) {
  const converter = jsonConverter.create({ 'schemas.enable': String(hasSchemas) }, false)
  const read = (json: unknown) =>
    converter.toConnect(json === undefined ? null : Buffer.from(JSON.stringify(json)), topic)
  const write = (bytes: Uint8Array | null): unknown =>
    bytes === null ? null : JSON.parse(Buffer.from(bytes).toString())
  try {
    const plugin = transformPlugins.find((one) => one.className === className)
    assert.ok(plugin, className)
    const transform = plugin.create(config)
    const before = { key: read(key), value: read(value) }
    const record: SinkRecord = {
      topic,
      partition: 3,
      keySchema: before.key.schema,
      key: before.key.value,
      valueSchema: before.value.schema,
      value: before.value.value,
      timestampMs: 1_769_846_400_123,
      headers: Object.entries(headers ?? {}).map(([name, text]) =>
        simpleHeaderConverter.toConnect([name, Buffer.from(text)], topic),
      ),
      origin: {
        topic,
        partition: 3,
        offset: 7,
        timestamp: 1_769_846_400_123,
        key: null,
        value: null,
        headers: [],
      },
    }
    const changed = transform(record)
    if (!changed) return { dropped: true }
    return {
      topic: changed.topic,
      timestamp: changed.timestampMs,
      key: write(converter.fromConnect(changed.keySchema, changed.key, topic)),
      value: write(converter.fromConnect(changed.valueSchema, changed.value, topic)),
      headers: changed.headers.map((header) => {
        const bytes = simpleHeaderConverter.fromConnect(header, topic)
        return [header.key, bytes === null ? null : Buffer.from(bytes).toString()]
      }),
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return { error: javaClassOf(error) }
  }
}

describe('transforms do what Java’s do', () => {
  for (const className of new Set(cases.map((one) => one.class)))
    test(className.replace('org.apache.kafka.connect.transforms.', ''), () => {
      for (const one of cases.filter((item) => item.class === className)) {
        const { result, class: _class, ...input } = one
        // Where Java itself throws, and not Connect, there is nothing to be equal to.
        if (result.error?.startsWith('java.lang.')) continue
        assert.deepEqual(run(one), result, JSON.stringify(input).slice(0, 500))
      }
    })
})
