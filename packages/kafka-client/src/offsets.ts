import { ErrorCode, errorInfo } from '@khlong/kafka-protocol'
import { listOffsetsApi } from './consumer-apis.ts'
import { brokerError, clientError, type KafkaClientError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import type { TopicPartition } from './record.ts'
import { byTopic } from './transactions.ts'

/** Which offset of a partition is meant: an end, or the first record at or after a time. */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | number

/** Where a partition stands; `offset` is -1 where no record is that new. */
export interface ListedOffset extends TopicPartition {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

const specTimestamps = { latest: -1, earliest: -2, 'max-timestamp': -3 } as const

/** Asks the leaders for offsets, in the order of `partitions`; none may be named twice. */
export async function listOffsets(
  client: KafkaClient,
  partitions: readonly (TopicPartition & { readonly spec: OffsetSpec })[],
  options: { isCommitted?: boolean; signal?: AbortSignal | undefined } = {},
): Promise<ListedOffset[]> {
  const found = new Map<string, ListedOffset>()
  const keyOf = (one: TopicPartition): string => `${one.partition}:${one.topic}`
  const attempt = async (): Promise<void> => {
    const left = partitions.filter((one) => !found.has(keyOf(one)))
    const byLeader = new Map<number, typeof left>()
    for (const one of left) {
      const leaderId = await client.leader(one.topic, one.partition)
      const list = byLeader.get(leaderId)
      if (list) list.push(one)
      else byLeader.set(leaderId, [one])
    }
    let failure: KafkaClientError | undefined
    const ask = async (nodeId: number, wanted: typeof left): Promise<void> => {
      const connection = await client.connection(nodeId)
      if (wanted.some((one) => one.spec === 'max-timestamp'))
        if (connection.versionOf(listOffsetsApi) < 7)
          throw clientError('KAFKA_CLIENT_UNSUPPORTED', 'max-timestamp needs Kafka 3.0 or newer')
      const response = await connection.request(listOffsetsApi, {
        replicaId: -1,
        isolationLevel: options.isCommitted ? 1 : 0,
        topics: [...byTopic(wanted)].map(([name, list]) => ({
          name,
          partitions: list.map(({ partition, spec }) => ({
            partitionIndex: partition,
            timestamp: typeof spec === 'number' ? spec : specTimestamps[spec],
          })),
        })),
      })
      for (const topic of response.topics)
        for (const one of topic.partitions) {
          const place = { topic: topic.name, partition: one.partitionIndex }
          if (one.errorCode === 0) {
            const { offset, timestamp, leaderEpoch } = one
            found.set(keyOf(place), { ...place, offset, timestamp, leaderEpoch })
            continue
          }
          failure = brokerError(
            one.errorCode,
            `offsets of ${topic.name}-${one.partitionIndex}`,
            place,
          )
        }
    }
    await Promise.all([...byLeader].map(([nodeId, wanted]) => ask(nodeId, wanted)))
    if (failure) throw failure
  }
  await client.retrying('listing offsets', attempt, {
    signal: options.signal,
    onRetry: (error) => {
      const { errorCode } = error
      if (errorCode !== undefined && !errorInfo(errorCode).staleMetadata) return
      if (errorCode === ErrorCode.offsetNotAvailable) return
      const topics = [...new Set(partitions.map((one) => one.topic))]
      client.refreshMetadata(topics).catch(() => {})
    },
  })
  return partitions.map((one) => found.get(keyOf(one))!)
}
