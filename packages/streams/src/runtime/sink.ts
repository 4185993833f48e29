import { keyPartition, type Partitioner } from '@khlong/kafka-client'
import { StreamsError } from '../errors.ts'
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
      )
      if (refused) onError(refused)
      else counts.recordsOut++
    },
  }
}

/** A windowed key goes where its inner key goes, so that all windows of a key lie together. */
function windowedPartition(key: unknown, serde: Serde<unknown>): Partitioner | undefined {
  if (!(key instanceof Windowed) || !('inner' in serde)) return undefined
  const { inner } = serde as WindowedSerde<unknown>
  return (count) => keyPartition(inner.serialize(key.key), count)
}
