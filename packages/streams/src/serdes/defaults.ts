import { topologyError } from '../errors.ts'
import type { WrappingSerde } from './change.ts'
import type { Serde } from './serde.ts'

/** The serde of keys that was given, or the default one; `where` says who needs it. */
export function keySerdeOr<K>(
  given: Serde<K> | undefined,
  fallback: Serde<unknown> | undefined,
  where: string,
): Serde<K> {
  return given ?? (needed(fallback, 'key', where) as Serde<K>)
}

/** The serde of values that was given, or the default one, also within one that wraps it. */
export function valueSerdeOr<V>(
  given: Serde<V> | undefined,
  fallback: Serde<unknown> | undefined,
  where: string,
): Serde<V> {
  if (given && 'withFallback' in given)
    return (given as WrappingSerde<V, unknown>).withFallback(() => needed(fallback, 'value', where))
  return given ?? (needed(fallback, 'value', where) as Serde<V>)
}

function needed(
  serde: Serde<unknown> | undefined,
  what: 'key' | 'value',
  where: string,
): Serde<unknown> {
  if (serde) return serde
  throw topologyError(
    `${where} needs a ${what}Serde: give it to the operator, or set default.${what}.serde`,
  )
}
