import type { ConnectionOptions } from 'node:tls'
import { z } from 'zod'
import type {
  ResolvedClientOptions,
  ResolvedConsumerOptions,
  ResolvedFetcherOptions,
  ResolvedGroupOptions,
  ResolvedProducerOptions,
} from './options.ts'
import { clientSecurityShape, saslMechanisms } from './security-settings.ts'

// Names, meanings and defaults are those of Kafka's own clients. Values may come as text, since
// Connect and property files give them so.

const milliseconds = z.coerce.number().int().min(0)
const bytes = z.coerce.number().int().min(0)
const flag = z.union([z.boolean(), z.stringbool()])
const tlsOptions = z.custom<ConnectionOptions>((value) => typeof value === 'object')

const clientShape = {
  ...clientSecurityShape,
  /** Where to begin: `host:port`, comma-separated or a list. */
  'bootstrap.servers': z
    .union([z.string(), z.array(z.string())])
    .transform((value) =>
      (typeof value === 'string' ? value.split(',') : value)
        .map((address) => address.trim())
        .filter((address) => address !== ''),
    )
    .refine((value) => value.length > 0, 'expected at least one host:port'),
  'client.id': z.string().default('khlong'),
  /** Host names that are replaced, in bootstrap and advertised addresses: by a host or `host:port`. */
  hosts: z.record(z.string(), z.string()).default({}),
  'request.timeout.ms': milliseconds.default(30_000),
  'default.api.timeout.ms': milliseconds.default(60_000),
  'socket.connection.setup.timeout.ms': milliseconds.default(10_000),
  'reconnect.backoff.ms': milliseconds.default(50),
  'reconnect.backoff.max.ms': milliseconds.default(1_000),
  'retry.backoff.ms': milliseconds.default(100),
  'retry.backoff.max.ms': milliseconds.default(1_000),
  'metadata.max.age.ms': milliseconds.default(300_000),
  'security.protocol': z
    .enum(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'])
    .default('PLAINTEXT'),
  'sasl.mechanism': z.enum(saslMechanisms).default('PLAIN'),
  /** Options of Node's TLS sockets, over what the `ssl.*` settings say; `ca`, `cert` and `key` as there. */
  tls: tlsOptions.optional(),
  /** The largest response that is taken. It has to be above `fetch.max.bytes`. */
  'receive.message.max.bytes': bytes.default(100 * 1024 * 1024),
}

const producerShape = {
  ...clientShape,
  acks: z
    .union([z.literal('all'), z.coerce.number().int().min(-1).max(1)])
    .default('all')
    .transform((value) => (value === 'all' ? -1 : value)),
  'enable.idempotence': flag.optional(),
  'compression.type': z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'),
  'batch.size': bytes.default(16_384),
  'linger.ms': milliseconds.default(5),
  'buffer.memory': bytes.default(33_554_432),
  'max.block.ms': milliseconds.default(60_000),
  'max.request.size': bytes.default(1_048_576),
  'max.in.flight.requests.per.connection': z.coerce.number().int().min(1).default(5),
  'delivery.timeout.ms': milliseconds.default(120_000),
  'transactional.id': z.string().min(1).optional(),
  'transaction.timeout.ms': milliseconds.default(60_000),
}

const fetcherShape = {
  ...clientShape,
  'fetch.min.bytes': bytes.default(1),
  'fetch.max.wait.ms': milliseconds.default(500),
  'fetch.max.bytes': bytes.default(52_428_800),
  'max.partition.fetch.bytes': bytes.default(1_048_576),
  /**
   * Bytes of fetched and not yet polled batches, over all partitions: two responses, so that none is larger than
   * half of it where `fetch.max.bytes` does not say less. A setting of ours.
   */
  'prefetch.max.bytes': bytes.min(1).default(8_388_608),
  'max.poll.records': z.coerce.number().int().min(1).default(500),
  'isolation.level': z.enum(['read_uncommitted', 'read_committed']).default('read_uncommitted'),
  'auto.offset.reset': z.enum(['earliest', 'latest', 'none']).default('latest'),
  'check.crcs': flag.default(true),
}

const groupShape = {
  'group.id': z.string().min(1),
  'group.instance.id': z.string().min(1).optional(),
  'session.timeout.ms': milliseconds.default(45_000),
  'heartbeat.interval.ms': milliseconds.default(3_000),
  /** Also the time that a rebalance waits for this member. */
  'max.poll.interval.ms': milliseconds.default(300_000),
}

export const clientSchema: z.ZodType<ResolvedClientOptions> = z.strictObject(clientShape)
export const producerSchema: z.ZodType<ResolvedProducerOptions> = z.strictObject(producerShape)
export const fetcherSchema: z.ZodType<ResolvedFetcherOptions> = z.strictObject(fetcherShape)
export const groupSchema: z.ZodType<ResolvedGroupOptions> = z.strictObject({
  ...clientShape,
  ...groupShape,
})
export const consumerSchema: z.ZodType<ResolvedConsumerOptions> = z.strictObject({
  ...fetcherShape,
  ...groupShape,
  'group.id': groupShape['group.id'].optional(),
  'partition.assignment.strategy': z
    .union([z.string(), z.array(z.string())])
    .transform((value) => (typeof value === 'string' ? value.split(',') : value))
    .default(['range', 'cooperative-sticky']),
  'allow.auto.create.topics': flag.default(true),
  'enable.auto.commit': flag.default(false),
  'auto.commit.interval.ms': milliseconds.default(5_000),
})

/** The settings that every client has, and those of each kind. */
export const clientKeys: readonly string[] = Object.keys(clientShape)
export const fetcherKeys: readonly string[] = Object.keys(fetcherShape)
export const groupKeys: readonly string[] = Object.keys({ ...clientShape, ...groupShape })
