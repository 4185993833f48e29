// Records and options for every transform: what Java's do with them is the measure of ours.

export interface TransformCase {
  readonly class: string
  readonly config: Readonly<Record<string, string>>
  readonly hasSchemas: boolean
  readonly key?: unknown
  readonly value?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly topic?: string
}

const className = (name: string): string => `org.apache.kafka.connect.transforms.${name}`

interface Field {
  readonly type: string
  readonly field?: string
  readonly optional?: boolean
  readonly [more: string]: unknown
}

const struct = (fields: readonly Field[], payload: unknown, more: object = {}): unknown => ({
  schema: { type: 'struct', optional: false, ...more, fields },
  payload,
})

const field = (name: string, type: string, more: object = {}): Field => ({
  field: name,
  type,
  optional: false,
  ...more,
})

const plain = {
  id: 7,
  big: 9_007_199_254_740_991,
  name: 'Bang Rak',
  ratio: 21.5,
  isHot: true,
  nothing: null,
  nested: { a: 1, b: { c: 'deep', d: 2.5 } },
  list: [1, 2, 3],
}

const typed = struct(
  [
    field('id', 'int32'),
    field('big', 'int64'),
    field('small', 'int8'),
    field('short', 'int16'),
    field('name', 'string'),
    field('ratio', 'double'),
    field('single', 'float'),
    field('isHot', 'boolean'),
    field('nothing', 'string', { optional: true }),
    field('fallback', 'int32', { optional: true, default: 5 }),
    field('bytes', 'bytes'),
    {
      field: 'nested',
      type: 'struct',
      optional: false,
      fields: [
        field('a', 'int32'),
        { field: 'b', type: 'struct', optional: true, fields: [field('c', 'string')] },
      ],
    },
    { field: 'list', type: 'array', optional: true, items: { type: 'int32', optional: false } },
  ],
  {
    id: 7,
    big: 9_007_199_254_740_991,
    small: 3,
    short: 300,
    name: 'Bang Rak',
    ratio: 21.5,
    single: 1.25,
    isHot: true,
    nothing: null,
    fallback: null,
    bytes: 'AQID',
    nested: { a: 1, b: { c: 'deep' } },
    list: [1, 2],
  },
  { name: 'frame', version: 2 },
)

/** What a transform puts something in place of. */
const placeholder = (name: string): string => `\${${name}}`

const cases: TransformCase[] = []

/** A case without and with schemas; both sides where the transform has two classes. */
function both(
  name: string,
  config: Record<string, string>,
  options: { sided?: boolean; headers?: Record<string, string>; topic?: string } = {},
): void {
  const { sided = true, ...more } = options
  for (const [hasSchemas, value] of [
    [false, plain],
    [true, typed],
  ] as const)
    if (sided) {
      cases.push({ class: className(`${name}$Value`), config, hasSchemas, value, ...more })
      cases.push({ class: className(`${name}$Key`), config, hasSchemas, key: value, ...more })
    } else cases.push({ class: className(name), config, hasSchemas, value, ...more })
}

function one(
  name: string,
  config: Record<string, string>,
  value: unknown,
  more: Partial<TransformCase> = {},
): void {
  cases.push({ class: className(name), config, hasSchemas: false, value, ...more })
}

const scalar = (type: string, payload: unknown, more: object = {}): unknown => ({
  schema: { type, optional: true, ...more },
  payload,
})

// Cast
for (const type of ['int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'boolean', 'string'])
  both('Cast', { spec: `id:${type},ratio:${type},isHot:${type},nothing:${type}` })
both('Cast', { spec: 'name:string,big:int32' })
both('Cast', { spec: 'name:int32' })
both('Cast', { spec: 'fallback:string', 'replace.null.with.default': 'false' })
both('Cast', { spec: 'fallback:string' })
for (const payload of [12, 'true', '12.7', '300', -1.9, true, 4_294_967_297])
  for (const target of ['int8', 'int32', 'int64', 'float32', 'float64', 'boolean', 'string'])
    one('Cast$Value', { spec: target }, payload)
one('Cast$Value', { spec: 'int32' }, scalar('int64', 41), { hasSchemas: true })
one('Cast$Value', { spec: 'string' }, scalar('float', 1.25), { hasSchemas: true })
one('Cast$Value', { spec: 'boolean' }, null)
one('Cast$Value', { spec: 'a:int8,b' }, plain)
one('Cast$Value', { spec: 'a:date' }, plain)

// Headers
const headers = { trace: 'abc', count: '12', ratio: '1.5', flag: 'true' }
both('DropHeaders', { headers: 'trace,count' }, { sided: false, headers })
both('DropHeaders', { headers: 'none' }, { sided: false, headers })
both('InsertHeader', { header: 'h', 'value.literal': '12' }, { sided: false, headers })
both('InsertHeader', { header: 'h', 'value.literal': 'text' }, { sided: false })
both('InsertHeader', { header: 'h', 'value.literal': '{"a":1}' }, { sided: false })
for (const operation of ['copy', 'move'])
  both('HeaderFrom', { fields: 'id,name', headers: 'h1,h2', operation }, { headers })
both('HeaderFrom', { fields: 'id', headers: 'h1,h2', operation: 'copy' })
both('HeaderFrom', { fields: 'nested', headers: 'h1', operation: 'move' })

// ExtractField
for (const name of ['id', 'name', 'nested', 'missing', 'nothing'])
  both('ExtractField', { field: name })
both('ExtractField', { field: 'nested.b.c', 'field.syntax.version': 'V2' })
both('ExtractField', { field: 'nested.b.none', 'field.syntax.version': 'V2' })
both('ExtractField', { field: 'fallback', 'replace.null.with.default': 'false' })
one('ExtractField$Value', { field: 'id' }, null)
one('ExtractField$Value', { field: 'id' }, 'text')

// Filter
both('Filter', {}, { sided: false })

// Flatten
both('Flatten', {})
both('Flatten', { delimiter: '_' })
one('Flatten$Value', {}, null)
one('Flatten$Value', {}, [1])

// HoistField
both('HoistField', { field: 'wrapped' })
one('HoistField$Value', { field: 'w' }, null)
one('HoistField$Value', { field: 'w' }, 'text')
one('HoistField$Value', { field: 'w' }, scalar('int32', 3), { hasSchemas: true })

// InsertField
both('InsertField', { 'topic.field': 'topic', 'partition.field': 'partition' })
both('InsertField', { 'offset.field': 'offset!', 'timestamp.field': 'at?' })
both('InsertField', { 'static.field': 'by', 'static.value': 'khlong' })
both('InsertField', { 'static.field': 'by' })
both('InsertField', {})
one('InsertField$Value', { 'topic.field': 't' }, null)

// MaskField
both('MaskField', { fields: 'id,name,ratio,isHot,nothing' })
both('MaskField', { fields: 'big,list' })
both('MaskField', { fields: 'name', replacement: 'xxx' })
both('MaskField', { fields: 'id', replacement: '42' })
both('MaskField', { fields: 'isHot', replacement: 'x' })
both('MaskField', { fields: 'nested' })

// RegexRouter
for (const [regex, replacement] of [
  ['iot-(.*)', '$1'],
  ['(.*)', 'all-$1-$1'],
  ['no', 'match'],
  ['(?<kind>[a-z]+)-(.*)', `${placeholder('kind')}.$2`],
] as const)
  both('RegexRouter', { regex, replacement }, { sided: false, topic: 'iot-frames' })

// ReplaceField
both('ReplaceField', { exclude: 'id,name' })
both('ReplaceField', { include: 'id,name' })
both('ReplaceField', { renames: 'id:key,name:title' })
both('ReplaceField', { include: 'id', renames: 'id:key' })
both('ReplaceField', { exclude: 'none' })
both('ReplaceField', { include: 'fallback', 'replace.null.with.default': 'false' })

// SetSchemaMetadata
both('SetSchemaMetadata', { 'schema.name': 'other' })
both('SetSchemaMetadata', { 'schema.name': 'other', 'schema.version': '9' })
both('SetSchemaMetadata', { 'schema.version': '4' })
both('SetSchemaMetadata', {})

// TimestampConverter
const atMs = 1_769_846_400_123
for (const target of ['string', 'unix', 'Date', 'Time', 'Timestamp'])
  for (const precision of ['seconds', 'milliseconds', 'microseconds']) {
    const config = {
      'target.type': target,
      format: "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
      'unix.precision': precision,
    }
    one('TimestampConverter$Value', config, precision === 'seconds' ? 1_769_846_400 : atMs)
    one('TimestampConverter$Value', { ...config, field: 'at' }, { at: atMs, other: 1 })
    one(
      'TimestampConverter$Value',
      { ...config, field: 'at' },
      struct([field('at', 'int64'), field('other', 'int32')], { at: atMs, other: 1 }),
      { hasSchemas: true },
    )
  }
for (const format of ['yyyy-MM-dd HH:mm:ss', 'dd/MM/yyyy', 'EEE, d MMM yyyy HH:mm:ss Z', 'HH:mm'])
  one('TimestampConverter$Value', { 'target.type': 'string', format }, atMs)
for (const [format, text] of [
  ['yyyy-MM-dd', '2026-01-31'],
  ["yyyy-MM-dd'T'HH:mm:ssZ", '2026-01-31T08:00:00+0700'],
  ['dd.MM.yyyy HH:mm', '31.01.2026 08:30'],
  ['yyyy-MM-dd', 'no date'],
] as const)
  for (const target of ['unix', 'Timestamp'])
    one('TimestampConverter$Value', { 'target.type': target, format }, text)
const logical = (name: string, type: string, payload: number): unknown =>
  scalar(type, payload, { name: `org.apache.kafka.connect.data.${name}`, version: 1 })
for (const target of ['string', 'unix', 'Date', 'Time', 'Timestamp']) {
  const config = { 'target.type': target, format: 'yyyy-MM-dd HH:mm:ss' }
  one('TimestampConverter$Value', config, logical('Timestamp', 'int64', atMs), { hasSchemas: true })
  one('TimestampConverter$Value', config, logical('Date', 'int32', 20_484), { hasSchemas: true })
  one('TimestampConverter$Value', config, scalar('int64', null), { hasSchemas: true })
}
one('TimestampConverter$Value', { 'target.type': 'string' }, atMs)
one('TimestampConverter$Value', { 'target.type': 'unix', field: 'none' }, { at: 1 })
one(
  'TimestampConverter$Value',
  { 'target.type': 'string', format: 'yyyy', field: 'a.b', 'field.syntax.version': 'V2' },
  { a: { b: atMs } },
)

// TimestampRouter
both('TimestampRouter', {}, { sided: false, topic: 'iot' })
both(
  'TimestampRouter',
  {
    'topic.format': `${placeholder('topic')}-${placeholder('timestamp')}`,
    'timestamp.format': 'yyyy.MM.dd.HH',
  },
  { sided: false, topic: 'iot' },
)

// ValueToKey
both('ValueToKey', { fields: 'id' }, { sided: false })
both('ValueToKey', { fields: 'id,name' }, { sided: false })
both('ValueToKey', { fields: 'missing' }, { sided: false })

export const transformCases: readonly TransformCase[] = cases
