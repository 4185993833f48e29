export { KafkaClientError, type KafkaClientErrorCode } from './errors.ts'
export { KafkaClient } from './kafka-client.ts'
