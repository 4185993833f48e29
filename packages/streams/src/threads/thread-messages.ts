import type { LogMessage, PlainError } from '@khlong/core'
import type { KafkaClientOptions } from '@khlong/kafka-client'
import type { ApplicationSettings } from '../app/define-streams.ts'
import type { StreamsSettings } from '../config.ts'
import type { StreamsMetric } from '../metrics/streams-metric.ts'
import type { StreamThreadState, ThreadIdentity, ThreadReport } from './thread-handle.ts'

/** What a worker is started with. */
export interface WorkerStart {
  readonly url: string
  readonly applicationSettings: ApplicationSettings
  /** Settings beside those of the module. */
  readonly settings: Partial<StreamsSettings>
  readonly identity: ThreadIdentity
  readonly connection: KafkaClientOptions
  /** Folder of the stores; undefined keeps them in memory. */
  readonly folder: string | undefined
  readonly threadCount: number
}

/** The methods of a thread that the owner of a worker may call. */
export type WorkerMethod =
  | 'start'
  | 'stop'
  | 'setPaused'
  | 'setThreadCount'
  | 'askForShutdown'
  | 'query'
  | 'metadata'

export type ToWorker =
  | {
      readonly kind: 'call'
      readonly id: number
      readonly method: WorkerMethod
      readonly arguments: readonly unknown[]
    }
  /** A lock was given; answers `lock`. */
  | { readonly kind: 'locked'; readonly id: number }

export type FromWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'state'; readonly state: StreamThreadState }
  | { readonly kind: 'report'; readonly report: ThreadReport }
  | { readonly kind: 'metrics'; readonly metrics: readonly StreamsMetric[] }
  | { readonly kind: 'failure'; readonly error: PlainError; readonly report: ThreadReport }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'lock'; readonly id: number; readonly taskId: string }
  | { readonly kind: 'unlock'; readonly taskId: string }
  | { readonly kind: 'unlock-all' }
  | LogMessage
