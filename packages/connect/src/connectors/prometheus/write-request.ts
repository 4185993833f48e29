import { type ConnectObject, type ConnectValue, isObject, javaTypeOf } from '../../data/schema.ts'
import { dataError } from '../../errors.ts'

/** One sample of one series, as remote write has it. */
export interface TimeSeries {
  /** Sorted by name, with `__name__`. */
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly value: number
  readonly timestampMs: number
}

/**
 * The samples of a metric record `{name, timestamp, dimensions: {}, values: {}}`: one for each value,
 * named `NAME_VALUE`, at the record's `timestamp` in ms, or at that of Kafka.
 *
 * @throws ConnectError `CONNECT_DATA`
 */
export function samplesOf(record: ConnectValue, kafkaMs: number | null): TimeSeries[] {
  if (!isObject(record))
    throw dataError(`a metric has to be an object, found ${javaTypeOf(record)}`)
  const { name, timestamp, dimensions, values } = record
  if (typeof name !== 'string' || name === '') throw dataError('a metric needs a name')
  if (!isObject(values)) throw dataError(`metric ${name} needs an object of values`)
  const timestampMs = typeof timestamp === 'number' ? timestamp : kafkaMs
  if (timestampMs === null || !Number.isInteger(timestampMs))
    throw dataError(`metric ${name} has no time`)
  const labels: [string, string][] = Object.entries(
    isObject(dimensions) ? dimensions : ({} as ConnectObject),
  )
    .filter(([, value]) => value !== null && value !== '')
    .map(([label, value]) => [nameOf(label, /[^a-zA-Z0-9_]/g), String(value)])
  return Object.entries(values).map(([key, value]) => {
    if (typeof value !== 'number' && typeof value !== 'bigint')
      throw dataError(`value ${key} of metric ${name} is no number: ${javaTypeOf(value)}`)
    const metric: [string, string] = ['__name__', nameOf(`${name}_${key}`, /[^a-zA-Z0-9_:]/g)]
    return {
      labels: [metric, ...labels].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
      value: Number(value),
      timestampMs,
    }
  })
}

const nameOf = (text: string, wrong: RegExp): string =>
  text.replace(wrong, '_').replace(/^(?=\d)/, '_')

/**
 * `prometheus.WriteRequest` in protobuf:
 *
 *     WriteRequest { repeated TimeSeries timeseries = 1 }
 *     TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2 }
 *     Label        { string name = 1; string value = 2 }
 *     Sample       { double value = 1; int64 timestamp = 2 }
 */
export function encodeWriteRequest(series: readonly TimeSeries[]): Buffer {
  return Buffer.concat(series.map((one) => field(1, timeSeries(one))))
}

function timeSeries({ labels, value, timestampMs }: TimeSeries): Buffer {
  const parts = labels.map(([name, text]) =>
    field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(text))])),
  )
  const double = Buffer.alloc(9)
  double[0] = (1 << 3) | 1
  double.writeDoubleLE(value, 1)
  const time = Buffer.concat([Buffer.of(2 << 3), varint(BigInt.asUintN(64, BigInt(timestampMs)))])
  return Buffer.concat([...parts, field(2, Buffer.concat([double, time]))])
}

/** A field of bytes: text, or another message. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | 2), varint(BigInt(bytes.byteLength)), bytes])
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  let left = value
  while (left > 0x7fn) {
    bytes.push(Number(left & 0x7fn) | 0x80)
    left >>= 7n
  }
  bytes.push(Number(left))
  return Buffer.from(bytes)
}
