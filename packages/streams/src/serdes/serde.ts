/**
 * Turns values of one kind into bytes and back. Null never reaches a serde: a record without a key
 * or value has null on both sides. What `deserialize` gives must not borrow `bytes`.
 */
export interface Serde<T> {
  serialize(value: T): Buffer
  deserialize(bytes: Buffer): T
}

/**
 * Serdes whose `deserialize` keeps nothing of the bytes: they are given bytes that are overwritten afterwards. Those of
 * users should keep nothing either, and are given bytes of their own.
 */
export const copyingSerdes: WeakSet<object> = new WeakSet()

export function copying<T>(serde: Serde<T>): Serde<T> {
  copyingSerdes.add(serde)
  return serde
}

function sized<T>(
  name: string,
  byteCount: number,
  write: (buffer: Buffer, value: T) => void,
  read: (buffer: Buffer) => T,
): Serde<T> {
  return copying({
    serialize(value) {
      const buffer = Buffer.allocUnsafe(byteCount)
      write(buffer, value)
      return buffer
    },
    deserialize(bytes) {
      if (bytes.byteLength !== byteCount)
        throw new RangeError(`${name}: expected ${byteCount} bytes, found ${bytes.byteLength}`)
      return read(bytes)
    },
  })
}

/** UTF-8 text. */
export const stringSerde: Serde<string> = copying({
  serialize(value) {
    if (typeof value !== 'string') throw new TypeError(`expected a string, found ${typeof value}`)
    return Buffer.from(value)
  },
  deserialize: (bytes) => bytes.toString(),
})

/** Bytes as they are. */
export const bytesSerde: Serde<Buffer> = copying({
  serialize: (value) => value,
  deserialize(bytes) {
    const copy = Buffer.allocUnsafe(bytes.byteLength)
    bytes.copy(copy)
    return copy
  },
})

/** Java's Long: eight bytes, big-endian, as a number that must be a safe integer. */
export const longSerde: Serde<number> = sized(
  'long',
  8,
  (buffer, value) => {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`)
    const high = Math.floor(value / 0x1_0000_0000)
    buffer.writeInt32BE(high, 0)
    buffer.writeUInt32BE(value - high * 0x1_0000_0000, 4)
  },
  (buffer) => {
    const value = buffer.readInt32BE(0) * 0x1_0000_0000 + buffer.readUInt32BE(4)
    if (!Number.isSafeInteger(value)) throw new RangeError('long beyond 2^53; use serdes.bigLong')
    return value
  },
)

/** Java's Long as a bigint. */
export const bigLongSerde: Serde<bigint> = sized(
  'long',
  8,
  (buffer, value) => buffer.writeBigInt64BE(value),
  (buffer) => buffer.readBigInt64BE(),
)

/** Java's Integer: four bytes, big-endian. */
export const integerSerde: Serde<number> = sized(
  'integer',
  4,
  (buffer, value) => buffer.writeInt32BE(value),
  (buffer) => buffer.readInt32BE(),
)

/** Java's Short: two bytes, big-endian. */
export const shortSerde: Serde<number> = sized(
  'short',
  2,
  (buffer, value) => buffer.writeInt16BE(value),
  (buffer) => buffer.readInt16BE(),
)

/** Java's Double: IEEE 754, eight bytes, big-endian. */
export const doubleSerde: Serde<number> = sized(
  'double',
  8,
  (buffer, value) => buffer.writeDoubleBE(value),
  (buffer) => buffer.readDoubleBE(),
)

/** Java's Float: IEEE 754, four bytes, big-endian. */
export const floatSerde: Serde<number> = sized(
  'float',
  4,
  (buffer, value) => buffer.writeFloatBE(value),
  (buffer) => buffer.readFloatBE(),
)

/** Java's Boolean: one byte, 1 or 0. */
export const booleanSerde: Serde<boolean> = sized(
  'boolean',
  1,
  (buffer, value) => buffer.writeUInt8(value ? 1 : 0),
  (buffer) => {
    const byte = buffer.readUInt8()
    if (byte > 1) throw new RangeError(`expected 0 or 1, found ${byte}`)
    return byte === 1
  },
)
