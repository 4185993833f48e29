import type { KafkaHeader, KafkaRecord } from '../data/record.ts'
import { javaClassOf, traceOf } from '../errors.ts'
import type { OutgoingRecord } from './kafka.ts'

/** Where on its way a record failed; Java's names. */
export type Stage =
  | 'TASK_POLL'
  | 'TASK_PUT'
  | 'TRANSFORMATION'
  | 'KEY_CONVERTER'
  | 'VALUE_CONVERTER'
  | 'HEADER_CONVERTER'
  | 'KAFKA_PRODUCE'

/** How much of a record that Kafka does not take is kept in its dead letter. */
export const headBytes: number = 64 * 1024

export interface Failure {
  readonly stage: Stage
  readonly error: Error
  /** The class that failed, as Java names it. */
  readonly className: string
}

export interface DeadLetterOptions {
  readonly topic: string
  readonly hasHeaders: boolean
  readonly connector: string
  readonly task: number
}

/** What of a record goes into its dead letter. */
export interface Letter {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly KafkaHeader[]
  /** Where it was to go, or came from; the offset only for what came from Kafka. */
  readonly topic: string
  readonly partition?: number
  readonly offset?: number
  readonly timestamp?: number
}

/** The dead letter of a record that came from Kafka: its own bytes and headers, and the reason. */
export function letterOf(record: KafkaRecord): Letter {
  return {
    key: record.key,
    value: record.value,
    headers: record.headers,
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    ...(record.timestamp < 0 ? {} : { timestamp: record.timestamp }),
  }
}

/** Makes the record for the dead letter topic. A value that is too large is cut to its head. */
export function deadLetter(
  letter: Letter,
  failure: Failure,
  options: DeadLetterOptions,
): OutgoingRecord {
  const value = cut(letter.value)
  const key = cut(letter.key)
  const isCut = value !== letter.value || key !== letter.key
  const headers: KafkaHeader[] = [...letter.headers]
  if (options.hasHeaders || isCut) headers.push(...reasonHeaders(letter, failure, options))
  if (isCut)
    headers.push(
      header('value.bytes', String(letter.value?.byteLength ?? 0)),
      header('truncated', 'true'),
    )
  return {
    topic: options.topic,
    key,
    value,
    headers,
    ...(letter.timestamp === undefined ? {} : { timestamp: letter.timestamp }),
  }
}

// What fits into a record by far goes as it is; only what Kafka would refuse is cut.
const wholeBytesMax = 900_000

function cut(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null || bytes.byteLength <= wholeBytesMax ? bytes : bytes.subarray(0, headBytes)
}

function header(name: string, text: string): KafkaHeader {
  return [`__connect.errors.${name}`, Buffer.from(text)]
}

function reasonHeaders(
  letter: Letter,
  { stage, error, className }: Failure,
  { connector, task }: DeadLetterOptions,
): KafkaHeader[] {
  return [
    header('topic', letter.topic),
    ...(letter.partition === undefined ? [] : [header('partition', String(letter.partition))]),
    ...(letter.offset === undefined ? [] : [header('offset', String(letter.offset))]),
    header('connector.name', connector),
    header('task.id', String(task)),
    header('stage', stage),
    header('class.name', className),
    header('exception.class.name', javaClassOf(error)),
    header('exception.message', fullMessage(error)),
    header('exception.stacktrace', traceOf(error)),
  ]
}

function fullMessage(error: Error): string {
  return error.cause instanceof Error && !error.message.includes(error.cause.message)
    ? `${error.message}${error.message.endsWith(' ') ? '' : ': '}${error.cause.message}`
    : error.message
}
