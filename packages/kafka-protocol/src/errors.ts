import { CodedError } from '@khlong/core'

/**
 * A value that the protocol cannot carry. Codes: `KAFKA_PROTOCOL_STRING_TOO_LONG`,
 * `KAFKA_PROTOCOL_UUID_MALFORMED`, `KAFKA_PROTOCOL_UNSUPPORTED_FIELD`,
 * `KAFKA_PROTOCOL_FRAME_INVALID`, `KAFKA_PROTOCOL_JAAS_INVALID`, `KAFKA_PROTOCOL_SCRAM_INVALID`,
 * `KAFKA_PROTOCOL_STORE_INVALID`.
 */
export class KafkaProtocolError extends CodedError {}
