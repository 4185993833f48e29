import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConnectRecord } from '../src/data/record.ts'
import { type ConnectValue, type Schema, timestampSchema } from '../src/data/schema.ts'
import { transformChain } from '../src/transforms/chain.ts'

const at = Date.UTC(2026, 0, 31, 8, 5, 6, 7)

function record(value: ConnectValue, changes: Partial<ConnectRecord> = {}): ConnectRecord {
  return {
    topic: 'iot-frames',
    partition: 3,
    keySchema: undefined,
    key: null,
    valueSchema: undefined,
    value,
    timestampMs: at,
    headers: [],
    ...changes,
  }
}

function apply(
  type: string,
  options: Record<string, string>,
  to: ConnectRecord,
): ConnectRecord | null {
  const config: Record<string, string> = {
    transforms: 't',
    'transforms.t.type': `org.apache.kafka.connect.transforms.${type}`,
  }
  for (const [name, value] of Object.entries(options)) config[`transforms.t.${name}`] = value
  return transformChain(config)!(to)
}

const valueAfter = (
  type: string,
  options: Record<string, string>,
  value: ConnectValue,
): ConnectValue | undefined => apply(type, options, record(value))?.value

const struct: Schema = {
  type: 'struct',
  fields: [
    { name: 'id', schema: { type: 'string' } },
    { name: 'seen', schema: { type: 'int32', optional: true, default: 7 } },
  ],
}

describe('transforms', () => {
  test('the three steps of the classic MQTT source make the key of the whole payload', () => {
    const prefix = 'org.apache.kafka.connect.transforms.'
    const chain = transformChain({
      transforms: 'createMap,createKey,extractString',
      'transforms.createMap.type': `${prefix}HoistField$Value`,
      'transforms.createMap.field': 'id',
      'transforms.createKey.type': `${prefix}ValueToKey`,
      'transforms.createKey.fields': 'id',
      'transforms.extractString.type': `${prefix}ExtractField$Value`,
      'transforms.extractString.field': 'id',
    })
    const payload = Buffer.from('{"id":"777"}')
    const result = chain!(record(payload, { valueSchema: { type: 'bytes' } }))
    assert.deepEqual(result?.key, { id: payload })
    assert.deepEqual(result?.keySchema?.fields, [{ name: 'id', schema: { type: 'bytes' } }])
    assert.equal(result?.value, payload)
  })

  test('ExtractField gives a field, a nested one with V2, and null where it is missing', () => {
    assert.equal(valueAfter('ExtractField$Value', { field: 'a' }, { a: 1 }), 1)
    assert.equal(valueAfter('ExtractField$Value', { field: 'b' }, { a: 1 }), null)
    assert.equal(
      valueAfter(
        'ExtractField$Value',
        { field: 'payload.temperature', 'field.syntax.version': 'V2' },
        { payload: { temperature: 21.5 } },
      ),
      21.5,
    )
    const found = apply(
      'ExtractField$Value',
      { field: 'seen' },
      record({ id: 'x', seen: null }, { valueSchema: struct }),
    )
    assert.equal(found?.value, 7)
    assert.equal(found?.valueSchema?.type, 'int32')
  })

  test('a value that is no map is refused with the class that came', () => {
    assert.throws(() => valueAfter('ExtractField$Value', { field: 'a' }, 'text'), {
      code: 'CONNECT_DATA',
      message:
        'Only Map objects supported in absence of schema for [field extraction], found: java.lang.String',
    })
  })

  test('InsertField adds topic, partition, timestamp and static text, and extends the schema', () => {
    const result = apply(
      'InsertField$Value',
      {
        'topic.field': 'topic',
        'partition.field': 'part',
        'timestamp.field': 'ts!',
        'static.field': 'site',
        'static.value': 'bkk',
      },
      record({ id: 'a', seen: 1 }, { valueSchema: struct }),
    )
    assert.deepEqual(result?.value, {
      id: 'a',
      seen: 1,
      topic: 'iot-frames',
      part: 3,
      ts: new Date(at),
      site: 'bkk',
    })
    assert.deepEqual(result?.valueSchema?.fields?.at(-2), {
      name: 'ts',
      schema: { ...timestampSchema, optional: false },
    })
    assert.deepEqual(valueAfter('InsertField$Value', { 'timestamp.field': 'ts' }, { a: 1 }), {
      a: 1,
      ts: at,
    })
  })

  test('ReplaceField drops, keeps and renames fields', () => {
    const value = { a: 1, b: 2, c: 3 }
    assert.deepEqual(valueAfter('ReplaceField$Value', { exclude: 'b' }, value), { a: 1, c: 3 })
    assert.deepEqual(valueAfter('ReplaceField$Value', { include: 'a,c', renames: 'c:z' }, value), {
      a: 1,
      z: 3,
    })
  })

  test('MaskField puts the null of each type, or the replacement', () => {
    const value = { text: 'secret', number: 4, flag: true, list: [1], open: 'x' }
    assert.deepEqual(valueAfter('MaskField$Value', { fields: 'text,number,flag,list' }, value), {
      text: '',
      number: 0,
      flag: false,
      list: [],
      open: 'x',
    })
    assert.deepEqual(
      valueAfter('MaskField$Value', { fields: 'text', replacement: '***' }, { text: 'a' }),
      { text: '***' },
    )
  })

  test('Flatten joins names and keeps what is optional', () => {
    assert.deepEqual(
      valueAfter(
        'Flatten$Value',
        { delimiter: '_' },
        { id: 'a', payload: { t: 1, deep: { x: 2 } } },
      ),
      { id: 'a', payload_t: 1, payload_deep_x: 2 },
    )
    const nested: Schema = {
      type: 'struct',
      fields: [{ name: 'inner', schema: { ...struct, optional: true } }],
    }
    const result = apply('Flatten$Value', {}, record({ inner: null }, { valueSchema: nested }))
    assert.deepEqual(result?.value, { 'inner.id': null, 'inner.seen': null })
    assert.equal(result?.valueSchema?.fields?.[0]?.schema.optional, true)
  })

  test('Cast follows Java: truncation, wrapping, text and booleans', () => {
    const spec = 'a:int8,b:int32,c:float64,d:boolean,e:string,f:int64'
    assert.deepEqual(
      valueAfter('Cast$Value', { spec }, { a: 300, b: 3.99, c: '2.5', d: 0, e: true, f: '12' }),
      { a: 44, b: 3, c: 2.5, d: false, e: 'true', f: 12 },
    )
    assert.equal(valueAfter('Cast$Value', { spec: 'string' }, 12), '12')
    assert.throws(() => valueAfter('Cast$Value', { spec: 'a:int8' }, { a: '300' }), {
      code: 'CONNECT_DATA',
    })
  })

  test('TimestampConverter goes between text, unix time and dates', () => {
    const format = "yyyy-MM-dd'T'HH:mm:ss.SSSZ"
    assert.deepEqual(
      valueAfter(
        'TimestampConverter$Value',
        { field: 'date', 'target.type': 'unix', format },
        { date: '2026-01-31T08:05:06.007+0000' },
      ),
      { date: at },
    )
    assert.equal(
      valueAfter('TimestampConverter$Value', { 'target.type': 'string', format }, at),
      '2026-01-31T08:05:06.007+0000',
    )
    assert.deepEqual(
      valueAfter('TimestampConverter$Value', { 'target.type': 'Timestamp' }, at),
      new Date(at),
    )
    assert.deepEqual(
      valueAfter('TimestampConverter$Value', { 'target.type': 'Date' }, at),
      new Date(Date.UTC(2026, 0, 31)),
    )
    assert.equal(
      valueAfter(
        'TimestampConverter$Value',
        { 'target.type': 'unix', 'unix.precision': 'seconds' },
        new Date(at),
      ),
      Math.trunc(at / 1000),
    )
  })

  test('the routers change the topic', () => {
    const regex = { regex: 'iot-(.*)', replacement: 'all-$1' }
    assert.equal(apply('RegexRouter', regex, record(1))?.topic, 'all-frames')
    assert.equal(
      apply('RegexRouter', { regex: 'iot', replacement: 'x' }, record(1))?.topic,
      'iot-frames',
    )
    assert.equal(apply('TimestampRouter', {}, record(1))?.topic, 'iot-frames-20260131')
  })

  test('headers are inserted with a guessed type, dropped, and taken from fields', () => {
    const inserted = apply('InsertHeader', { header: 'n', 'value.literal': '300' }, record(1))
    assert.deepEqual(inserted?.headers, [{ key: 'n', schema: { type: 'int16' }, value: 300 }])
    assert.deepEqual(apply('DropHeaders', { headers: 'n' }, inserted!)?.headers, [])
    const moved = apply(
      'HeaderFrom$Value',
      { fields: 'id', headers: 'sensor', operation: 'move' },
      record({ id: 'a', t: 1 }),
    )
    assert.deepEqual(moved?.headers, [{ key: 'sensor', schema: undefined, value: 'a' }])
    assert.deepEqual(moved?.value, { t: 1 })
  })

  test('SetSchemaMetadata names a schema and needs one', () => {
    const named = apply(
      'SetSchemaMetadata$Value',
      { 'schema.name': 'Frame', 'schema.version': '2' },
      record({ id: 'a' }, { valueSchema: struct }),
    )
    assert.equal(named?.valueSchema?.name, 'Frame')
    assert.equal(named?.valueSchema?.version, 2)
    assert.throws(() => valueAfter('SetSchemaMetadata$Value', { 'schema.name': 'x' }, { a: 1 }))
  })

  test('Filter drops what its predicate says, and negate turns it round', () => {
    const config = {
      transforms: 'drop',
      'transforms.drop.type': 'org.apache.kafka.connect.transforms.Filter',
      'transforms.drop.predicate': 'isTombstone',
      predicates: 'isTombstone',
      'predicates.isTombstone.type':
        'org.apache.kafka.connect.transforms.predicates.RecordIsTombstone',
    }
    assert.equal(transformChain(config)!(record(null)), null)
    assert.notEqual(transformChain(config)!(record(1)), null)
    const negated = transformChain({ ...config, 'transforms.drop.negate': 'true' })!
    assert.equal(negated(record(1)), null)
  })

  test('TopicNameMatches and HasHeaderKey decide on topic and headers', () => {
    const chain = (type: string, options: Record<string, string>) =>
      transformChain({
        transforms: 'drop',
        'transforms.drop.type': 'org.apache.kafka.connect.transforms.Filter',
        'transforms.drop.predicate': 'p',
        predicates: 'p',
        'predicates.p.type': `org.apache.kafka.connect.transforms.predicates.${type}`,
        ...options,
      })!
    assert.equal(chain('TopicNameMatches', { 'predicates.p.pattern': 'iot-.*' })(record(1)), null)
    assert.notEqual(chain('TopicNameMatches', { 'predicates.p.pattern': 'iot' })(record(1)), null)
    const header = { key: 'h', schema: undefined, value: 'x' }
    assert.equal(
      chain('HasHeaderKey', { 'predicates.p.name': 'h' })(record(1, { headers: [header] })),
      null,
    )
  })
})
