import type { Serde } from '../serdes/serde.ts'
import type { BackingRange } from './state-store.ts'

/** Which keys are wanted, by their bytes; both bounds are included. */
export interface KeyRange {
  readonly from?: Buffer | undefined
  readonly to?: Buffer | undefined
  readonly prefix?: Buffer | undefined
}

export const isWithin = (key: Buffer, { from, to, prefix }: KeyRange): boolean =>
  (!from || Buffer.compare(key, from) >= 0) &&
  (!to || Buffer.compare(key, to) <= 0) &&
  (!prefix || key.subarray(0, prefix.byteLength).equals(prefix))

/** The keys from the first to the second, by their bytes; null leaves an end open. */
export const keyRange = <K>(serde: Serde<K>, from: K | null, to: K | null): KeyRange => ({
  from: from === null ? undefined : serde.serialize(from),
  to: to === null ? undefined : serde.serialize(to),
})

/** The bounds of a range; those of a prefix are the prefix itself and what comes next with none of its length. */
export const boundsOf = ({ from, to, prefix }: KeyRange): BackingRange =>
  prefix ? { from: prefix, before: successorOf(prefix) } : { from, to }

/** The first key that comes after all that begin with these bytes; undefined where there is none. */
function successorOf(prefix: Buffer): Buffer | undefined {
  let length = prefix.byteLength
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const next = Buffer.from(prefix.subarray(0, length))
  next[length - 1]!++
  return next
}
