import type { ConfigMap } from '../config/fields.ts'
import type { ConfigSpec } from '../config/spec.ts'
import type { ConnectRecord } from '../data/record.ts'
import {
  type ConnectObject,
  type ConnectValue,
  isObject,
  javaTypeOf,
  type Schema,
} from '../data/schema.ts'
import { dataError } from '../errors.ts'

/** Gives the changed record, or null where it is dropped. Records are not changed in place. */
export type Transform = <R extends ConnectRecord>(record: R) => R | null

export interface TransformPlugin {
  /** Java's class name, `$Key` or `$Value` included. */
  readonly className: string
  readonly spec: ConfigSpec
  /** @throws ConnectError `CONNECT_CONFIG` */
  create(config: ConfigMap): Transform
}

/** Key or value: what a transform of this name works on. */
export type Side = 'Key' | 'Value'

export const sideSchema = (record: ConnectRecord, side: Side): Schema | undefined =>
  side === 'Key' ? record.keySchema : record.valueSchema

export const sideValue = (record: ConnectRecord, side: Side): ConnectValue =>
  side === 'Key' ? record.key : record.value

/** The record with another key or value. */
export function withValue<R extends ConnectRecord>(
  record: R,
  side: Side,
  schema: Schema | undefined,
  value: ConnectValue,
): R {
  return side === 'Key'
    ? { ...record, keySchema: schema, key: value }
    : { ...record, valueSchema: schema, value }
}

/** A transform with its two classes, `$Key` and `$Value`. */
export function bothSides(
  name: string,
  spec: ConfigSpec,
  create: (config: ConfigMap, side: Side) => Transform,
): TransformPlugin[] {
  return (['Key', 'Value'] as const).map((side) => ({
    className: `org.apache.kafka.connect.transforms.${name}$${side}`,
    spec,
    create: (config) => create(config, side),
  }))
}

/** @throws ConnectError `CONNECT_DATA` unless the value is a map or a struct. */
export function requireObject(value: ConnectValue, purpose: string): ConnectObject {
  if (isObject(value)) return value
  throw dataError(
    `Only Map objects supported in absence of schema for [${purpose}], found: ${javaTypeOf(value)}`,
  )
}

/** Remembers what was derived from a schema, so that records share it. */
export function perSchema<T>(derive: (schema: Schema) => T): (schema: Schema) => T {
  const known = new WeakMap<Schema, { of: T }>()
  return (schema) => {
    let entry = known.get(schema)
    if (!entry) {
      entry = { of: derive(schema) }
      known.set(schema, entry)
    }
    return entry.of
  }
}
