import type { Clock, Logger } from '@khlong/core'
import type { Backoff } from './backoff.ts'
import type { Conversion } from './conversion.ts'
import type { ErrorPolicy } from './error-policy.ts'
import type { ConnectKafka } from './kafka.ts'
import type { TaskCounters } from './metrics.ts'
import type { Retries } from './retries.ts'

/** What the runners of sources and of sinks are given alike. */
export interface RunnerOptions {
  readonly kafka: ConnectKafka
  readonly clientId: string
  readonly conversion: Conversion
  /** For converters and transforms that failed in a way that passes. */
  readonly retries: Retries
  readonly policy: ErrorPolicy
  readonly counters: TaskCounters
  /** For Kafka and targets that are away. */
  readonly backoff: Backoff
  readonly flushIntervalMs: number
  readonly clock: Clock
  readonly logger: Logger
  /** Called when a topic is used for the first time, for `GET /connectors/{name}/topics`. */
  readonly onTopic: (topic: string) => void
}
