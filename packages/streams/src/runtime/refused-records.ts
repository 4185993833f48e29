import type { Logger } from '@khlong/core'
import { KafkaClientError } from '@khlong/kafka-client'
import { StreamsError } from '../errors.ts'
import { noHeaders } from '../record.ts'
import {
  askHandler,
  type DeadLetter,
  deadLetterHeaders,
  type ErrorHandlers,
} from './error-handlers.ts'
import type { RecordPlace } from './record-origin.ts'
import type { TaskCounts } from './task.ts'

export interface RefusedRecordsOptions {
  readonly applicationId: string
  readonly errors: ErrorHandlers
  readonly counts: TaskCounts
  readonly logger: Logger
  readonly send: (letter: DeadLetter) => Error | undefined
}

/**
 * Asks the production handler about records that a broker refused after they were sent. As in Java, it is
 * told where a record came from, not what it was: that is not kept.
 */
export class RefusedRecords {
  readonly #options: RefusedRecordsOptions

  constructor(options: RefusedRecordsOptions) {
    this.#options = options
  }

  /**
   * Says whether the application goes on without a record.
   *
   * @throws StreamsError what ends it
   */
  judge(topic: string, cause: Error, place: RecordPlace): void {
    const { applicationId, errors, counts, logger } = this.#options
    const { taskId, nodeName, offset, partition } = place
    const from =
      place.topic === ''
        ? `a punctuator of ${nodeName}, task ${taskId}`
        : `${nodeName}, task ${taskId}, record ${place.topic}/${partition}@${offset}`
    const error = new StreamsError(
      'STREAMS_PRODUCTION_FAILED',
      `a record for topic ${topic} could not be sent; it came from ${from}`,
      { cause, fields: { stage: 'production', nodeName, taskId, topic, partition, offset } },
    )
    if (isFatal(cause)) throw error
    const { topic: source, timestampMs } = place
    const record = {
      ...{ topic: source, partition, offset, timestampMs },
      ...{ headers: noHeaders, rawKey: null, rawValue: null },
    }
    const stage = 'production'
    const asked = { stage, error, taskId, nodeName, record } as const
    const { response, deadLetters } = askHandler(errors.production, asked)
    counts.dropped.error++
    for (const letter of deadLetters ?? this.#usualLetters(error, record)) this.#send(letter)
    const fields = { application: applicationId, err: error }
    if (response === 'fail') {
      logger.error(fields, 'record failed')
      throw error
    }
    logger.warn(fields, 'record left out')
  }

  #usualLetters(error: Error, record: Parameters<typeof deadLetterHeaders>[1]): DeadLetter[] {
    const topic = this.#options.errors.deadLetterTopic
    if (topic === undefined) return []
    const { timestampMs } = record
    const headers = deadLetterHeaders(error, record)
    return [
      {
        ...{ topic, key: null, value: null, headers },
        timestampMs: timestampMs < 0 ? undefined : timestampMs,
      },
    ]
  }

  #send(letter: DeadLetter): void {
    this.#options.counts.deadLetters++
    const cause = this.#options.send(letter)
    if (cause)
      throw new StreamsError(
        'STREAMS_PRODUCTION_FAILED',
        `a dead letter for topic ${letter.topic} could not be sent`,
        { cause, fields: { topic: letter.topic } },
      )
  }
}

/** What Java's library asks no handler about: the next record would meet it, too. */
const fatalCodes: ReadonlySet<string> = new Set([
  'KAFKA_CLIENT_AUTHENTICATION_FAILED',
  ...[
    'CLUSTER_AUTHORIZATION_FAILED',
    'DELEGATION_TOKEN_AUTHORIZATION_FAILED',
    'GROUP_AUTHORIZATION_FAILED',
    'INVALID_TOPIC_EXCEPTION',
    'OFFSET_METADATA_TOO_LARGE',
    'SASL_AUTHENTICATION_FAILED',
    'SECURITY_DISABLED',
    'TOPIC_AUTHORIZATION_FAILED',
    'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
    'UNKNOWN_SERVER_ERROR',
  ].map((name) => `KAFKA_${name}`),
])

const isFatal = (error: Error): boolean =>
  error instanceof KafkaClientError && fatalCodes.has(error.code)
