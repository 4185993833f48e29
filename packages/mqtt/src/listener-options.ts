import path from 'node:path'
import type { ListenAddress } from '@khlong/core'
import { z } from 'zod'
import type { Qos } from './protocol/publish.ts'

const file = z.string().min(1)
const count = z.number().int().min(0)

/** Access settings that were checked. */
export interface AccessGiven {
  readonly password_file: string | undefined
  readonly acl_file: string | undefined
  readonly allow_anonymous: boolean | undefined
  readonly allow_zero_length_clientid: boolean
  readonly auto_id_prefix: string
}

/** Settings of one listener that were checked. */
export interface ListenerGiven {
  readonly protocol: 'mqtt' | 'websockets'
  readonly max_connections: number
  readonly max_topic_alias: number
  readonly max_qos: Qos
  readonly certfile: string | undefined
  readonly keyfile: string | undefined
  readonly cafile: string | undefined
  readonly capath: string | undefined
  readonly crlfile: string | undefined
  readonly dhparamfile: string | undefined
  readonly ciphers: string | undefined
  readonly 'ciphers_tls1.3': string | undefined
  readonly tls_version: 'tlsv1.2' | 'tlsv1.3'
  readonly require_certificate: boolean
  readonly use_identity_as_username: boolean
  readonly use_subject_as_username: boolean
  readonly use_username_as_clientid: boolean
  readonly websockets_origin: readonly string[] | undefined
  readonly listener_allow_anonymous: boolean | undefined
}

type Shape<Values> = { readonly [Key in keyof Values]: z.ZodType<Values[Key]> }

/** Who may come in and what for: of one listener where `per_listener_settings` is true, else of all. */
export const accessShape: Shape<AccessGiven> = {
  /** As mosquitto_passwd writes it. */
  password_file: file.optional(),
  acl_file: file.optional(),
  /** Whether clients without a username may come in. */
  allow_anonymous: z.boolean().optional(),
  allow_zero_length_clientid: z.boolean().default(true),
  auto_id_prefix: z.string().default('auto-'),
}

/** What each listener has of its own. */
export const listenerShape: Shape<ListenerGiven> = {
  protocol: z.enum(['mqtt', 'websockets']).default('mqtt'),
  /** -1 for no limit. */
  max_connections: z.number().int().min(-1).default(-1),
  max_topic_alias: count.max(65_535).default(10),
  max_qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(2),
  /** PEM files. With certificate and key the listener speaks TLS. */
  certfile: file.optional(),
  keyfile: file.optional(),
  /** Whose client certificates are trusted. */
  cafile: file.optional(),
  capath: file.optional(),
  /** Client certificates that were revoked. */
  crlfile: file.optional(),
  dhparamfile: file.optional(),
  ciphers: z.string().optional(),
  'ciphers_tls1.3': z.string().optional(),
  /** The oldest version that is spoken. */
  tls_version: z.enum(['tlsv1.2', 'tlsv1.3']).default('tlsv1.2'),
  /** Whether a client without a trusted certificate is turned away. */
  require_certificate: z.boolean().default(false),
  /** The common name of the client certificate is the username, and there is no password. */
  use_identity_as_username: z.boolean().default(false),
  /** The same with the whole subject. */
  use_subject_as_username: z.boolean().default(false),
  use_username_as_clientid: z.boolean().default(false),
  /** Web pages that may connect, as `https://HOST:PORT`; `*` for all. */
  websockets_origin: z
    .preprocess(
      (written) => (typeof written === 'string' ? [written] : written),
      z.array(z.string().regex(/^(?:\*|https?:\/\/[^/]+)$/, 'expected https://HOST or *')),
    )
    .optional(),
  /** `allow_anonymous` of this listener alone, whatever is said for all. */
  listener_allow_anonymous: z.boolean().optional(),
}

/** A listener of `listeners`; `listen` is `PORT` or `HOST:PORT`. */
export const listenerSchema: z.ZodType<ListenerGiven & AccessGiven & { listen: number | string }> =
  z.strictObject({
    listen: z.union([z.number().int(), z.string()]),
    ...listenerShape,
    ...accessShape,
  })

/** Access settings as they may be given. */
export interface AccessOptions {
  password_file?: string
  acl_file?: string
  allow_anonymous?: boolean
  allow_zero_length_clientid?: boolean
  auto_id_prefix?: string
}

/** Settings of one listener as they may be given; names are those of mosquitto.conf. */
export interface ListenerOptions extends AccessOptions {
  protocol?: 'mqtt' | 'websockets'
  max_connections?: number
  max_topic_alias?: number
  max_qos?: Qos
  certfile?: string
  keyfile?: string
  cafile?: string
  capath?: string
  crlfile?: string
  dhparamfile?: string
  ciphers?: string
  'ciphers_tls1.3'?: string
  tls_version?: 'tlsv1.2' | 'tlsv1.3'
  require_certificate?: boolean
  use_identity_as_username?: boolean
  use_subject_as_username?: boolean
  use_username_as_clientid?: boolean
  websockets_origin?: string | readonly string[]
  listener_allow_anonymous?: boolean
}

/** Files and rules of a listener that speaks TLS; paths are absolute. */
export interface TlsSettings {
  readonly certfile: string
  readonly keyfile: string
  readonly cafile: string | undefined
  readonly capath: string | undefined
  readonly crlfile: string | undefined
  readonly dhparamfile: string | undefined
  /** For TLS 1.2, and for TLS 1.3; undefined means the usual ones. */
  readonly ciphers: string | undefined
  readonly ciphersuites: string | undefined
  readonly tls_version: 'tlsv1.2' | 'tlsv1.3'
  readonly require_certificate: boolean
}

/** Which files decide over a listener's clients. */
export interface AccessSettings {
  /** Listeners with the same name share users and rules. */
  readonly realm: string
  readonly password_file: string | undefined
  readonly acl_file: string | undefined
  readonly allow_anonymous: boolean
}

/** A listener with everything that was written or is the default. */
export interface ResolvedListener {
  /** `mqtt`, `websocket`, `mqtts`, `websockets`, `internal`, with a number where there are several. */
  readonly name: string
  /** An empty host means every address of the machine. */
  readonly address: ListenAddress
  readonly protocol: 'mqtt' | 'websockets'
  /** For the pipeline's own clients. */
  readonly isInternal: boolean
  readonly tls: TlsSettings | undefined
  readonly access: AccessSettings
  readonly max_connections: number
  readonly max_topic_alias: number
  readonly max_qos: Qos
  readonly allow_zero_length_clientid: boolean
  readonly auto_id_prefix: string
  readonly use_identity_as_username: boolean
  readonly use_subject_as_username: boolean
  readonly use_username_as_clientid: boolean
  /** Web pages that may connect; undefined where any may, or those of this machine. */
  readonly websockets_origin: readonly string[] | undefined
}

/** How the settings of a listener came about. */
export interface ListenerContext {
  readonly name: string
  readonly address: ListenAddress
  readonly isInternal?: boolean
  /** Listeners with the same name share users and rules. */
  readonly realm: string
  /** The access settings that count: the listener's own, or those of all. */
  readonly access: Partial<AccessGiven>
  /** Where nothing is written of it. */
  readonly isAnonymousAllowed: boolean
  /** The folder that relative paths start from. */
  readonly folder: string
  refuse(key: string, what: string): Error
}

/**
 * Puts a listener together.
 *
 * @throws what `refuse` makes, where settings do not go together
 */
export function resolveListener(own: ListenerGiven, context: ListenerContext): ResolvedListener {
  const { access, folder, refuse } = context
  const absolute = (written: string | undefined): string | undefined =>
    written === undefined ? undefined : path.resolve(folder, written)
  const certfile = absolute(own.certfile)
  const keyfile = absolute(own.keyfile)
  if ((certfile === undefined) !== (keyfile === undefined))
    throw refuse(certfile ? 'certfile' : 'keyfile', 'certfile and keyfile go together')
  const needsTls = [
    'cafile',
    'capath',
    'crlfile',
    'dhparamfile',
    'ciphers',
    'ciphers_tls1.3',
    'require_certificate',
    'use_identity_as_username',
    'use_subject_as_username',
  ] as const
  const without = certfile ? undefined : needsTls.find((key) => own[key])
  if (without) throw refuse(without, 'needs TLS; give certfile and keyfile too')
  if (own.require_certificate && !own.cafile && !own.capath)
    throw refuse('require_certificate', 'needs cafile or capath, to know which ones to trust')
  const named = (['use_identity_as_username', 'use_subject_as_username'] as const).find(
    (key) => own[key],
  )
  if (named && !own.require_certificate) throw refuse(named, 'needs require_certificate: true')
  return {
    name: context.name,
    address: context.address,
    protocol: own.protocol,
    isInternal: context.isInternal ?? false,
    tls:
      certfile && keyfile
        ? {
            certfile,
            keyfile,
            cafile: absolute(own.cafile),
            capath: absolute(own.capath),
            crlfile: absolute(own.crlfile),
            dhparamfile: absolute(own.dhparamfile),
            ciphers: own.ciphers,
            ciphersuites: own['ciphers_tls1.3'],
            tls_version: own.tls_version,
            require_certificate: own.require_certificate,
          }
        : undefined,
    access: {
      realm: context.realm,
      password_file: absolute(access.password_file),
      acl_file: absolute(access.acl_file),
      allow_anonymous:
        own.listener_allow_anonymous ?? access.allow_anonymous ?? context.isAnonymousAllowed,
    },
    max_connections: own.max_connections,
    max_topic_alias: own.max_topic_alias,
    max_qos: own.max_qos,
    allow_zero_length_clientid: access.allow_zero_length_clientid ?? true,
    auto_id_prefix: access.auto_id_prefix ?? 'auto-',
    use_identity_as_username: own.use_identity_as_username,
    use_subject_as_username: own.use_subject_as_username,
    use_username_as_clientid: own.use_username_as_clientid,
    websockets_origin: own.websockets_origin,
  }
}

/** Whether only this machine reaches the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
