import { type StreamsError, topologyError } from '../errors.ts'
import type { SubTopology, Topology } from '../topology/topology.ts'
import { changelogTopic } from './task.ts'
import { formatTaskId } from './task-id.ts'
import { internalTopicNamer } from './topic-names.ts'

/** A topic that an application needs for itself, with the settings that Java gives it. */
export interface InternalTopicPlan {
  readonly name: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

/** What follows from a topology once the partitions of its source topics are known. */
export interface TaskPlan {
  readonly repartitionTopics: readonly InternalTopicPlan[]
  readonly changelogTopics: readonly InternalTopicPlan[]
  /** Every task, with the partitions that it reads, ordered by sub-topology, then by partition. */
  readonly tasks: readonly PlannedTask[]
}

export interface PlannedTask {
  readonly id: string
  readonly subTopology: SubTopology
  readonly partition: number
  readonly sources: readonly { readonly topic: string; readonly partition: number }[]
  readonly isStateful: boolean
}

const commonConfig = { 'message.timestamp.type': 'CreateTime' } as const

const repartitionConfig = {
  ...commonConfig,
  'cleanup.policy': 'delete',
  'segment.bytes': '52428800',
  'retention.ms': '-1',
} as const

/** The real names of the topics that a topology reads, and of those among them that it makes itself. */
export function sourceTopics(
  topology: Topology,
  applicationId: string,
): { external: string[]; internal: string[] } {
  const realTopic = internalTopicNamer(topology, applicationId)
  const external: string[] = []
  const internal: string[] = []
  for (const { sourceTopics: topics } of topology.subTopologies())
    for (const topic of topics)
      (topology.internalTopics.has(topic) ? internal : external).push(realTopic(topic))
  return { external, internal }
}

/**
 * Says which tasks and internal topics a topology has. A repartition topic without a number of its
 * own gets that of the widest sub-topology that writes to it.
 *
 * @param partitionsOf the partition count of each external source topic
 * @param topicConfig settings of internal topics, over the defaults and under those of a store
 */
export function planTasks(
  topology: Topology,
  applicationId: string,
  partitionsOf: (topic: string) => number,
  additionalRetentionMs: number,
  topicConfig: Readonly<Record<string, string>> = {},
): TaskPlan {
  const subTopologies = topology.subTopologies()
  const realTopic = internalTopicNamer(topology, applicationId)
  const widths = repartitionWidths(topology, subTopologies, partitionsOf)
  const widthOf = (topic: string): number => widths.get(topic) ?? partitionsOf(topic)
  const tasks: PlannedTask[] = []
  const changelogTopics: InternalTopicPlan[] = []
  for (const subTopology of subTopologies) {
    const taskCount = Math.max(0, ...subTopology.sourceTopics.map(widthOf))
    for (let partition = 0; partition < taskCount; partition++)
      tasks.push({
        id: formatTaskId(subTopology.id, partition),
        subTopology,
        partition,
        sources: subTopology.sourceTopics
          .filter((topic) => partition < widthOf(topic))
          .map((topic) => ({ topic: realTopic(topic), partition })),
        isStateful: subTopology.stores.length > 0,
      })
    for (const store of subTopology.stores) {
      if (store.logging === false) continue
      const retention = {
        'cleanup.policy': 'compact,delete',
        'retention.ms': String((store.retentionMs ?? 0) + additionalRetentionMs),
      }
      changelogTopics.push({
        name: changelogTopic(applicationId, store.name),
        partitions: taskCount,
        config: {
          ...commonConfig,
          ...(store.kind === 'window' ? retention : { 'cleanup.policy': 'compact' }),
          ...topicConfig,
          ...store.logging,
        },
      })
    }
  }
  const repartitionTopics = [...widths].map(([topic, partitions]) => ({
    name: realTopic(topic),
    partitions,
    config: { ...repartitionConfig, ...topicConfig },
  }))
  return { repartitionTopics, changelogTopics, tasks }
}

/** Widths flow from one sub-topology to the next until all are known. */
function repartitionWidths(
  topology: Topology,
  subTopologies: readonly SubTopology[],
  partitionsOf: (topic: string) => number,
): Map<string, number> {
  const widths = new Map<string, number>()
  for (const { name, partitions } of topology.internalTopics.values())
    if (partitions !== undefined) widths.set(name, partitions)
  const widthOf = (topic: string): number | undefined =>
    topology.internalTopics.has(topic) ? widths.get(topic) : partitionsOf(topic)
  const external = (topic: string): boolean => !topology.internalTopics.has(topic)
  // Topics whose records meet have one number of partitions: that of those that are there already.
  for (const group of topology.copartitioned) {
    const known = [...group].filter((topic) => external(topic) || widths.has(topic))
    const [first] = known
    if (first === undefined) continue
    for (const topic of known)
      if (widthOf(topic) !== widthOf(first)) throw notCopartitioned(known, widthOf)
    for (const topic of group)
      if (!widths.has(topic) && !external(topic)) widths.set(topic, widthOf(first)!)
  }
  for (let found = true; found; ) {
    found = false
    for (const topic of topology.internalTopics.keys()) {
      if (widths.has(topic)) continue
      const writers = subTopologies.filter(({ sinkTopics }) => sinkTopics.includes(topic))
      const sources = writers.flatMap((writer) => writer.sourceTopics).map(widthOf)
      if (sources.length === 0 || sources.includes(undefined)) continue
      widths.set(topic, Math.max(...sources.map((width) => width ?? 0)))
      found = true
    }
  }
  // Where all of them are the application's own, they are as wide as the widest.
  for (const group of topology.copartitioned) {
    const internal = [...group].filter((topic) => !external(topic))
    const isFree =
      internal.length === group.size && internal.every((topic) => !hasOwnWidth(topology, topic))
    const widest = Math.max(...internal.map((topic) => widths.get(topic) ?? 0))
    if (isFree && widest > 0) for (const topic of internal) widths.set(topic, widest)
  }
  for (const topic of topology.internalTopics.keys())
    if (!widths.has(topic))
      throw topologyError(`${topic} feeds itself; give it a numberOfPartitions`)
  return widths
}

const hasOwnWidth = (topology: Topology, topic: string): boolean =>
  topology.internalTopics.get(topic)?.partitions !== undefined

function notCopartitioned(
  topics: readonly string[],
  widthOf: (topic: string) => number | undefined,
): StreamsError {
  const widths = topics.map((topic) => `${topic} has ${widthOf(topic)}`).join(', ')
  return topologyError(
    `topics whose records are joined need one number of partitions: ${widths}; repartition one of the streams`,
  )
}

/** Sub-topologies whose records can come to this one through repartition topics, itself included. */
export function upstreamOf(
  subTopology: SubTopology,
  subTopologies: readonly SubTopology[],
): Set<SubTopology> {
  const upstream = new Set([subTopology])
  for (const one of upstream)
    for (const other of subTopologies)
      if (other.sinkTopics.some((topic) => one.sourceTopics.includes(topic))) upstream.add(other)
  return upstream
}
