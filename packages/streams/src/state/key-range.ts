import type { Serde } from '../serdes/serde.ts'

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
