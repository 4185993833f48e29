import type { Admin, TopicDescription } from '@khlong/kafka-client'
import { KafkaClientError } from '@khlong/kafka-client'
import { topicSettings } from '../client-settings.ts'
import type { ResolvedStreamsSettings } from '../config.ts'
import { StreamsError } from '../errors.ts'
import type { Topology } from '../topology/topology.ts'
import { type InternalTopicPlan, planTasks, sourceTopics, type TaskPlan } from './task-plan.ts'

/** The tasks of an application, and topics that are there for them. */
export interface PreparedTopics extends TaskPlan {
  /** What is written under fixed names, changelogs and repartition topics included. */
  readonly writtenTopics: readonly string[]
}

/**
 * Looks at the topics that a topology reads, makes those that it needs for itself, and says which
 * tasks follow.
 *
 * @throws StreamsError `STREAMS_SOURCE_TOPIC_MISSING`, `STREAMS_PARTITIONS_CHANGED`
 */
export async function prepareTopics(
  admin: Admin,
  topology: Topology,
  settings: ResolvedStreamsSettings,
): Promise<PreparedTopics> {
  const applicationId = settings['application.id']
  const { external } = sourceTopics(topology, applicationId)
  let topics = await describe(admin)
  const read = [...external, ...topology.globalTables().map(({ topic }) => topic)]
  const missing = read.filter((topic) => !topics.has(topic))
  const partitions = settings['create.source.topics']
  if (missing.length > 0 && partitions === 0)
    throw new StreamsError(
      'STREAMS_SOURCE_TOPIC_MISSING',
      `${applicationId}: source topics do not exist: ${missing.join(', ')}; create them, or set create.source.topics to a number of partitions`,
      { retriable: true, fields: { topics: missing } },
    )
  const deadLetters = settings['errors.dead.letter.queue.topic.name']
  if (deadLetters !== undefined && !topics.has(deadLetters)) missing.push(deadLetters)
  // A cluster that makes no topics on first use would have none for the results.
  if (partitions > 0) missing.push(...writtenTopics(topology).filter((topic) => !topics.has(topic)))
  if (missing.length > 0) {
    const plans = [...new Set(missing)].map((name) => ({
      name,
      partitions: Math.max(1, partitions),
      config: {},
    }))
    await create(admin, plans, settings)
    topics = await describe(admin)
  }
  const plan = planTasks(
    topology,
    applicationId,
    (topic) => topics.get(topic)?.partitions.length ?? 0,
    settings['windowstore.changelog.additional.retention.ms'],
    topicSettings(settings),
  )
  const internal = [...plan.repartitionTopics, ...plan.changelogTopics]
  for (const { name, partitions: expected } of internal) {
    const found = topics.get(name)?.partitions.length ?? expected
    if (found !== expected)
      throw new StreamsError(
        'STREAMS_PARTITIONS_CHANGED',
        `internal topic ${name} has ${found} partitions, the topology needs ${expected}: the partitions of a source topic have changed; reset the application, or give it another application.id`,
        { fields: { topic: name, expected, found } },
      )
  }
  await create(
    admin,
    internal.filter(({ name }) => !topics.has(name)),
    settings,
  )
  const written = writtenTopics(topology).filter((topic) => topics.has(topic))
  return { ...plan, writtenTopics: [...written, ...internal.map(({ name }) => name)] }
}

/** What a topology writes for others: topics that a function names are known only with their records. */
function writtenTopics(topology: Topology): string[] {
  const written = [...topology.nodes.values()].flatMap((node) =>
    node.kind === 'sink' && typeof node.topic === 'string' ? [node.topic] : [],
  )
  return [...new Set(written)].filter((topic) => !topology.internalTopics.has(topic))
}

async function describe(admin: Admin): Promise<Map<string, TopicDescription>> {
  return new Map((await admin.describeTopics()).map((topic) => [topic.name, topic]))
}

async function create(
  admin: Admin,
  plans: readonly InternalTopicPlan[],
  settings: ResolvedStreamsSettings,
): Promise<void> {
  // One at a time: where another instance was faster with one of them, the others are still made.
  for (const { name, partitions, config } of plans)
    try {
      await admin.createTopics([
        {
          name,
          partitions,
          replicationFactor: settings['replication.factor'],
          configs: config,
        },
      ])
    } catch (error) {
      if (!(error instanceof KafkaClientError) || error.code !== 'KAFKA_TOPIC_ALREADY_EXISTS')
        throw error
    }
}
