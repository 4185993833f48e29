import { z } from 'zod'

/** Settings of TLS and SASL that stand for all listeners, or for one behind `listener.name.NAME.`. */
export const listenerSecurityShape: {
  readonly [Key in keyof ListenerSecurityOptions]-?: z.ZodType<ListenerSecurityOptions[Key]>
} = {
  'sasl.enabled.mechanisms': z.union([z.string(), z.array(z.string())]).optional(),
  /** 0: a login lasts as long as its connection. */
  'connections.max.reauth.ms': z.coerce.number().int().min(0).default(0),
  'sasl.server.max.receive.size': z.coerce.number().int().min(1).default(524_288),
  'ssl.client.auth': z.enum(['none', 'requested', 'required']).default('none'),
  'ssl.principal.mapping.rules': z.string().default('DEFAULT'),
  'ssl.keystore.type': z.string().default('JKS'),
  'ssl.keystore.location': z.string().optional(),
  'ssl.keystore.password': z.coerce.string().optional(),
  'ssl.keystore.key': z.string().optional(),
  'ssl.keystore.certificate.chain': z.string().optional(),
  'ssl.key.password': z.coerce.string().optional(),
  'ssl.truststore.type': z.string().default('JKS'),
  'ssl.truststore.location': z.string().optional(),
  'ssl.truststore.password': z.coerce.string().optional(),
  'ssl.truststore.certificates': z.string().optional(),
  'ssl.enabled.protocols': z.union([z.string(), z.array(z.string())]).default('TLSv1.2,TLSv1.3'),
  'ssl.cipher.suites': z.union([z.string(), z.array(z.string())]).optional(),
}

export interface ListenerSecurityOptions {
  readonly 'sasl.enabled.mechanisms'?: string | readonly string[] | undefined
  /** 0: a login lasts as long as its connection. */
  readonly 'connections.max.reauth.ms': number
  readonly 'sasl.server.max.receive.size': number
  readonly 'ssl.client.auth': 'none' | 'requested' | 'required'
  readonly 'ssl.principal.mapping.rules': string
  readonly 'ssl.keystore.type': string
  readonly 'ssl.keystore.location'?: string | undefined
  readonly 'ssl.keystore.password'?: string | undefined
  readonly 'ssl.keystore.key'?: string | undefined
  readonly 'ssl.keystore.certificate.chain'?: string | undefined
  readonly 'ssl.key.password'?: string | undefined
  readonly 'ssl.truststore.type': string
  readonly 'ssl.truststore.location'?: string | undefined
  readonly 'ssl.truststore.password'?: string | undefined
  readonly 'ssl.truststore.certificates'?: string | undefined
  readonly 'ssl.enabled.protocols': string | readonly string[]
  readonly 'ssl.cipher.suites'?: string | readonly string[] | undefined
}

/** Settings of the whole broker that are about listeners and who may do what. */
export const brokerSecurityShape: {
  readonly [Key in keyof BrokerSecuritySettings]-?: z.ZodType<BrokerSecuritySettings[Key]>
} = {
  ...listenerSecurityShape,
  /** `NAME://HOST:PORT`, comma-separated; takes the place of `listen`. */
  listeners: z.union([z.string(), z.array(z.string())]).optional(),
  /** Where clients are told to go, by listener; the address in use where it is left out. */
  'advertised.listeners': z.union([z.string(), z.array(z.string())]).optional(),
  'listener.security.protocol.map': z
    .string()
    .default('PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL'),
  /** Names of this broker's own that have a use only where there are several: they are checked. */
  'inter.broker.listener.name': z.string().optional(),
  'security.inter.broker.protocol': z
    .enum(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'])
    .optional(),
  'sasl.mechanism.inter.broker.protocol': z.string().optional(),
  'ssl.endpoint.identification.algorithm': z.enum(['https', 'HTTPS', '']).optional(),
  'connection.failed.authentication.delay.ms': z.number().int().min(0).default(100),
  /** Kafka's two authorizers, which decide alike; without one everybody may do everything, and there are no ACLs. */
  'authorizer.class.name': z
    .enum([
      'kafka.security.authorizer.AclAuthorizer',
      'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      '',
    ])
    .default(''),
  /** Of the authorizer: whether everybody may use what has no ACL. */
  'allow.everyone.if.no.acl.found': z.boolean().default(false),
  /** `User:admin;User:other`. */
  'super.users': z.string().default(''),
}

export interface BrokerSecuritySettings extends ListenerSecurityOptions {
  /** `NAME://HOST:PORT`, comma-separated; takes the place of `listen`. */
  readonly listeners?: string | readonly string[] | undefined
  /** Where clients are told to go, by listener; the address in use where it is left out. */
  readonly 'advertised.listeners'?: string | readonly string[] | undefined
  readonly 'listener.security.protocol.map': string
  readonly 'inter.broker.listener.name'?: string | undefined
  readonly 'security.inter.broker.protocol'?:
    | 'PLAINTEXT'
    | 'SSL'
    | 'SASL_PLAINTEXT'
    | 'SASL_SSL'
    | undefined
  readonly 'sasl.mechanism.inter.broker.protocol'?: string | undefined
  readonly 'ssl.endpoint.identification.algorithm'?: 'https' | 'HTTPS' | '' | undefined
  readonly 'connection.failed.authentication.delay.ms': number
  /** Kafka's two authorizers, which decide alike; without one everybody may do everything, and there are no ACLs. */
  readonly 'authorizer.class.name':
    | 'kafka.security.authorizer.AclAuthorizer'
    | 'org.apache.kafka.metadata.authorizer.StandardAuthorizer'
    | ''
  /** Of the authorizer: whether everybody may use what has no ACL. */
  readonly 'allow.everyone.if.no.acl.found': boolean
  /** `User:admin;User:other`. */
  readonly 'super.users': string
}

export interface BrokerSecurityOptions extends BrokerSecuritySettings {
  /** Settings of one listener: `listener.name.NAME.` before them, and before some the mechanism too. */
  readonly [key: `listener.name.${string}`]: unknown
}

export const listenerKeyPrefix = 'listener.name.'

/** Whether a setting is a secret that nobody gets to see, as Kafka's type PASSWORD. */
export function isSecretSetting(key: string): boolean {
  return /(^|\.)(ssl\.(keystore|truststore|key)\.(password|key|certificate\.chain|certificates)|sasl\.jaas\.config)$/.test(
    key,
  )
}
