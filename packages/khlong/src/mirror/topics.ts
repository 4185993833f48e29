import type { Admin, ConfigChange, TopicDescription } from '@khlong/kafka-client'
import { KhlongError } from '../errors.ts'
import { type Positions, positionsTopic } from './positions.ts'

/** A topic that is copied. */
export interface CopiedTopic {
  readonly name: string
  readonly partitions: number
  /** Its own settings, as they are at the source. */
  readonly configs: Readonly<Record<string, string>>
  readonly isCompacted: boolean
  readonly batchBytesMax: number
}

/**
 * While a topic is copied nothing of it is removed, and times stay what they are; its own settings come
 * when all is there.
 */
const copyConfigs: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'message.timestamp.type': 'CreateTime',
}
/** What would keep the copy from being written: the target's own number of replicas decides. */
const laterConfigs = ['min.insync.replicas']

/** The topics of the source, without those that Kafka keeps for itself. */
export async function readTopics(source: Admin): Promise<CopiedTopic[]> {
  const names = (await source.listTopics()).filter((name) => name !== positionsTopic)
  if (names.length === 0) return []
  const described = await source.describeTopics(names)
  const configs = await source.describeConfigs(
    described.map(({ name }) => ({ type: 'topic', name })),
  )
  return described.map(({ name, partitions }, index) => {
    const all = configs[index]!
    const value = (key: string): string => all.find((entry) => entry.name === key)?.value ?? ''
    const own = all.filter((entry) => entry.source === 'dynamic-topic' && entry.value !== null)
    return {
      name,
      partitions: partitions.length,
      configs: Object.fromEntries(own.map((entry) => [entry.name, entry.value!])),
      isCompacted: value('cleanup.policy').includes('compact'),
      batchBytesMax: Number(value('max.message.bytes')) || 1_048_588,
    }
  })
}

/**
 * Makes the topics at the target that are missing there, with settings for the time of the copy.
 *
 * @throws KhlongError `KHLONG_MIRROR_TOPIC` where one is there that this copy cannot go to
 */
export async function prepareTopics(
  target: Admin,
  topics: readonly CopiedTopic[],
  positions: Positions,
  { replicationFactor }: { readonly replicationFactor?: number | undefined },
): Promise<void> {
  const there = new Map(
    (await target.describeTopics()).map((topic) => [topic.name, topic] as const),
  )
  for (const topic of topics) {
    const found = there.get(topic.name)
    if (found) await useTopic(target, topic, found, positions)
    else
      await target.createTopics([
        {
          name: topic.name,
          partitions: topic.partitions,
          ...(replicationFactor === undefined ? {} : { replicationFactor }),
          configs: { ...withoutLater(topic.configs), ...copyConfigs },
        },
      ])
  }
}

async function useTopic(
  target: Admin,
  topic: CopiedTopic,
  found: TopicDescription,
  positions: Positions,
): Promise<void> {
  const { name, partitions } = topic
  const count = found.partitions.length
  const isOurs = positions.topics.has(name)
  if (count > partitions || (count < partitions && !isOurs))
    throw new KhlongError(
      'KHLONG_MIRROR_TOPIC',
      `topic ${name} has ${partitions} partitions here and ${count} at the target; delete it there, or make it with ${partitions}`,
      { fields: { topic: name } },
    )
  if (isOurs) {
    if (count < partitions) await target.createPartitions([{ name, count: partitions }])
    return
  }
  const ends = await target.listOffsets(
    found.partitions.map(({ partition }) => ({ topic: name, partition, spec: 'latest' })),
  )
  const used = ends.find(({ offset }) => offset > 0)
  if (used)
    throw new KhlongError(
      'KHLONG_MIRROR_TOPIC',
      `topic ${name} is at the target already, and was written to (partition ${used.partition} is at offset ${used.offset}) by somebody other than this copy; delete it there`,
      { fields: { topic: name, partition: used.partition } },
    )
  await target.incrementalAlterConfigs(
    { type: 'topic', name },
    Object.entries({ ...withoutLater(topic.configs), ...copyConfigs }).map(([key, value]) =>
      set(key, value),
    ),
  )
}

/** Gives topics at the target the settings that they have at the source. */
export async function settleTopics(target: Admin, topics: readonly CopiedTopic[]): Promise<void> {
  for (const { name, configs } of topics) {
    const temporary = Object.keys(copyConfigs).filter((key) => configs[key] === undefined)
    await target.incrementalAlterConfigs({ type: 'topic', name }, [
      ...Object.entries(configs).map(([key, value]) => set(key, value)),
      ...temporary.map((key): ConfigChange => ({ name: key, operation: 'delete' })),
    ])
  }
}

const set = (name: string, value: string): ConfigChange => ({ name, operation: 'set', value })

function withoutLater(configs: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(configs).filter(([key]) => !laterConfigs.includes(key)))
}
