import type { FieldJson, MessageJson, Range } from './definitions.ts'
import {
  camelCase,
  condition,
  intersect,
  isEmpty,
  parseRange,
  versionsText,
} from './definitions.ts'

// A field of a message as the generator sees it.

export const scalars: Readonly<Record<string, { type: string; method: string; bytes: number }>> = {
  bool: { type: 'boolean', method: 'boolean', bytes: 1 },
  int8: { type: 'number', method: 'int8', bytes: 1 },
  int16: { type: 'number', method: 'int16', bytes: 2 },
  uint16: { type: 'number', method: 'uint16', bytes: 2 },
  int32: { type: 'number', method: 'int32', bytes: 4 },
  uint32: { type: 'number', method: 'uint32', bytes: 4 },
  int64: { type: 'number', method: 'int64', bytes: 8 },
  opaque: { type: 'bigint', method: 'bigint64', bytes: 8 },
  float64: { type: 'number', method: 'float64', bytes: 8 },
}

export interface Field {
  readonly name: string
  readonly label: string
  /** A key of `scalars`, `string`, `bytes`, `records`, `uuid`, or the name of a struct. */
  readonly element: string
  readonly isArray: boolean
  readonly versions: Range
  readonly nullable: Range
  readonly tagged: Range
  readonly flexible: Range
  readonly tag: number
  readonly ignorable: boolean
  readonly isClamped: boolean
  /** The default as an expression. */
  readonly fallback: string
  readonly isOptional: boolean
  readonly explicitDefault: string | undefined
}
export interface Struct {
  readonly name: string
  readonly range: Range
  readonly fields: readonly Field[]
  readonly flexible: Range
  readonly label: string
  readonly isRequest: boolean
}

/** Reads the definition of a field; `valid` are the versions of what it is part of. */
export function parseField(
  json: FieldJson,
  message: MessageJson,
  messageFlexible: Range,
  valid: Range,
): Field {
  const isArray = json.type.startsWith('[]')
  let element = isArray ? json.type.slice(2) : json.type
  const tagged = parseRange(json.taggedVersions)
  const versions = parseRange(json.versions ?? json.taggedVersions)
  const nullable = intersect(parseRange(json.nullableVersions), versions)
  const explicit = json.default === undefined ? undefined : String(json.default)
  const isOpaque =
    element === 'int64' &&
    (/ProducerId|BrokerEpoch|ReplicaEpoch/i.test(json.name) || explicit === '9223372036854775807')
  if (isOpaque) element = 'opaque'
  const name = camelCase(json.name)
  const isUsual = /^(errorCode|errorMessage|throttleTimeMs)$/.test(name)
  let fallback: string
  if (explicit === 'null' || (name === 'errorMessage' && !isEmpty(nullable))) fallback = 'null'
  else if (isArray) fallback = '[]'
  else if (element === 'bool') fallback = explicit ?? 'false'
  else if (element === 'opaque') fallback = `${explicit ?? '0'}n`
  else if (element in scalars) fallback = explicit === undefined ? '0' : String(Number(explicit))
  else if (element === 'string') fallback = `'${explicit ?? ''}'`
  else if (element === 'uuid') fallback = 'zeroUuid'
  else if (element === 'bytes') fallback = 'emptyBytes'
  else fallback = element === 'records' ? 'null' : 'struct'
  const isPartial = versions.low > valid.low || versions.high < valid.high
  return {
    name,
    label: json.name,
    element,
    isArray,
    versions,
    nullable,
    tagged,
    flexible:
      json.flexibleVersions === undefined ? messageFlexible : parseRange(json.flexibleVersions),
    tag: json.tag ?? -1,
    ignorable: json.ignorable ?? false,
    isClamped: message.type === 'request' || /time|duration|Ms$/i.test(json.name),
    fallback,
    explicitDefault: explicit,
    isOptional: explicit !== undefined || isPartial || !isEmpty(tagged) || isUsual,
  }
}

/** What the documentation of a field says. */
export function fieldDoc(field: Field, struct: Struct): string {
  const range = intersect(field.versions, struct.range)
  const kind = field.element === 'opaque' ? 'int64' : field.element
  const parts = [`${field.isArray ? `[]${kind}` : kind}, ${versionsText(range)}`]
  if (!isEmpty(field.tagged)) parts.push(`tag ${field.tag}`)
  const nullable = intersect(field.nullable, range)
  if (!isEmpty(nullable))
    parts.push(condition(nullable, range) === 'true' ? 'may be null' : `null from ${nullable.low}`)
  if (field.explicitDefault !== undefined) parts.push(`default ${field.explicitDefault}`)
  return `${parts.join('; ')}.`
}
