export { KafkaError, type KafkaErrorCode } from './errors.ts'
export { kafkaFormats } from './formats.ts'
export { type KafkaOptions, type ResolvedKafkaOptions, resolveKafkaOptions } from './options.ts'
export { KafkaBroker } from './server/kafka-broker.ts'
