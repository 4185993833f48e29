import { MetricsRegistry, type Vitals } from '@khlong/core'
import type { BrokerState } from '../state/broker-state.ts'
import { isInternalTopic, type Topic } from '../state/topic.ts'
import type { AnswerBudget } from './answer-budget.ts'
import type { BrokerListener } from './broker-listener.ts'
import type { RequestBudget } from './request-budget.ts'

/** Metrics with the names of kafka-exporter, and of the JMX exporter's usual rules. */
export function brokerMetrics(
  state: BrokerState,
  listeners: readonly BrokerListener[],
  {
    answers,
    requests,
  }: { readonly answers: AnswerBudget; readonly requests: readonly RequestBudget[] },
  isRunning: () => boolean,
): MetricsRegistry {
  const registry = new MetricsRegistry()
  const gauge = (name: string, help: string) => registry.gauge({ name, help })
  const brokers = gauge('kafka_brokers', 'Number of brokers in the cluster')
  const partitions = gauge('kafka_topic_partitions', 'Number of partitions of a topic')
  const current = gauge('kafka_topic_partition_current_offset', 'Offset after the newest record')
  const oldest = gauge('kafka_topic_partition_oldest_offset', 'Offset of the oldest record')
  const leader = gauge('kafka_topic_partition_leader', 'Id of the leader')
  const replicas = gauge('kafka_topic_partition_replicas', 'Number of replicas')
  const inSync = gauge('kafka_topic_partition_in_sync_replica', 'Number of replicas in sync')
  const underReplicated = gauge(
    'kafka_topic_partition_under_replicated_partition',
    '1 where a replica is missing',
  )
  const groupOffset = gauge('kafka_consumergroup_current_offset', 'Committed offset of a group')
  const groupLag = gauge('kafka_consumergroup_lag', 'Records that a group has not committed')
  const groupLagSum = gauge('kafka_consumergroup_lag_sum', 'Lag of a group in a topic')
  const groupMembers = gauge('kafka_consumergroup_members', 'Members of a group')
  const messagesIn = registry.counter({
    name: 'kafka_server_brokertopicmetrics_messagesin_total',
    help: 'Records taken in since the start',
  })
  const messagesOut = registry.counter({
    name: 'kafka_server_brokertopicmetrics_messagesout_total',
    help: 'Records given out since the start',
  })
  const logBytes = gauge('kafka_log_log_size', 'Bytes of a partition')
  const openFiles = gauge('khlong_kafka_open_files', 'Open segment files')
  const tailBytes = gauge('khlong_kafka_tail_cache_bytes', 'Bytes of newest batches in memory')
  const answerBytes = gauge(
    'khlong_kafka_answer_bytes',
    'Bytes of answers that clients have not taken, and of reads for them',
  )
  const answersWaiting = gauge('khlong_kafka_answers_waiting', 'Fetches that wait for memory')
  const requestBytes = gauge(
    'khlong_kafka_request_bytes',
    'Bytes of requests that are under way, and of large ones that are being read',
  )
  const requestsWaiting = gauge(
    'khlong_kafka_requests_waiting',
    'Large requests that wait for memory before they are read',
  )
  const rounds = registry.counter({
    name: 'khlong_kafka_commit_rounds_total',
    help: 'Group commits since the start',
  })
  const connections = gauge(
    'kafka_server_socket_server_metrics_connection_count',
    'Open connections of a listener',
  )
  const loginsSucceeded = registry.counter({
    name: 'kafka_server_socket_server_metrics_successful_authentication_total',
    help: 'Logins that succeeded since the start',
  })
  const loginsFailed = registry.counter({
    name: 'kafka_server_socket_server_metrics_failed_authentication_total',
    help: 'Logins and TLS handshakes that failed since the start',
  })
  const gauges = [partitions, current, oldest, leader, replicas, inSync, underReplicated]
  registry.onRender(() => {
    for (const family of [...gauges, groupOffset, groupLag, groupLagSum, groupMembers, logBytes])
      family.clear()
    if (!isRunning()) return
    brokers.set(1)
    for (const { plan, connectionCount, logins } of listeners) {
      const labels = { listener: plan.name }
      connections.set(connectionCount, labels)
      loginsSucceeded.series(labels).value = logins.succeeded
      loginsFailed.series(labels).value = logins.failed
    }
    openFiles.set(state.logs.openFileCount)
    tailBytes.set(state.logs.tailBytes)
    answerBytes.set(answers.heldBytes)
    answersWaiting.set(answers.waitingCount)
    requestBytes.set(requests.reduce((sum, { heldBytes }) => sum + heldBytes, 0))
    requestsWaiting.set(requests.reduce((sum, { waitingCount }) => sum + waitingCount, 0))
    rounds.series().value = state.logs.committer.roundCount
    for (const topic of state.topics.values()) {
      partitions.set(topic.partitions.length, { topic: topic.name })
      messagesIn.series({ topic: topic.name }).value = topic.recordsIn
      messagesOut.series({ topic: topic.name }).value = topic.recordsOut
      for (const [partition, log] of topic.partitions.entries()) {
        const labels = { partition: String(partition), topic: topic.name }
        current.set(log?.highWatermark ?? 0, labels)
        oldest.set(log?.logStartOffset ?? 0, labels)
        leader.set(log ? state.brokerId : -1, labels)
        replicas.set(1, labels)
        inSync.set(log ? 1 : 0, labels)
        underReplicated.set(log ? 0 : 1, labels)
        logBytes.set(log?.byteCount ?? 0, labels)
      }
    }
    for (const group of state.groups.groups()) {
      const consumergroup = group.groupId
      groupMembers.set(group.members.size, { consumergroup })
      for (const [topic, offsets] of state.groups.offsets(consumergroup)) {
        for (const [partition, { offset }] of offsets) {
          const labels = { consumergroup, partition: String(partition), topic }
          groupOffset.set(offset, labels)
          groupLag.set(lagOf(state, topic, partition, offset), labels)
        }
        groupLagSum.set(topicLag(state, topic, offsets), { consumergroup, topic })
      }
    }
  })
  return registry
}

/** What the live table shows. */
export function brokerVitals(state: BrokerState, connections: number): Vitals {
  let recordsIn = 0
  let recordsOut = 0
  const topics = [...state.topics.values()].filter((topic) => !isInternalTopic(topic.name))
  for (const topic of topics) {
    recordsIn += topic.recordsIn
    recordsOut += topic.recordsOut
  }
  const lags = new Map<string, number>()
  for (const group of state.groups.groups())
    for (const [topic, offsets] of state.groups.offsets(group.groupId))
      lags.set(topic, Math.max(lags.get(topic) ?? 0, topicLag(state, topic, offsets)))
  return {
    recordsIn,
    recordsOut,
    lag: [...lags.values()].reduce((sum, lag) => sum + lag, 0),
    facts: {
      clients: connections,
      topics: topics.length,
      partitions: topics.reduce((sum, topic) => sum + topic.partitions.length, 0),
      groups: state.groups.groups().length,
    },
    items: topics.map((topic) => topicItem(topic, lags.get(topic.name))),
  }
}

function topicItem(topic: Topic, lag: number | undefined): Vitals['items'][number] {
  const lost = topic.partitions.filter((log) => !log).length
  return {
    kind: 'topic',
    name: topic.name,
    state: lost > 0 ? 'failed' : 'running',
    recordsIn: topic.recordsIn,
    recordsOut: topic.recordsOut,
    ...(lag === undefined ? {} : { lag }),
    ...(lost > 0 ? { note: `${lost} partitions could not be opened` } : {}),
  }
}

function topicLag(
  state: BrokerState,
  topic: string,
  offsets: ReadonlyMap<number, { readonly offset: number }>,
): number {
  let lag = 0
  for (const [partition, { offset }] of offsets) lag += lagOf(state, topic, partition, offset)
  return lag
}

function lagOf(state: BrokerState, topic: string, partition: number, offset: number): number {
  const log = state.topics.get(topic)?.partitions[partition]
  return log ? Math.max(0, log.highWatermark - offset) : 0
}
