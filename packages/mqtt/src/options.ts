import {
  type CodedError,
  checkSettings,
  type ListenAddress,
  parseListen,
  SettingsError,
  type SettingsSource,
} from '@khlong/core'
import { z } from 'zod'
import type { Qos } from './protocol/publish.ts'
import { neverExpires } from './state/session.ts'

const listen = z.union([z.number().int(), z.string()])
const count = z.number().int().min(0)

const schema = z.strictObject({
  /** `PORT` or `HOST:PORT` for MQTT over TCP. */
  listen: listen.default(1883),
  /** The same for MQTT over WebSocket; not opened unless given. */
  websocket: listen.optional(),
  /** A loopback listener for the pipeline's own clients; it opens first. */
  'internal.listen': listen.optional(),
  /** Public listeners wait for `openPublicListeners`. */
  hold: z.boolean().default(false),
  /** The folder of the journal. */
  data: z.string().optional(),
  /** Without it nothing outlives the process, and nothing waits for a disk. */
  persistence: z.boolean().default(true),
  allow_anonymous: z.boolean().optional(),
  allow_zero_length_clientid: z.boolean().default(true),
  auto_id_prefix: z.string().default('auto-'),
  /** Mosquitto's default is 20; a client that acknowledges after its own disk needs more. */
  max_inflight_messages: count.max(65_535).default(1_000),
  /** Mosquitto's default is 1,000; here publishers wait for a full queue, so bytes are the limit. */
  max_queued_messages: count.default(0),
  max_queued_bytes: count.default(64 * 1_048_576),
  when_queue_full: z.enum(['wait', 'drop']).default('wait'),
  max_packet_size: z.number().int().min(20).max(268_435_460).default(2_000_000),
  max_keepalive: count.max(65_535).default(0),
  /** -1 for no limit. */
  max_connections: z.number().int().min(-1).default(-1),
  max_topic_alias: count.max(65_535).default(10),
  max_qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(2),
  retain_available: z.boolean().default(true),
  /** A number with h, d, w, m (months) or y. */
  persistent_client_expiration: z
    .string()
    .regex(/^\d+[hdwmy]$/, 'expected a number with h, d, w, m or y, such as 14d')
    .optional(),
  /** Seconds between updates of `$SYS`; 0 for none. */
  sys_interval: count.default(10),
  journal_segment_bytes: z
    .number()
    .int()
    .min(4_096)
    .max(1_073_741_824)
    .default(8 * 1_048_576),
})

/** What a broker may be given; names are those of mosquitto.conf where it has them. */
export interface MqttOptions {
  listen?: number | string
  websocket?: number | string
  'internal.listen'?: number | string
  hold?: boolean
  data?: string
  persistence?: boolean
  allow_anonymous?: boolean
  allow_zero_length_clientid?: boolean
  auto_id_prefix?: string
  max_inflight_messages?: number
  max_queued_messages?: number
  max_queued_bytes?: number
  when_queue_full?: 'wait' | 'drop'
  max_packet_size?: number
  max_keepalive?: number
  max_connections?: number
  max_topic_alias?: number
  max_qos?: Qos
  retain_available?: boolean
  persistent_client_expiration?: string
  sys_interval?: number
  journal_segment_bytes?: number
}

type Open =
  | 'websocket'
  | 'internal.listen'
  | 'data'
  | 'allow_anonymous'
  | 'persistent_client_expiration'

/** Checked options with their defaults. */
export interface ResolvedMqttOptions
  extends Readonly<Required<Omit<MqttOptions, Open>>>,
    Readonly<{ [Key in Open]?: MqttOptions[Key] | undefined }> {
  readonly listenAddress: ListenAddress
  readonly websocketAddress: ListenAddress | undefined
  readonly internalAddress: ListenAddress | undefined
  /** The longest that a session may wait for its client, in seconds. */
  readonly sessionExpirySecondsMax: number
}

/** Settings of Mosquitto that are known here and not supported yet. */
const unsupported: ReadonlySet<string> = new Set(
  `acl_file address allow_duplicate_messages auth_plugin auth_plugin_deny_special_chars
  autosave_interval autosave_on_changes bind_address bind_interface bridge_alpn cafile capath
  certfile check_retain_source ciphers ciphers_tls1.3 clientid_prefixes connection crlfile dhparamfile
  enable_control_api global_max_clients global_max_connections global_plugin http_dir include_dir
  keyfile listener listener_allow_anonymous log_dest log_facility log_timestamp log_type
  max_inflight_bytes max_topic_alias_broker memory_limit message_size_limit mount_point
  packet_buffer_size password_file per_listener_settings persistence_file persistence_location
  pid_file plugin plugin_load port protocol psk_file psk_hint queue_qos0_messages
  require_certificate retain_expiry_interval set_tcp_nodelay socket_domain tls_engine tls_version
  topic upgrade_outgoing_qos use_identity_as_username use_subject_as_username use_username_as_clientid
  user websockets_headers_size websockets_log_level websockets_origin`.split(/\s+/),
)

const replaced: Readonly<Record<string, string>> = {
  persistence_location: 'use data',
  port: 'use listen',
  listener: 'use listen, and websocket for WebSocket',
  bind_address: 'use listen with HOST:PORT',
  message_size_limit: 'use max_packet_size',
}

/**
 * Checks options and fills in their defaults.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key.
 */
export function resolveMqttOptions(
  settings: unknown,
  source: SettingsSource = { name: 'options' },
): ResolvedMqttOptions {
  const refuse = (key: string, what: string): SettingsError => {
    const line = source.line?.([key])
    const where = line === undefined ? source.name : `${source.name}:${line}`
    return new SettingsError(`${where}: ${key}: ${what}`, {
      file: source.name,
      key,
      ...(line === undefined ? {} : { line }),
    })
  }
  for (const key of Object.keys(settings ?? {}))
    if (unsupported.has(key)) {
      const instead = replaced[key]
      throw refuse(key, instead ? `not supported; ${instead}` : 'not supported yet')
    }
  const options = checkSettings(schema, settings ?? {}, source)
  const address = (key: 'listen' | 'websocket' | 'internal.listen'): ListenAddress | undefined => {
    const written = options[key]
    if (written === undefined) return undefined
    try {
      return parseListen(written)
    } catch (error) {
      throw refuse(key, (error as CodedError).message)
    }
  }
  for (const key of ['listen', 'websocket'] as const) {
    const at = address(key)
    if (at && !isLoopback(at.host) && options.allow_anonymous !== true)
      throw refuse(
        key,
        `listening on ${at.host} without authentication needs allow_anonymous: true; listen on 127.0.0.1 to stay private`,
      )
  }
  const internalAddress = address('internal.listen')
  if (internalAddress && !isLoopback(internalAddress.host))
    throw refuse('internal.listen', `expected a loopback address, found ${internalAddress.host}`)
  if (options.persistence && options.data === undefined)
    throw refuse('data', 'a folder is needed; persistence: false keeps everything in memory only')
  return Object.freeze({
    ...options,
    listenAddress: address('listen')!,
    websocketAddress: address('websocket'),
    internalAddress,
    sessionExpirySecondsMax: expirationSeconds(options.persistent_client_expiration),
  })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

const hourSeconds = 3_600
const unitSeconds: Readonly<Record<string, number>> = {
  h: hourSeconds,
  d: 24 * hourSeconds,
  w: 168 * hourSeconds,
  m: 730 * hourSeconds,
  y: 8_760 * hourSeconds,
}

function expirationSeconds(written: string | undefined): number {
  if (written === undefined) return neverExpires
  const seconds = Number.parseInt(written, 10) * unitSeconds[written.at(-1)!]!
  return Math.min(seconds, neverExpires - 1)
}
