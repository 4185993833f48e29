import type { ConfigMap } from '../config/fields.ts'
import type { ConfigSpec } from '../config/spec.ts'
import type { ConnectValue, Schema } from '../data/schema.ts'

/** A value with its schema, as converters and transforms pass it on. */
export interface SchemaAndValue {
  readonly schema: Schema | undefined
  readonly value: ConnectValue
}

/** Between Kafka's bytes and Connect's data. One is made per task and side. */
export interface Converter {
  /** @throws ConnectError `CONNECT_DATA`. The result may borrow from `bytes`. */
  toConnect(bytes: Uint8Array | null, topic: string): SchemaAndValue
  /** @throws ConnectError `CONNECT_DATA` */
  fromConnect(schema: Schema | undefined, value: ConnectValue, topic: string): Uint8Array | null
}

export interface ConverterPlugin {
  /** Java's class name. */
  readonly className: string
  readonly spec: ConfigSpec
  /** `config` has the options without the prefix `key.converter.` or `value.converter.`. */
  create(config: ConfigMap, isKey: boolean): Converter
}

/** The null that every converter reads from null. */
export const nothing: SchemaAndValue = { schema: undefined, value: null }
