import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseText, simpleHeaderConverter } from '../src/converters/headers.ts'
import { findConverter } from '../src/converters/index.ts'
import type { ConnectValue, Schema } from '../src/data/schema.ts'

const converter = (name: string, config: Record<string, string> = {}) =>
  findConverter('value.converter', name).create(config, false)

const plainJson = converter('org.apache.kafka.connect.json.JsonConverter', {
  'schemas.enable': 'false',
})
const envelope = converter('JsonConverter')

const textOf = (bytes: Uint8Array | null): string | undefined =>
  bytes === null ? undefined : Buffer.from(bytes).toString()

function roundTrip(schema: Schema, value: ConnectValue): ConnectValue {
  return envelope.toConnect(envelope.fromConnect(schema, value, 't'), 't').value
}

describe('converters', () => {
  test('JSON without schemas reads and writes plain JSON', () => {
    const text = '{"id":"777","n":1,"x":1.5,"list":[true,null]}'
    const { schema, value } = plainJson.toConnect(Buffer.from(text), 't')
    assert.equal(schema, undefined)
    assert.deepEqual(value, { id: '777', n: 1, x: 1.5, list: [true, null] })
    assert.equal(textOf(plainJson.fromConnect(undefined, value, 't')), text)
    assert.equal(plainJson.fromConnect(undefined, null, 't'), null)
    assert.equal(plainJson.toConnect(null, 't').value, null)
  })

  test('an integer beyond 2^53 keeps all its digits', () => {
    const text = '{"id":9007199254740993,"n":1769846400000}'
    const { value } = plainJson.toConnect(Buffer.from(text), 't')
    assert.deepEqual(value, { id: 9007199254740993n, n: 1_769_846_400_000 })
    assert.equal(textOf(plainJson.fromConnect(undefined, value, 't')), text)
  })

  test('text that is no JSON is an error of data', () => {
    assert.throws(() => plainJson.toConnect(Buffer.from('{temperature}'), 't'), {
      code: 'CONNECT_DATA',
      message: 'Converting byte[] to Kafka Connect data failed due to serialization error: ',
    })
  })

  test('bytes without a schema are written as base64', () => {
    assert.equal(
      textOf(plainJson.fromConnect({ type: 'bytes' }, Buffer.from('abc'), 't')),
      '"YWJj"',
    )
    assert.equal(
      textOf(plainJson.fromConnect(undefined, { id: Buffer.from('abc') }, 't')),
      '{"id":"YWJj"}',
    )
  })

  test('the envelope carries the schema both ways', () => {
    const schema: Schema = {
      type: 'struct',
      name: 'Frame',
      fields: [
        { name: 'id', schema: { type: 'string' } },
        { name: 'at', schema: { type: 'int64', name: 'org.apache.kafka.connect.data.Timestamp' } },
        { name: 'raw', schema: { type: 'bytes', optional: true } },
        { name: 'list', schema: { type: 'array', items: { type: 'float64' } } },
        {
          name: 'map',
          schema: { type: 'map', keys: { type: 'string' }, values: { type: 'int32' } },
        },
      ],
    }
    const value = {
      id: 'a',
      at: new Date(1_769_846_400_000),
      raw: Buffer.from('x'),
      list: [1.5],
      map: { k: 1 },
    }
    assert.equal(
      textOf(envelope.fromConnect({ type: 'string' }, 'a', 't')),
      '{"schema":{"type":"string","optional":false},"payload":"a"}',
    )
    assert.deepEqual(roundTrip(schema, value), value)
    assert.equal(
      envelope.toConnect(envelope.fromConnect(schema, value, 't'), 't').schema?.name,
      'Frame',
    )
  })

  test('plain JSON where an envelope is due says which option is meant', () => {
    assert.throws(() => envelope.toConnect(Buffer.from('{"a":1}'), 't'), /schemas\.enable=false/)
  })

  test('a default stands for null, and a required field without one is refused', () => {
    const schema: Schema = {
      type: 'struct',
      fields: [{ name: 'n', schema: { type: 'int32', default: 5 } }],
    }
    assert.deepEqual(roundTrip(schema, { n: null }), { n: 5 })
    const strict: Schema = { type: 'struct', fields: [{ name: 'n', schema: { type: 'int32' } }] }
    assert.throws(() => envelope.fromConnect(strict, { n: null }, 't'), { code: 'CONNECT_DATA' })
  })

  test('strings are written as Java prints them', () => {
    const strings = converter('StringConverter')
    assert.equal(textOf(strings.fromConnect(undefined, { a: 1, b: [2] }, 't')), '{a=1, b=[2]}')
    assert.equal(strings.toConnect(Buffer.from('สวัสดี'), 't').value, 'สวัสดี')
  })

  test('byte arrays pass as they are and nothing else does', () => {
    const bytes = converter('ByteArrayConverter')
    const payload = Buffer.from([0, 255])
    assert.equal(bytes.fromConnect(undefined, payload, 't'), payload)
    assert.throws(() => bytes.fromConnect(undefined, 'text', 't'), { code: 'CONNECT_DATA' })
  })

  for (const [name, value, hex] of [
    ['Short', -2, 'fffe'],
    ['Integer', 258, '00000102'],
    ['Long', 9007199254740993n, '0020000000000001'],
    ['Float', 1.5, '3fc00000'],
    ['Double', -1.5, 'bff8000000000000'],
    ['Boolean', true, '01'],
  ] as const)
    test(`${name}Converter has Java's bytes`, () => {
      const primitive = converter(`org.apache.kafka.connect.converters.${name}Converter`)
      const bytes = primitive.fromConnect(undefined, value, 't')
      assert.equal(Buffer.from(bytes!).toString('hex'), hex)
      assert.equal(primitive.toConnect(bytes, 't').value, value)
      assert.throws(() => primitive.toConnect(Buffer.alloc(3), 't'), { code: 'CONNECT_DATA' })
    })

  test('header text gets the narrowest type that holds it', () => {
    assert.equal(parseText('7').schema?.type, 'int8')
    assert.equal(parseText('70000').schema?.type, 'int32')
    assert.equal(parseText('true').value, true)
    assert.equal(parseText('1.5').schema?.type, 'float32')
    assert.equal(parseText('iot/frames').value, 'iot/frames')
    assert.equal(parseText('null').value, null)
    const header = { key: 'k', schema: undefined, value: { a: 1 } }
    assert.equal(textOf(simpleHeaderConverter.fromConnect(header, 't')), '{"a":1}')
  })

  test('a class that is not there is named with its option', () => {
    assert.throws(() => findConverter('key.converter', 'com.example.Nope'), {
      code: 'CONNECT_CONFIG',
      message:
        'Invalid value com.example.Nope for configuration key.converter: Class com.example.Nope could not be found.',
    })
  })
})
