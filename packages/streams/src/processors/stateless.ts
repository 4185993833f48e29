import type { Change } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'

// The operators that keep nothing. Keys and values are `unknown` here: the DSL gives the types.

type Mapper<T> = (key: unknown, value: unknown) => T

export const filterProcessor =
  (predicate: Mapper<boolean>, negate: boolean): ProcessorSupplier =>
  (context) => ({
    process(key, value, timestampMs) {
      if (predicate(key, value) !== negate) context.forward(key, value, timestampMs)
    },
  })

/** Drops what has no key, in front of a repartition topic, where nothing behind it can use that. */
export const keyedOnlyProcessor =
  (isNullKeyUsed: () => boolean): ProcessorSupplier =>
  (context) => {
    const passesAll = isNullKeyUsed()
    return {
      process(key, value, timestampMs) {
        if (key === null && !passesAll) context.drop('null-key')
        else context.forward(key, value, timestampMs)
      },
    }
  }

export const passProcessor: ProcessorSupplier = (context) => ({
  process: (key, value, timestampMs) => context.forward(key, value, timestampMs),
})

export const mapProcessor =
  (mapper: Mapper<readonly [unknown, unknown]>): ProcessorSupplier =>
  (context) => ({
    process(key, value, timestampMs) {
      const pair = mapper(key, value)
      context.forward(pair[0], pair[1], timestampMs)
    },
  })

export const mapValuesProcessor =
  (mapper: (value: unknown, key: unknown) => unknown): ProcessorSupplier =>
  (context) => ({
    process: (key, value, timestampMs) => context.forward(key, mapper(value, key), timestampMs),
  })

export const mapValuesAsyncProcessor =
  (mapper: (value: unknown, key: unknown) => Promise<unknown>): ProcessorSupplier =>
  (context) => ({
    process(key, value, timestampMs) {
      context.defer(mapper(value, key), (mapped) => context.forward(key, mapped, timestampMs))
    },
  })

export const selectKeyProcessor =
  (mapper: Mapper<unknown>): ProcessorSupplier =>
  (context) => ({
    process: (key, value, timestampMs) => context.forward(mapper(key, value), value, timestampMs),
  })

export const flatMapProcessor =
  (mapper: Mapper<Iterable<readonly [unknown, unknown]>>): ProcessorSupplier =>
  (context) => ({
    process(key, value, timestampMs) {
      for (const pair of mapper(key, value)) context.forward(pair[0], pair[1], timestampMs)
    },
  })

export const flatMapValuesProcessor =
  (mapper: (value: unknown, key: unknown) => Iterable<unknown>): ProcessorSupplier =>
  (context) => ({
    process(key, value, timestampMs) {
      for (const mapped of mapper(value, key)) context.forward(key, mapped, timestampMs)
    },
  })

export const peekProcessor =
  (action: Mapper<void>, forward: boolean): ProcessorSupplier =>
  (context) => ({
    process(key, value, timestampMs) {
      action(key, value)
      if (forward) context.forward(key, value, timestampMs)
    },
  })

/** Sends each record to the first child whose predicate holds; the list may still grow. */
export const branchProcessor =
  (
    branches: readonly { readonly name: string; readonly predicate: Mapper<boolean> }[],
  ): ProcessorSupplier =>
  (context) => ({
    process(key, value, timestampMs) {
      for (const { name, predicate } of branches) {
        if (!predicate(key, value)) continue
        context.forwardTo(name, key, value, timestampMs)
        return
      }
    },
  })

/** Turns a table's changes into records of its new values. */
export const toStreamProcessor: ProcessorSupplier = (context) => ({
  process: (key, change, timestampMs) =>
    context.forward(key, (change as Change<unknown>).newValue, timestampMs),
})
