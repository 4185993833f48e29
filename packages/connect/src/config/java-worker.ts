/**
 * Settings of Java's workers that change nothing here: they tune what a worker of Java's does inside. Java only
 * warns of what it doesn't know, so files carry them for years; they are taken, and the worker says which.
 */
export const withoutEffect: readonly string[] = [
  'plugin.path',
  'plugin.discovery',
  'client.id',
  'offset.flush.timeout.ms',
  'worker.sync.timeout.ms',
  'worker.unsync.backoff.ms',
  'connect.protocol',
  'inter.worker.key.generation.algorithm',
  'inter.worker.key.size',
  'inter.worker.key.ttl.ms',
  'inter.worker.signature.algorithm',
  'inter.worker.verification.algorithms',
  'internal.key.converter',
  'internal.key.converter.schemas.enable',
  'internal.value.converter',
  'internal.value.converter.schemas.enable',
  'access.control.allow.methods',
  'access.control.allow.origin',
  'auto.include.jmx.reporter',
  'metric.reporters',
  'metrics.num.samples',
  'metrics.recording.level',
  'metrics.sample.window.ms',
  'client.dns.lookup',
  'connections.max.idle.ms',
  'receive.buffer.bytes',
  'send.buffer.bytes',
  'socket.connection.setup.timeout.max.ms',
]

/** Settings of the client below everything that a worker does on Kafka; values are checked by it. */
export const workerClientKeys = [
  'request.timeout.ms',
  'retry.backoff.ms',
  'retry.backoff.max.ms',
  'reconnect.backoff.ms',
  'reconnect.backoff.max.ms',
  'metadata.max.age.ms',
  'socket.connection.setup.timeout.ms',
] as const
