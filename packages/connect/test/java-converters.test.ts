import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { simpleHeaderConverter } from '../src/converters/headers.ts'
import { findConverter } from '../src/converters/index.ts'
import { jsonConverter } from '../src/converters/json.ts'
import type { Schema } from '../src/data/schema.ts'
import { javaClassOf } from '../src/errors.ts'

// What Java's converters made of the same bytes and data: tools/connect-vectors.

interface Case {
  readonly class: string
  readonly config: Readonly<Record<string, string>>
  readonly isHeader?: boolean
  readonly bytes?: string | null
  readonly data?: unknown
  readonly result: { readonly error?: string }
}

const cases = JSON.parse(
  readFileSync(new URL('./vectors/converters.json', import.meta.url), 'utf8'),
) as Case[]

const shown = (schema: Schema | undefined) =>
  schema
    ? {
        type: schema.type.toUpperCase(),
        name: schema.name ?? null,
        optional: schema.optional ?? false,
      }
    : null

/** Bytes as the vectors have them. */
const hex = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('hex')

function run({ class: className, config, isHeader, bytes, data }: Case) {
  const given = bytes == null ? null : Buffer.from(bytes, 'hex')
  try {
    if (isHeader) {
      const header = simpleHeaderConverter.toConnect(['h', given], 't')
      const back = simpleHeaderConverter.fromConnect(header, 't')
      return { schema: shown(header.schema), bytes: hex(back) }
    }
    const converter = findConverter('value.converter', className).create(config, false)
    const reader = data === undefined ? converter : jsonConverter.create({}, false)
    const read = reader.toConnect(
      data === undefined ? given : Buffer.from(JSON.stringify(data)),
      't',
    )
    return {
      schema: shown(read.schema),
      bytes: hex(converter.fromConnect(read.schema, read.value, 't')),
    }
  } catch (error) {
    return { error: javaClassOf(error) }
  }
}

/** JSON means the same in whatever order its fields are. */
function meaning(result: { bytes?: string | null; error?: string }, className: string) {
  if (!className.endsWith('JsonConverter') || typeof result.bytes !== 'string') return result
  return { ...result, bytes: JSON.parse(Buffer.from(result.bytes, 'hex').toString()) as unknown }
}

describe('converters do what Java’s do', () => {
  for (const className of new Set(cases.map((one) => one.class)))
    test(className.slice(className.lastIndexOf('.') + 1), () => {
      for (const one of cases.filter((item) => item.class === className)) {
        const { result, class: _class, ...input } = one
        // Where Java itself throws, and not Connect, there is nothing to be equal to.
        if (result.error?.startsWith('java.lang.')) continue
        const [actual, expected] = [meaning(run(one), className), meaning(result, className)]
        assert.deepEqual(actual, expected, JSON.stringify(input))
      }
    })
})
