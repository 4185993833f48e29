// Bytes and data for every converter: what Java's do with them is the measure of ours.

export interface ConverterCase {
  readonly class: string
  readonly config: Readonly<Record<string, string>>
  readonly isHeader?: boolean
  /** Bytes to read and to write again, in hexadecimal. */
  readonly bytes?: string | null
  /** Data to write, as JSON with its schema. */
  readonly data?: unknown
}

const cases: ConverterCase[] = []
const hex = (text: string): string => Buffer.from(text).toString('hex')

const json = 'org.apache.kafka.connect.json.JsonConverter'
const string = 'org.apache.kafka.connect.storage.StringConverter'
const bytes = 'org.apache.kafka.connect.converters.ByteArrayConverter'
const numbers = ['Boolean', 'Short', 'Integer', 'Long', 'Float', 'Double'].map(
  (name) => `org.apache.kafka.connect.converters.${name}Converter`,
)

// JSON without schemas
for (const text of [
  'null',
  'true',
  '0',
  '-7',
  '9223372036854775807',
  '1.5',
  '-0.25',
  '1e3',
  '"text"',
  '"\\u0e04\\n\\"q\\""',
  '[]',
  '{}',
  '[1,"two",null,[3]]',
  '{"a":{"b":[true,{"c":null}]}}',
  '{"a":1,"a":2}',
  ' {"a" : 1} ',
  'not json',
  '{"a":',
  '',
])
  cases.push({ class: json, config: { 'schemas.enable': 'false' }, bytes: hex(text) })
cases.push({ class: json, config: { 'schemas.enable': 'false' }, bytes: null })

// JSON with schemas
const scalars: readonly (readonly [type: string, payload: unknown])[] = [
  ['boolean', true],
  ['int8', 127],
  ['int16', -300],
  ['int32', 2_147_483_647],
  ['int64', 9_007_199_254_740_991],
  ['float', 1.25],
  ['float', 12.7],
  ['double', 12.7],
  ['string', 'คลอง'],
  ['bytes', 'AQID'],
]
const envelope = (schema: object | null, payload: unknown) => ({ schema, payload })
const logical = (name: string, type: string): object => ({
  type,
  name: `org.apache.kafka.connect.data.${name}`,
  version: 1,
})
const data: unknown[] = [
  ...scalars.map(([type, payload]) => envelope({ type, optional: false }, payload)),
  ...scalars.map(([type]) => envelope({ type, optional: true }, null)),
  ...scalars.map(([type]) => envelope({ type, optional: false }, null)),
  envelope({ type: 'string', optional: true, default: 'd', doc: 'why', version: 3 }, null),
  envelope({ type: 'int32', name: 'named', parameters: { a: 'b' } }, 5),
  envelope(logical('Timestamp', 'int64'), 1_769_846_400_123),
  envelope(logical('Date', 'int32'), 20_484),
  envelope(logical('Time', 'int32'), 3_600_000),
  envelope({ type: 'array', items: { type: 'int32' } }, [1, 2]),
  envelope({ type: 'array', items: { type: 'int32', optional: true } }, [1, null]),
  envelope({ type: 'map', keys: { type: 'string' }, values: { type: 'double' } }, { a: 1.5 }),
  envelope({ type: 'map', keys: { type: 'int32' }, values: { type: 'string' } }, [[1, 'one']]),
  envelope(
    {
      type: 'struct',
      name: 'frame',
      fields: [
        { field: 'id', type: 'int32' },
        { field: 'name', type: 'string', optional: true },
        { field: 'unit', type: 'string', optional: true, default: 'C' },
        { field: 'in', type: 'struct', optional: true, fields: [{ field: 'x', type: 'float' }] },
      ],
    },
    { id: 1, name: null, in: { x: 0.1 } },
  ),
  envelope({ type: 'struct', fields: [{ field: 'id', type: 'int32' }] }, {}),
  envelope({ type: 'no such type' }, 1),
  envelope({ type: 'array' }, [1]),
  envelope(null, { plain: 1 }),
]
for (const item of data)
  cases.push({
    class: json,
    config: { 'schemas.enable': 'true' },
    bytes: hex(JSON.stringify(item)),
  })
for (const text of ['5', '{"schema":{"type":"int32"}}', '{"payload":5}', 'null'])
  cases.push({ class: json, config: { 'schemas.enable': 'true' }, bytes: hex(text) })
cases.push({ class: json, config: { 'schemas.enable': 'true' }, bytes: null })

// What the others read
for (const text of ['', 'text', 'คลอง', '12'])
  for (const name of [string, bytes]) cases.push({ class: name, config: {}, bytes: hex(text) })
cases.push({ class: string, config: {}, bytes: 'fffe41' })
for (const name of [string, bytes, ...numbers]) cases.push({ class: name, config: {}, bytes: null })
for (const name of numbers)
  for (const item of [
    '',
    '01',
    '00',
    '02',
    '012c',
    '0000012c',
    '000000000000012c',
    '3fc00000',
    '3ff8000000000000',
    'ffff',
  ])
    cases.push({ class: name, config: {}, bytes: item })

// What they write
for (const name of [string, bytes, ...numbers])
  for (const item of data.slice(0, 20)) cases.push({ class: name, config: {}, data: item })
for (const item of data.slice(30)) cases.push({ class: string, config: {}, data: item })
// Java writes the identity of bytes and not what is in them: nothing to be equal to.
const asText = cases.filter((one) => one.class === string && one.data !== undefined)
for (const one of asText)
  if ((one.data as { schema?: { type?: string } }).schema?.type === 'bytes')
    cases.splice(cases.indexOf(one), 1)

// Headers
for (const text of [
  '',
  'text',
  'null',
  'true',
  'false',
  'TRUE',
  '1',
  '-1',
  '127',
  '128',
  '32768',
  '2147483648',
  '9223372036854775807',
  '1.5',
  '1.',
  '.5',
  '1e3',
  '1.5e300',
  '-0.1',
  '0.1',
  '007',
  '+5',
  ' 5 ',
  '"quoted"',
  '2026-01-31',
  '08:00:00.123Z',
  '2026-01-31T08:00:00.123Z',
  '[1,2,3]',
  '[]',
  '["a",1]',
  '{"a":1}',
  '{}',
  '{a}',
  '[1,2',
  'a,b',
  'คลอง',
])
  cases.push({
    class: 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
    config: {},
    isHeader: true,
    bytes: hex(text),
  })

export const converterCases: readonly ConverterCase[] = cases
