import type { PartitionLog } from '../log/partition-log.ts'
import type { TopicOverrides } from './topic-configs.ts'

/** A topic that this broker serves. */
export interface Topic {
  readonly name: string
  /** Kafka's base64url text. */
  readonly topicId: string
  /** By partition; undefined where the log could not be opened. */
  partitions: readonly (PartitionLog | undefined)[]
  overrides: TopicOverrides
  recordsIn: number
  recordsOut: number
}

export const offsetsTopic = '__consumer_offsets'
export const transactionsTopic = '__transaction_state'

/** Topics that belong to Kafka itself. */
export function isInternalTopic(name: string): boolean {
  return name === offsetsTopic || name === transactionsTopic
}

/** What is wrong with a topic's name, by Kafka's rules; undefined where it is good. */
export function topicNameProblem(name: string): string | undefined {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > 249)
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length 249`
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  return undefined
}
