import { Reader, Writer } from '@khlong/core/bytes'
import { Change } from '../record.ts'
import type { Serde } from './serde.ts'

/** A serde around another one, which may only be known when the application starts. */
export interface WrappingSerde<T, Inner> extends Serde<T> {
  /** The same around `fallback`, where nothing else was given. */
  withFallback(fallback: () => Serde<Inner>): Serde<T>
}

/**
 * A table's change as the topic behind `KTable.groupBy` has it, in the layout of Java 3.5 and newer:
 * the old value alone and 0, the new one alone and 1, or of both the length of the new one (a zigzag
 * varint), the new one, the old one and 2.
 */
export function changeSerde<V>(inner: Serde<V> | undefined): WrappingSerde<Change<V>, V> {
  const known = (): Serde<V> => {
    if (inner) return inner
    throw new TypeError('the serde of the values is not known yet')
  }
  return {
    withFallback: (fallback) => changeSerde(inner ?? fallback()),
    serialize({ newValue, oldValue }) {
      const serde = known()
      const newBytes = newValue === null ? undefined : serde.serialize(newValue)
      const oldBytes = oldValue === null ? undefined : serde.serialize(oldValue)
      if (newBytes && oldBytes)
        return new Writer(newBytes.byteLength + oldBytes.byteLength + 6)
          .varint(newBytes.byteLength)
          .raw(newBytes)
          .raw(oldBytes)
          .uint8(2)
          .take()
      const only = newBytes ?? oldBytes
      if (!only) throw new TypeError('a change has no value, neither old nor new')
      return Buffer.concat([only, Buffer.of(newBytes ? 1 : 0)])
    },
    deserialize(bytes) {
      const serde = known()
      const kind = bytes[bytes.byteLength - 1]
      const rest = bytes.subarray(0, -1)
      if (kind === 0) return new Change<V>(null, serde.deserialize(rest))
      if (kind === 1) return new Change<V>(serde.deserialize(rest), null)
      if (kind !== 2)
        throw new RangeError(`change of kind ${kind}: written by Kafka Streams before 3.5?`)
      const reader = new Reader(rest)
      const newBytes = reader.slice(reader.varint())
      const oldBytes = reader.slice(reader.remaining)
      reader.finish()
      return new Change<V>(serde.deserialize(newBytes), serde.deserialize(oldBytes))
    },
  }
}
