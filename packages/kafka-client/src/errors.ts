import { CodedError, type CodedErrorOptions } from '@khlong/core'
import { ErrorCode, errorInfo } from '@khlong/kafka-protocol'

/**
 * What goes wrong in the client. An error that a broker answered has the code `KAFKA_` and Kafka's
 * own name for it, such as `KAFKA_TOPIC_ALREADY_EXISTS`, and its number in `fields.errorCode`; the
 * client's own codes begin with `KAFKA_CLIENT_`.
 */
export class KafkaClientError extends CodedError {
  /** Kafka's number of the error where a broker answered one. */
  get errorCode(): number | undefined {
    const { errorCode } = this.fields
    return typeof errorCode === 'number' ? errorCode : undefined
  }
}

/** The codes that the client gives by itself. */
export type KafkaClientErrorCode =
  | 'KAFKA_CLIENT_CLOSED'
  | 'KAFKA_CLIENT_DISCONNECTED'
  | 'KAFKA_CLIENT_TIMEOUT'
  | 'KAFKA_CLIENT_UNSUPPORTED'
  | 'KAFKA_CLIENT_AUTHENTICATION_FAILED'
  | 'KAFKA_CLIENT_MALFORMED_RESPONSE'
  | 'KAFKA_CLIENT_RECORD_TOO_LARGE'
  | 'KAFKA_CLIENT_BUFFER_FULL'
  | 'KAFKA_CLIENT_DELIVERY_TIMEOUT'
  | 'KAFKA_CLIENT_UNKNOWN_PARTITION'
  | 'KAFKA_CLIENT_NO_OFFSET'
  | 'KAFKA_CLIENT_INVALID_STATE'
  | 'KAFKA_CLIENT_INVALID_ARGUMENT'
  | 'KAFKA_CLIENT_MEMBER_LOST'

/** An error of the client's own. */
export function clientError(
  code: KafkaClientErrorCode,
  message: string,
  options: CodedErrorOptions = {},
): KafkaClientError {
  return new KafkaClientError(code, message, options)
}

/** The error for a code that a broker answered; `what` says what was asked for. */
export function brokerError(
  errorCode: number,
  what: string,
  fields: Readonly<Record<string, unknown>> = {},
  brokerMessage: string | null = null,
): KafkaClientError {
  const { name, retriable, message } = errorInfo(errorCode)
  return new KafkaClientError(`KAFKA_${name}`, `${what}: ${brokerMessage ?? message} (${name})`, {
    retriable,
    fields: { ...fields, errorCode },
  })
}

/** The same error, not to be tried again: a missing topic is retriable for who waits for it only. */
export function final(error: KafkaClientError): KafkaClientError {
  const isWaitedFor = error.errorCode === ErrorCode.unknownTopicOrPartition
  return isWaitedFor
    ? new KafkaClientError(error.code, error.message, { fields: error.fields })
    : error
}

/** Any thrown thing as an error of this package. */
export function asClientError(error: unknown): KafkaClientError {
  if (error instanceof KafkaClientError) return error
  return clientError('KAFKA_CLIENT_INVALID_STATE', 'unexpected failure in the Kafka client', {
    cause: error,
  })
}
