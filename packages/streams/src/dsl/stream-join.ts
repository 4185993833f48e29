import { passProcessor } from '../processors/stateless.ts'
import {
  JoinTimes,
  joinWindowProcessor,
  type StreamJoinPlan,
  streamJoinProcessor,
} from '../processors/stream-join.ts'
import type { Serde } from '../serdes/serde.ts'
import { joinWindowStore } from '../state/join-window-store.ts'
import { outerJoinStore } from '../state/outer-join-store.ts'
import type { JoinWindows } from '../windows.ts'
import { addRepartition, type Upstream } from './graph.ts'
import type { StreamJoined } from './options.ts'

/** A stream as a join sees it. */
export interface JoinedStream<K, V> extends Upstream<K, V> {
  readonly rekeyed: boolean
  /** The source node behind a repartition topic that an earlier join made. */
  joinRepartition: string | undefined
}

/**
 * The node behind which a stream lies by its keys. A stream that several joins send through a topic
 * without a name of its own goes there once.
 *
 * @param name the name of the topic, without which the stream's node gives it
 */
export function repartitionForJoin<K, V>(
  stream: JoinedStream<K, V>,
  name: string | undefined,
  keySerde: Serde<K> | undefined,
  valueSerde: Serde<V> | undefined,
): string {
  if (!stream.rekeyed) return stream.node
  const prefix = name ?? stream.node
  if (stream.joinRepartition !== undefined && name === undefined) {
    for (let count = 0; count < 3; count++) stream.graph.newName('')
    return stream.joinRepartition
  }
  const { graph, node } = stream
  stream.joinRepartition = addRepartition({ graph, node, keySerde, valueSerde, prefix })
  return stream.joinRepartition
}

export interface StreamJoin<K, V, VO> {
  readonly left: JoinedStream<K, V>
  readonly right: JoinedStream<K, VO>
  readonly isLeftOuter: boolean
  readonly isRightOuter: boolean
  readonly windows: JoinWindows
  readonly joiner: (value: V, otherValue: VO, key: K) => unknown
  readonly joined: StreamJoined<K, V, VO>
}

/** Adds a join of two streams and gives the node of its results. */
export function addStreamJoin<K, V, VO>(join: StreamJoin<K, V, VO>): string {
  const { left, right, isLeftOuter, isRightOuter, windows, joined } = join
  const { graph } = left
  const { name } = joined
  const keySerde = joined.keySerde ?? left.keySerde
  const leftSerde = joined.valueSerde ?? left.valueSerde
  const rightSerde = joined.otherValueSerde ?? right.valueSerde
  const suffixOf = (side: string): string | undefined => name && `${name}-${side}`
  const leftParent = repartitionForJoin(left, suffixOf('left'), keySerde, leftSerde)
  const rightParent = repartitionForJoin(right, suffixOf('right'), keySerde, rightSerde)
  graph.topology.copartition([leftParent, rightParent])

  const leftSuffix = isRightOuter ? '-outer-this-join' : '-this-join'
  const rightSuffix = isLeftOuter ? '-outer-other-join' : '-other-join'
  const windowedLeft = graph.suffixed(name, '-this-windowed', 'KSTREAM-WINDOWED-')
  const windowedRight = graph.suffixed(name, '-other-windowed', 'KSTREAM-WINDOWED-')
  const leftPrefix = isRightOuter ? 'KSTREAM-OUTERTHIS-' : 'KSTREAM-JOINTHIS-'
  const leftGenerated = graph.newName(leftPrefix)
  const rightGenerated = graph.newName(isLeftOuter ? 'KSTREAM-OUTEROTHER-' : 'KSTREAM-JOINOTHER-')
  const leftNode = name === undefined ? leftGenerated : name + leftSuffix
  const rightNode = name === undefined ? rightGenerated : name + rightSuffix
  const merge = graph.suffixed(name, '-merge', 'KSTREAM-MERGE-')

  const base = joined.storeName
  const leftStore = `${base === undefined ? leftGenerated : base + leftSuffix}-store`
  const rightStore = `${base === undefined ? rightGenerated : base + rightSuffix}-store`
  const sharedSuffix = isRightOuter ? '-outer-shared-join' : '-left-shared-join'
  const sharedName =
    base === undefined
      ? `KSTREAM-OUTERSHARED-${leftGenerated.slice(leftPrefix.length)}`
      : base + sharedSuffix
  const outerStoreName = isLeftOuter ? `${sharedName}-store` : undefined
  const plan: StreamJoinPlan = {
    windows,
    joiner: (key, value, other) => join.joiner(value as V, other as VO, key as K),
    outerStoreName,
    times: new JoinTimes(),
  }
  const retentionMs = windows.sizeMs + windows.graceMs
  const shared = { keySerde, logging: joined.logging, persistent: graph.persistentByDefault }
  graph.topology
    .addNode(windowedLeft, joinWindowProcessor(leftStore), [leftParent])
    .addStateStore(
      joinWindowStore({ ...shared, name: leftStore, retentionMs, valueSerde: leftSerde }),
      windowedLeft,
    )
    .addNode(windowedRight, joinWindowProcessor(rightStore), [rightParent])
    .addStateStore(
      joinWindowStore({ ...shared, name: rightStore, retentionMs, valueSerde: rightSerde }),
      windowedRight,
    )
    .addNode(
      leftNode,
      streamJoinProcessor(plan, {
        isLeft: true,
        isOuter: isLeftOuter,
        otherStoreName: rightStore,
      }),
      [windowedLeft],
      [rightStore],
    )
    .addNode(
      rightNode,
      streamJoinProcessor(plan, {
        isLeft: false,
        isOuter: isRightOuter,
        otherStoreName: leftStore,
      }),
      [windowedRight],
      [leftStore],
    )
    .addNode(merge, passProcessor, [leftNode, rightNode])
  if (isLeftOuter) graph.usesNullKeys(merge)
  if (outerStoreName !== undefined)
    graph.topology.addStateStore(
      outerJoinStore({
        ...shared,
        name: outerStoreName,
        leftSerde: leftSerde as Serde<unknown> | undefined,
        rightSerde: rightSerde as Serde<unknown> | undefined,
      }),
      leftNode,
      rightNode,
    )
  return merge
}
