import { type KafkaStreamsState, kafkaStreamsStates } from '../app/kafka-streams-state.ts'
import type { ResolvedStreamsSettings } from '../config.ts'
import { stateName } from '../threads/thread-handle.ts'
import { version } from '../version.ts'
import { MetricGroup, type StreamsMetric } from './streams-metric.ts'

/** What is known of an instance as a whole. */
export interface ClientFacts {
  readonly clientId: string
  readonly processId: string
  readonly settings: ResolvedStreamsSettings
  readonly topologyDescription: string
  readonly state: KafkaStreamsState
  readonly aliveThreads: number
  readonly failedThreads: number
}

/** The group `stream-metrics`. */
export function clientMetrics(facts: ClientFacts): StreamsMetric[] {
  const { clientId, processId, settings, state } = facts
  const tags = { 'client-id': clientId }
  const named = new MetricGroup('stream-metrics', tags, 0)
    .add('version', version)
    // What Java says where a build does not tell.
    .add('commit-id', 'unknown')
    .add('application-id', settings['application.id'])
    .add('topology-description', facts.topologyDescription)
    .add('state', stateName(state))
    .add('alive-stream-threads', facts.aliveThreads)
    .add('failed-stream-threads', facts.failedThreads).metrics
  // These two came with client telemetry (KIP-1091), and have the process among their tags.
  const processTags = { ...tags, 'process-id': processId }
  const stateTags = { ...processTags, 'application-id': settings['application.id'] }
  return [
    ...named,
    ...new MetricGroup('stream-metrics', stateTags, 0).add(
      'client-state',
      kafkaStreamsStates.indexOf(state),
    ).metrics,
    ...new MetricGroup('stream-metrics', processTags, 0).add(
      'recording-level',
      settings['metrics.recording.level'] === 'DEBUG' ? 1 : 0,
    ).metrics,
  ]
}
