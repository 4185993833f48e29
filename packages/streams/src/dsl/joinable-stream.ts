import { topologyError } from '../errors.ts'
import type { JoinWindows } from '../windows.ts'
import { GlobalKTable, globalTableView } from './global-ktable.ts'
import type { StreamParts } from './graph.ts'
import type { KStream } from './kstream.ts'
import { KTable, tableParts } from './ktable.ts'
import type { Joined, Named, StreamJoined } from './options.ts'
import type {
  AskedIfChanged,
  BothAsked,
  BothKnown,
  Forgotten,
  Given,
  KeyLearned,
  KnownIfChanged,
  Options,
  OtherValueAsked,
  OtherValueKnown,
  OtherValues,
  SerdesAre,
  SerdesState,
} from './serdes-state.ts'
import { addStreamJoin, type JoinedStream } from './stream-join.ts'
import { addLookup, addTableJoin } from './table-lookup.ts'

type Kind = 'inner' | 'left' | 'outer'
type KeyOf = (key: unknown, value: unknown) => unknown
type Joiner = (value: unknown, otherValue: unknown, key: unknown) => unknown

/** What is known behind a join of streams: both have gone through stores. */
type StreamsJoined<S extends SerdesState> = SerdesAre<Given[S['key']], Forgotten[S['value']]>
/** What is known behind a join with a table. */
type TableJoined<S extends SerdesState, O extends string> = SerdesAre<
  KeyLearned<S, O>,
  Forgotten[S['value']]
>

/** The joins of a {@link KStream}. */
export class JoinableStream<K, V, out S extends SerdesState = SerdesState> {
  readonly #stream: JoinedStream<K, V>

  /** @internal */
  constructor(parts: StreamParts<K, V>) {
    this.#stream = { ...parts, joinRepartition: undefined }
  }

  /**
   * Joins records of two streams that have one key and whose times are close enough. With a table
   * or a global table: joins each record with what the table has under its key, or under the key
   * that a function makes of the record; what finds nothing is left out.
   *
   * @example
   * clicks.join(impressions, (click, impression) => ({ click, impression }),
   *   JoinWindows.ofTimeDifferenceWithNoGrace(minutes(5)))
   * frames.join(sensors, (frame, sensor) => ({ ...frame, room: sensor.room }))
   * frames.join(places, (_key, frame) => frame.place, (frame, place) => ({ ...frame, place }))
   */
  join<VT, VR>(
    this: KnownIfChanged<S>,
    table: KTable<K, VT>,
    joiner: (value: V, tableValue: VT, key: K) => VR,
  ): KStream<K, VR, TableJoined<S, never>>
  join<VT, VR, O extends keyof Joined<K, V> = keyof Joined<K, V>>(
    table: KTable<K, VT>,
    joiner: (value: V, tableValue: VT, key: K) => VR,
    joined: Options<O, Joined<K, V>> & AskedIfChanged<S, K, V, O>,
  ): KStream<K, VR, TableJoined<S, O>>
  join<KG, VG, VR>(
    table: GlobalKTable<KG, VG>,
    keyOf: (key: K, value: V) => KG | null,
    joiner: (value: V, tableValue: VG, key: K) => VR,
    named?: Named,
  ): KStream<K, VR, OtherValues<S>>
  join<VO, VR, SO extends SerdesState = SerdesState>(
    this: BothKnown<S> & OtherValueKnown<SO>,
    other: KStream<K, VO, SO>,
    joiner: (value: V, otherValue: VO, key: K) => VR,
    windows: JoinWindows,
  ): KStream<K, VR, StreamsJoined<S>>
  join<
    VO,
    VR,
    SO extends SerdesState = SerdesState,
    O extends keyof StreamJoined<K, V, VO> = never,
  >(
    other: KStream<K, VO, SO>,
    joiner: (value: V, otherValue: VO, key: K) => VR,
    windows: JoinWindows,
    joined: Options<O, StreamJoined<K, V, VO>> & BothAsked<S, K, V, O> & OtherValueAsked<SO, VO, O>,
  ): KStream<K, VR, StreamsJoined<S>>
  // Two streams come last: where nothing fits, the compiler speaks of the last overload.
  join(other: unknown, ...rest: readonly unknown[]): unknown {
    return this.#join('inner', other, rest)
  }

  /**
   * As {@link KStream.join}, but every record of this stream comes out: what finds nothing has null
   * on the other side. With two streams it comes out when its window is over.
   *
   * @example
   * orders.leftJoin(payments, (order, payment) => ({ order, isPaid: payment !== null }),
   *   JoinWindows.ofTimeDifferenceAndGrace(hours(1), minutes(5)))
   */
  leftJoin<VT, VR>(
    this: KnownIfChanged<S>,
    table: KTable<K, VT>,
    joiner: (value: V, tableValue: VT | null, key: K) => VR,
  ): KStream<K, VR, TableJoined<S, never>>
  leftJoin<VT, VR, O extends keyof Joined<K, V> = keyof Joined<K, V>>(
    table: KTable<K, VT>,
    joiner: (value: V, tableValue: VT | null, key: K) => VR,
    joined: Options<O, Joined<K, V>> & AskedIfChanged<S, K, V, O>,
  ): KStream<K, VR, TableJoined<S, O>>
  leftJoin<KG, VG, VR>(
    table: GlobalKTable<KG, VG>,
    keyOf: (key: K, value: V) => KG | null,
    joiner: (value: V, tableValue: VG | null, key: K) => VR,
    named?: Named,
  ): KStream<K, VR, OtherValues<S>>
  leftJoin<VO, VR, SO extends SerdesState = SerdesState>(
    this: BothKnown<S> & OtherValueKnown<SO>,
    other: KStream<K, VO, SO>,
    joiner: (value: V, otherValue: VO | null, key: K) => VR,
    windows: JoinWindows,
  ): KStream<K, VR, StreamsJoined<S>>
  leftJoin<
    VO,
    VR,
    SO extends SerdesState = SerdesState,
    O extends keyof StreamJoined<K, V, VO> = never,
  >(
    other: KStream<K, VO, SO>,
    joiner: (value: V, otherValue: VO | null, key: K) => VR,
    windows: JoinWindows,
    joined: Options<O, StreamJoined<K, V, VO>> & BothAsked<S, K, V, O> & OtherValueAsked<SO, VO, O>,
  ): KStream<K, VR, StreamsJoined<S>>
  leftJoin(other: unknown, ...rest: readonly unknown[]): unknown {
    return this.#join('left', other, rest)
  }

  /**
   * As {@link KStream.join} of two streams, but every record of both comes out.
   *
   * @example
   * ours.outerJoin(theirs, (our, their) => our ?? their,
   *   JoinWindows.ofTimeDifferenceWithNoGrace(seconds(10)))
   */
  outerJoin<VO, VR, SO extends SerdesState = SerdesState>(
    this: BothKnown<S> & OtherValueKnown<SO>,
    other: KStream<K, VO, SO>,
    joiner: (value: V | null, otherValue: VO | null, key: K) => VR,
    windows: JoinWindows,
  ): KStream<K, VR, StreamsJoined<S>>
  outerJoin<
    VO,
    VR,
    SO extends SerdesState = SerdesState,
    O extends keyof StreamJoined<K, V, VO> = never,
  >(
    other: KStream<K, VO, SO>,
    joiner: (value: V | null, otherValue: VO | null, key: K) => VR,
    windows: JoinWindows,
    joined: Options<O, StreamJoined<K, V, VO>> & BothAsked<S, K, V, O> & OtherValueAsked<SO, VO, O>,
  ): KStream<K, VR, StreamsJoined<S>>
  outerJoin(other: unknown, ...rest: readonly unknown[]): unknown {
    return this.#join('outer', other, rest)
  }

  #join(kind: Kind, other: unknown, rest: readonly unknown[]): unknown {
    if (other instanceof JoinableStream) {
      const [joiner, windows, joined = {}] = rest as [
        Joiner,
        JoinWindows,
        StreamJoined<K, V, unknown>?,
      ]
      const right = other.#stream as JoinedStream<K, unknown>
      return this.#joinStream(kind, right, joiner, windows, joined)
    }
    if (other instanceof KTable) {
      const [joiner, joined = {}] = rest as [Joiner, Joined<K, V>?]
      return this.#joinTable(kind === 'left', other as KTable<K, unknown>, joiner, joined)
    }
    const { graph, node: parent, keySerde, rekeyed } = this.#stream
    if (other instanceof GlobalKTable) {
      const [keyOf, joiner, named = {}] = rest as [KeyOf, Joiner, Named?]
      const node = graph.name(named.name, 'KSTREAM-LEFTJOIN-')
      const view = globalTableView(other as GlobalKTable<unknown, unknown>)
      const isLeft = kind === 'left'
      addLookup(graph, node, parent, { view, isLeft, keyOf, joiner })
      return graph.newStream({ graph, node, keySerde, valueSerde: undefined, rekeyed })
    }
    throw topologyError(`${parent}: a stream is joined with a stream, a table or a global table`)
  }

  #joinStream(
    kind: Kind,
    right: JoinedStream<K, unknown>,
    joiner: Joiner,
    windows: JoinWindows,
    joined: StreamJoined<K, V, unknown>,
  ): unknown {
    const node = addStreamJoin<K, V, unknown>({
      left: this.#stream,
      right,
      isLeftOuter: kind !== 'inner',
      isRightOuter: kind === 'outer',
      windows,
      joiner,
      joined,
    })
    return this.#result(node, joined)
  }

  #joinTable(
    isLeft: boolean,
    table: KTable<K, unknown>,
    joiner: Joiner,
    joined: Joined<K, V>,
  ): unknown {
    const join = { stream: this.#stream, table: tableParts(table), isLeft, joiner, joined }
    return this.#result(addTableJoin<K, V>(join), joined)
  }

  #result(node: string, joined: Joined<K, V>): unknown {
    const { graph } = this.#stream
    const keySerde = joined.keySerde ?? this.#stream.keySerde
    return graph.newStream({ graph, node, keySerde, valueSerde: undefined, rekeyed: false })
  }
}
