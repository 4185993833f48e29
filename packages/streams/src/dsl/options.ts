import type { RecordContext } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import type { StoreSpec } from '../state/state-store.ts'
import type { OffsetReset, StreamPartitioner } from '../topology/topology.ts'

/** Names an operator; without it the name is made by Java's rules (`KSTREAM-FILTER-0000000001`). */
export interface Named {
  readonly name?: string | undefined
}

/** What a processor of yours is connected to. */
export interface WithStores extends Named {
  /** Names of stores that the builder has, or stores that come along and are added to it. */
  readonly stores?: readonly (string | StoreSpec)[] | undefined
}

/** How a topic is read. */
export interface Consumed<K, V> extends Named {
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** A negative time drops the record. Default: the record's own timestamp. */
  readonly timestampExtractor?:
    | ((record: Readonly<RecordContext>, value: V, partitionTimeMs: number) => number)
    | undefined
  /** Where to begin without a committed offset. Default: `auto.offset.reset`. */
  readonly offsetReset?: OffsetReset | undefined
}

/** How a topic is written. */
export interface Produced<K, V> extends Named {
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  readonly partitioner?: StreamPartitioner<K, V> | undefined
}

/** How a stream is grouped; the name is that of its repartition topic, if it needs one. */
export interface Grouped<K, V> extends Named {
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
}

/** How a stream goes through a topic of its own. */
export interface Repartitioned<K, V> extends Named {
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** Default: as many as the topics that feed it have. */
  readonly numberOfPartitions?: number | undefined
  readonly partitioner?: StreamPartitioner<K, V> | undefined
}

/**
 * How a stream is joined with a table. There is no grace period: it would need a versioned table,
 * which this library does not have yet.
 */
export interface Joined<K, V> extends Named {
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
}

/** How two streams are joined. The name is that of the nodes and of the repartition topics. */
export interface StreamJoined<K, V, VO> extends Named {
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  readonly otherValueSerde?: Serde<VO> | undefined
  /** What the names of the stores begin with. Default: the names of their nodes, by Java's rules. */
  readonly storeName?: string | undefined
  /** Settings of the changelog topics beside the defaults; false keeps no changelogs. */
  readonly logging?: Readonly<Record<string, string>> | false | undefined
}

/** How a table is kept. */
export interface Materialized<K, V> extends Named {
  /** A store without a name gets one by Java's rules, and cannot be asked. */
  readonly storeName?: string | undefined
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** Windows only: how long they are kept, counted from their start. Default: size and grace. */
  readonly retentionMs?: number | undefined
  /** `persistent` keeps the store on disk beside its changelog. Default: `default.dsl.store`. */
  readonly store?: 'persistent' | 'memory' | undefined
  /**
   * Holds changes back until a commit, or until the record cache is full: of each key the last one
   * leaves. Default true, as in Java; false lets every change leave at once.
   */
  readonly caching?: boolean | undefined
  /** Settings of the changelog topic beside the defaults; false keeps no changelog. */
  readonly logging?: Readonly<Record<string, string>> | false | undefined
}

/** @internal Whether a word is said about how a table is kept, beside its name. */
export const saysHow = <K, V>(materialized: Materialized<K, V>): boolean => {
  const { keySerde, valueSerde, store, retentionMs, logging, caching } = materialized
  const said = [keySerde, valueSerde, store, retentionMs, logging, caching]
  return said.some((one) => one !== undefined)
}

/** What bounds a suppress buffer; without it the buffer takes what comes. */
export interface BufferBounds extends Named {
  readonly maxRecords?: number | undefined
  /** Bytes of keys, values and what is known of their records, counted as Java counts them. */
  readonly maxBytes?: number | undefined
  /** Settings of the buffer's changelog topic beside the defaults; false keeps no changelog. */
  readonly logging?: Readonly<Record<string, string>> | false | undefined
}

/** When results leave a {@link KTable.suppress}. */
export interface Suppression extends BufferBounds {
  readonly kind: 'window-close' | 'time-limit'
  readonly waitMs: number
  readonly whenFull: 'emit-early' | 'shut-down'
}

/** The two ways to hold back a table's changes. */
export const Suppressed = {
  /** One final result per window, when its end and grace have passed. A bound that is exceeded ends the application. */
  untilWindowCloses(bounds: BufferBounds = {}): Suppression {
    return { ...bounds, kind: 'window-close', waitMs: 0, whenFull: 'shut-down' }
  },
  /** At most one result per key in each `waitMs` of stream time; earlier where the buffer is full. */
  untilTimeLimit(
    waitMs: number,
    bounds: BufferBounds & { readonly whenFull?: 'emit-early' | 'shut-down' } = {},
  ): Suppression {
    return { ...bounds, kind: 'time-limit', waitMs, whenFull: bounds.whenFull ?? 'emit-early' }
  },
} as const
