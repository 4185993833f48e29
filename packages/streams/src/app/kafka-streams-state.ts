/** The states of an application in the order of Java's, which metrics count by. */
export const kafkaStreamsStates = [
  'created',
  'rebalancing',
  'running',
  'pending-shutdown',
  'not-running',
  'pending-error',
  'error',
] as const

/** Where an application stands in its life, in Java's words. */
export type KafkaStreamsState = (typeof kafkaStreamsStates)[number]
