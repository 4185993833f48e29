import { openSync, writeSync } from 'node:fs'
import { inspect } from 'node:util'
import type { Named } from './options.ts'

/** What a line of {@link KStream.print} says. */
export interface PrintOptions<K, V> extends Named {
  /** Default: the name of the node before. */
  readonly label?: string | undefined
  /** Default: `key, value`. */
  readonly mapper?: ((key: K, value: V) => string) | undefined
}

/** Where {@link KStream.print} writes, and what. */
export interface Printed<K, V> extends PrintOptions<K, V> {
  readonly write: (line: string) => void
}

/** The two places that lines are printed to. */
export const Printed = {
  /** Prints to the standard output. */
  toSysOut<K, V>(options: PrintOptions<K, V> = {}): Printed<K, V> {
    return { ...options, write: (line) => void process.stdout.write(line) }
  },
  /** Prints to a file, which is made anew. Each line is written before the next record is taken. */
  toFile<K, V>(path: string, options: PrintOptions<K, V> = {}): Printed<K, V> {
    const file = openSync(path, 'w')
    return { ...options, write: (line) => void writeSync(file, line) }
  },
} as const

/** Writes a record as Java's `Printed` does. */
export function printAction<K, V>(
  { label, mapper, write }: Printed<K, V>,
  node: string,
): (key: unknown, value: unknown) => void {
  return (key, value) => {
    const text = mapper ? mapper(key as K, value as V) : `${textOf(key)}, ${textOf(value)}`
    write(`[${label ?? node}]: ${text}\n`)
  }
}

/** As Java says null and text; an object without a text of its own is shown as it is. */
const textOf = (value: unknown): string =>
  typeof value === 'object' && value !== null && String(value) === '[object Object]'
    ? inspect(value, { breakLength: Number.POSITIVE_INFINITY })
    : String(value)
