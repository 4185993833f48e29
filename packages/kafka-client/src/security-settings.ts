import type { SslStoreSettings } from '@khlong/kafka-protocol/security'
import { z } from 'zod'

export const saslMechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const
export type SaslMechanism = (typeof saslMechanisms)[number]

/**
 * How a client says who it is and whom it trusts, by the names of Kafka's clients. `sasl.username` and
 * `sasl.password` are those of librdkafka; `sasl.jaas.config` is Java's and says the same.
 */
export interface ClientSecurityOptions extends SslStoreSettings {
  readonly 'security.protocol'?: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL' | undefined
  readonly 'sasl.mechanism'?: SaslMechanism | undefined
  readonly 'sasl.jaas.config'?: string | undefined
  readonly 'sasl.username'?: string | undefined
  readonly 'sasl.password'?: string | undefined
  readonly 'ssl.enabled.protocols'?: string | undefined
  readonly 'ssl.cipher.suites'?: string | undefined
  /** Empty: the name in the broker's certificate is not looked at. */
  readonly 'ssl.endpoint.identification.algorithm'?: 'https' | '' | undefined
}

const text = z.string().optional()
const secret = z.coerce.string().optional()
const list = z
  .union([z.string(), z.array(z.string()).transform((names) => names.join(','))])
  .optional()

/** The schema of {@link ClientSecurityOptions}, for what hands such settings on to a client. */
export const clientSecurityShape: {
  readonly [Key in keyof ClientSecurityOptions]-?: z.ZodType<ClientSecurityOptions[Key]>
} = {
  'security.protocol': z.enum(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']).optional(),
  'sasl.mechanism': z.enum(saslMechanisms).optional(),
  'sasl.jaas.config': text,
  'sasl.username': text,
  'sasl.password': text,
  'ssl.keystore.type': text,
  'ssl.keystore.location': text,
  'ssl.keystore.password': secret,
  'ssl.keystore.key': text,
  'ssl.keystore.certificate.chain': text,
  'ssl.key.password': secret,
  'ssl.truststore.type': text,
  'ssl.truststore.location': text,
  'ssl.truststore.password': secret,
  'ssl.truststore.certificates': text,
  'ssl.enabled.protocols': list,
  'ssl.cipher.suites': list,
  'ssl.endpoint.identification.algorithm': z
    .string()
    .transform((name) => name.toLowerCase())
    .pipe(z.enum(['https', '']))
    .optional(),
}

export const clientSecurityKeys: readonly string[] = Object.keys(clientSecurityShape)

/** Settings among these that name a file. */
export const clientFileKeys: readonly string[] = [
  'ssl.keystore.location',
  'ssl.truststore.location',
]

/** The security settings among others, without those that are not there. */
export function clientSecurityOf(settings: ClientSecurityOptions): ClientSecurityOptions {
  return Object.fromEntries(
    Object.entries(settings).filter(
      ([key, value]) => value !== undefined && clientSecurityKeys.includes(key),
    ),
  )
}
