import { keyPartition, type Partitioner, type Receipt } from '@khlong/kafka-client'
import { StreamsError } from '../errors.ts'
import type { TaskRecord } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import type { WindowedSerde } from '../serdes/windowed.ts'
import type { NodeProcessor } from '../topology/processor-node.ts'
import type { SinkSpec } from '../topology/topology.ts'
import { Windowed } from '../windows.ts'
import type { RecordCollector, TaskCounts } from './task.ts'
import type { TaskNode } from './task-node.ts'

interface SinkPorts {
  readonly collector: RecordCollector
  readonly realTopic: (topic: string) => string
  readonly counts: TaskCounts
  readonly onError: (error: unknown) => void
}

/** Writes records to a topic, or to the one that an extractor names. */
export function sinkProcessor(spec: SinkSpec, node: TaskNode, ports: SinkPorts): NodeProcessor {
  const { collector, counts, onError } = ports
  const keySerde = node.keySerde(spec.keySerde)
  const valueSerde = node.valueSerde(spec.valueSerde)
  const extractor = typeof spec.topic === 'string' ? undefined : spec.topic
  const fixedTopic = typeof spec.topic === 'string' ? ports.realTopic(spec.topic) : ''
  const origins = new OriginsOf(node, collector)
  const fixedTotals = extractor ? undefined : node.metrics.topic(fixedTopic)
  return {
    process(key, value, timestampMs) {
      if (timestampMs < 0)
        throw new StreamsError(
          'STREAMS_TIMESTAMP_INVALID',
          `${spec.name}: a record with timestamp ${timestampMs} cannot be sent`,
        )
      const topic = extractor ? extractor(key, value, node.record) : fixedTopic
      let keyBytes: Buffer | null
      let valueBytes: Buffer | null
      try {
        keyBytes = key === null ? null : keySerde.serialize(key)
        valueBytes = value === null ? null : valueSerde.serialize(value)
      } catch (error) {
        return onError(error)
      }
      const partitionOf = spec.partitioner
        ? (count: number) => spec.partitioner?.(topic, key, value, count)
        : windowedPartition(key, keySerde)
      const count = partitionOf && collector.partitionCount(topic)
      // The first records for a topic wait for what is known of it.
      const partition = count === undefined ? partitionOf : partitionOf?.(count)
      const refused = collector.send(
        topic,
        partition,
        keyBytes,
        valueBytes,
        timestampMs,
        node.record.carriedHeaders,
        origins.of(node.record),
        node.record.offset,
      )
      if (refused) return onError(refused)
      counts.recordsOut++
      const totals = fixedTotals ?? node.metrics.topic(topic)
      totals.add(keyBytes, valueBytes, node.record.carriedHeaders)
    },
  }
}

/** What is told how a sink's records ended: one for each partition that they come from. */
class OriginsOf {
  readonly #node: TaskNode
  readonly #collector: RecordCollector
  readonly #byTopic = new Map<string, { readonly partition: number; readonly receipt: Receipt }>()
  #last: Receipt | undefined
  #lastTopic: string | undefined
  #lastPartition = -1

  constructor(node: TaskNode, collector: RecordCollector) {
    this.#node = node
    this.#collector = collector
  }

  of({ topic, partition }: TaskRecord): Receipt | undefined {
    if (topic === this.#lastTopic && partition === this.#lastPartition) return this.#last
    const { taskId, nodeName } = this.#node
    let known = this.#byTopic.get(topic)
    if (known?.partition !== partition) {
      const receipt = this.#collector.origin?.({ taskId, nodeName, topic, partition })
      if (!receipt) return undefined
      known = { partition, receipt }
      this.#byTopic.set(topic, known)
    }
    this.#lastTopic = topic
    this.#lastPartition = partition
    this.#last = known.receipt
    return this.#last
  }
}

/** A windowed key goes where its inner key goes, so that all windows of a key lie together. */
function windowedPartition(key: unknown, serde: Serde<unknown>): Partitioner | undefined {
  if (!(key instanceof Windowed) || !('inner' in serde)) return undefined
  const { inner } = serde as WindowedSerde<unknown>
  return (count) => keyPartition(inner.serialize(key.key), count)
}
