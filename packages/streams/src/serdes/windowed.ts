import { Windowed } from '../windows.ts'
import type { Serde } from './serde.ts'

const timestampBytes = 8
const sequenceBytes = 4

/** Writes a safe integer as int64, big-endian. */
export function writeInt64(buffer: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  buffer.writeInt32BE(high, at)
  buffer.writeUInt32BE(value - high * 0x1_0000_0000, at + 4)
}

/** Reads an int64, big-endian; what lies beyond 2^53 is rounded. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4)
}

/** A windowed key that knows how its inner key is written, so that a sink can partition by it. */
export interface WindowedSerde<K> extends Serde<Windowed<K>> {
  readonly inner: Serde<K>
}

/**
 * Keys of time windows in Java's layout: the key's bytes, then the window's start as int64.
 * The end is not written, so `windowSizeMs` must be the size that wrote the key.
 */
export function timeWindowedSerde<K>(inner: Serde<K>, windowSizeMs: number): WindowedSerde<K> {
  return {
    inner,
    serialize: (windowed) =>
      withWindowStart(inner.serialize(windowed.key), windowed.window.startMs, 0),
    deserialize(bytes) {
      const keyEnd = bytes.byteLength - timestampBytes
      if (keyEnd < 0) throw new RangeError(`windowed key of ${bytes.byteLength} bytes`)
      const startMs = readInt64(bytes, keyEnd)
      return new Windowed(inner.deserialize(bytes.subarray(0, keyEnd)), {
        startMs,
        endMs: startMs + windowSizeMs,
      })
    },
  }
}

/**
 * Keys of sessions in Java's layout, which is that of a session store's changelog, too: the key's
 * bytes, then the session's end and its start as int64.
 */
export function sessionWindowedSerde<K>(inner: Serde<K>): WindowedSerde<K> {
  return {
    inner,
    serialize: ({ key, window }) =>
      sessionStoreKey(inner.serialize(key), window.startMs, window.endMs),
    deserialize(bytes) {
      const split = splitSessionStoreKey(bytes)
      if (!split) throw new RangeError(`session key of ${bytes.byteLength} bytes`)
      const { key, startMs, endMs } = split
      return new Windowed(inner.deserialize(key), { startMs, endMs })
    },
  }
}

/** A key of a session store's changelog: key, end as int64, start as int64. */
export function sessionStoreKey(key: Buffer, startMs: number, endMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(key.byteLength + 2 * timestampBytes)
  key.copy(bytes)
  writeInt64(bytes, endMs, key.byteLength)
  writeInt64(bytes, startMs, key.byteLength + timestampBytes)
  return bytes
}

/** Takes a changelog key of a session store apart; undefined where it is too short. `key` is borrowed. */
export function splitSessionStoreKey(
  bytes: Buffer,
): { key: Buffer; startMs: number; endMs: number } | undefined {
  const keyEnd = bytes.byteLength - 2 * timestampBytes
  if (keyEnd < 0) return undefined
  return {
    key: bytes.subarray(0, keyEnd),
    startMs: readInt64(bytes, keyEnd + timestampBytes),
    endMs: readInt64(bytes, keyEnd),
  }
}

/** A key of a window store's changelog: key, start as int64, sequence number 0 as int32. */
export function windowStoreKey(key: Buffer, startMs: number): Buffer {
  return withWindowStart(key, startMs, sequenceBytes)
}

/** Takes a changelog key of a window store apart; undefined where it is too short. `key` is borrowed. */
export function splitWindowStoreKey(bytes: Buffer): { key: Buffer; startMs: number } | undefined {
  const keyEnd = bytes.byteLength - timestampBytes - sequenceBytes
  if (keyEnd < 0) return undefined
  return { key: bytes.subarray(0, keyEnd), startMs: readInt64(bytes, keyEnd) }
}

function withWindowStart(key: Buffer, startMs: number, extraBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(key.byteLength + timestampBytes + extraBytes)
  key.copy(bytes)
  writeInt64(bytes, startMs, key.byteLength)
  bytes.fill(0, key.byteLength + timestampBytes)
  return bytes
}
