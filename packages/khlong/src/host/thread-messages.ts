import type { LogMessage, PlainError } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'

/** The methods of a thread that the main thread may call. */
export type ThreadMethod = 'make' | 'start' | 'stop' | 'call' | 'metrics' | 'report'

export interface ThreadRequest {
  readonly id: number
  readonly method: ThreadMethod
  readonly arguments: readonly unknown[]
}

export type ThreadMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'part-failure'; readonly part: PartName; readonly error: PlainError }
  | LogMessage
