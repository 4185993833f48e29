export { KafkaClientError, type KafkaClientErrorCode } from './errors.ts'
export { KafkaClient } from './kafka-client.ts'
export { Producer, type ProducerContext } from './producer.ts'
