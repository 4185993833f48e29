import { readFileSync } from 'node:fs'
import {
  type CodedError,
  checkSettings,
  type ListenAddress,
  parseListen,
  SettingsError,
  type SettingsSource,
} from '@khlong/core'
import { z } from 'zod'
import { parseAclFile } from './access/acl-file.ts'
import { parsePasswordFile } from './access/password-file.ts'
import {
  type AccessGiven,
  accessShape,
  isLoopback,
  type ListenerOptions,
  listenerSchema,
  listenerShape,
  type ResolvedListener,
  resolveListener,
} from './listener-options.ts'
import { type ConfListener, type MosquittoConf, readMosquittoConf } from './mosquitto-conf.ts'
import { neverExpires } from './state/session.ts'

const listen = z.union([z.number().int(), z.string()])
const count = z.number().int().min(0)

/** Settings of the whole broker that mosquitto.conf has too. */
const generalShape = {
  /** Without it nothing outlives the process, and nothing waits for a disk. */
  persistence: z.boolean().default(true),
  /** Mosquitto's default is 20; a client that acknowledges after its own disk needs more. */
  max_inflight_messages: count.max(65_535).default(1_000),
  /** Mosquitto's default is 1,000; here publishers wait for a full queue, so bytes are the limit. */
  max_queued_messages: count.default(0),
  max_queued_bytes: count.default(64 * 1_048_576),
  max_packet_size: z.number().int().min(20).max(268_435_460).default(2_000_000),
  max_keepalive: count.max(65_535).default(0),
  retain_available: z.boolean().default(true),
  /** A number with h, d, w, m (months) or y. */
  persistent_client_expiration: z
    .string()
    .regex(/^\d+[hdwmy]$/, 'expected a number with h, d, w, m or y, such as 14d')
    .optional(),
  /** Seconds between updates of `$SYS`; 0 for none. */
  sys_interval: count.default(10),
  /** Client ids must begin so. */
  clientid_prefixes: z.string().min(1).optional(),
  /** Whether a retained message is kept from new subscribers when its publisher may no longer write. */
  check_retain_source: z.boolean().default(true),
}

const schema = z.strictObject({
  /** `PORT` or `HOST:PORT` for MQTT over TCP. */
  listen: listen.optional(),
  /** The same for MQTT over WebSocket; not opened unless given. */
  websocket: listen.optional(),
  /** More listeners, each with settings of its own. */
  listeners: z.array(listenerSchema).default([]),
  /** A mosquitto.conf. What is written beside it goes before. */
  config_file: z.string().min(1).optional(),
  /** Whether access settings are those of each listener, instead of all. */
  per_listener_settings: z.boolean().default(false),
  /** A loopback listener for the pipeline's own clients; it opens first. */
  'internal.listen': listen.optional(),
  /** Who the pipeline's own clients are; made anew for each run and never written down. */
  internal: z
    .strictObject({ username: z.string().min(1), password: z.string().min(16) })
    .optional(),
  /** Public listeners wait for `openPublicListeners`. */
  hold: z.boolean().default(false),
  /** The folder of the journal. */
  data: z.string().optional(),
  when_queue_full: z.enum(['wait', 'drop']).default('wait'),
  /** The longest that a login waits after wrong ones from its address, in seconds; 0 for never. */
  login_delay_max: z.number().min(0).max(3_600).default(10),
  journal_segment_bytes: z
    .number()
    .int()
    .min(4_096)
    .max(1_073_741_824)
    .default(8 * 1_048_576),
  ...generalShape,
  ...listenerShape,
  ...accessShape,
})

/** What a broker may be given; names are those of mosquitto.conf where it has them. */
export interface MqttOptions extends ListenerOptions {
  listen?: number | string
  websocket?: number | string
  listeners?: readonly (ListenerOptions & { listen: number | string })[]
  config_file?: string
  per_listener_settings?: boolean
  'internal.listen'?: number | string
  /** The pipeline's own clients: they may log in from this machine, whatever the files say. */
  internal?: { username: string; password: string }
  hold?: boolean
  data?: string
  persistence?: boolean
  max_inflight_messages?: number
  max_queued_messages?: number
  max_queued_bytes?: number
  when_queue_full?: 'wait' | 'drop'
  max_packet_size?: number
  max_keepalive?: number
  retain_available?: boolean
  persistent_client_expiration?: string
  sys_interval?: number
  clientid_prefixes?: string
  check_retain_source?: boolean
  login_delay_max?: number
  journal_segment_bytes?: number
}

type Kept =
  | 'hold'
  | 'persistence'
  | 'max_inflight_messages'
  | 'max_queued_messages'
  | 'max_queued_bytes'
  | 'when_queue_full'
  | 'max_packet_size'
  | 'max_keepalive'
  | 'retain_available'
  | 'sys_interval'
  | 'check_retain_source'
  | 'login_delay_max'
  | 'journal_segment_bytes'
type Open = 'data' | 'internal' | 'clientid_prefixes' | 'config_file'

/** Checked options with their defaults. */
export interface ResolvedMqttOptions
  extends Readonly<Required<Pick<MqttOptions, Kept>>>,
    Readonly<{ [Key in Open]?: MqttOptions[Key] | undefined }> {
  /** Every listener, the internal one first. */
  readonly listeners: readonly ResolvedListener[]
  /** The longest that a session may wait for its client, in seconds. */
  readonly sessionExpirySecondsMax: number
  /** The configuration file and those that it includes. */
  readonly files: readonly string[]
  /** Keys of the configuration file that mean nothing here. */
  readonly setAside: readonly string[]
}

/** Settings of Mosquitto that are known here and not supported yet. */
const unsupported: ReadonlySet<string> = new Set(
  `address allow_duplicate_messages auth_plugin auth_plugin_deny_special_chars
  autosave_interval autosave_on_changes bind_address bind_interface bridge_alpn
  bridge_attempt_unsubscribe bridge_bind_address bridge_cafile bridge_capath bridge_certfile
  bridge_identity bridge_insecure bridge_keyfile bridge_max_packet_size bridge_outgoing_retain
  bridge_protocol_version bridge_psk bridge_require_ocsp bridge_tls_version cleansession connection
  connection_messages enable_control_api enable_proxy_protocol global_max_clients
  global_max_connections global_plugin http_dir idle_timeout include_dir keepalive_interval listener
  local_cleansession local_clientid local_password local_username log_dest
  log_facility log_timestamp log_timestamp_format log_type max_inflight_bytes max_topic_alias_broker
  memory_limit message_size_limit mount_point notification_topic notifications
  notifications_local_only packet_buffer_size persistence_file persistence_location pid_file plugin
  plugin_load plugin_use port psk_file psk_hint queue_qos0_messages remote_clientid remote_password
  remote_username restart_timeout retain_expiry_interval round_robin set_tcp_nodelay socket_domain
  start_type threshold tls_engine tls_engine_kpass_sha1 tls_keyform topic try_private
  upgrade_outgoing_qos user websockets_headers_size websockets_log_level`.split(/\s+/),
)

const replaced: Readonly<Record<string, string>> = {
  persistence_location: 'use data',
  port: 'use listen',
  listener: 'use listen, websocket or listeners',
  bind_address: 'use listen with HOST:PORT',
  message_size_limit: 'use max_packet_size',
}

type Checked = Readonly<z.infer<typeof schema>>
type Refuse = (key: string, what: string) => SettingsError

/**
 * Checks options and fills in their defaults. Reads the file of `config_file`, and tries the files of
 * users and rules where they are there already; those of TLS are tried at the start.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key.
 */
export function resolveMqttOptions(
  settings: unknown,
  source: SettingsSource = { name: 'options' },
): ResolvedMqttOptions {
  const given = (settings ?? {}) as Readonly<Record<string, unknown>>
  const conf =
    typeof given.config_file === 'string'
      ? readMosquittoConf(given.config_file, { general: generalShape, unsupported, replaced })
      : undefined
  const refuse: Refuse = (key, what) => {
    const place = key in given ? undefined : conf?.places.get(key)
    const line = place?.line ?? source.line?.([key])
    const file = place?.file ?? source.name
    return settingsError(file, line, key, what)
  }
  for (const key of Object.keys(given))
    if (unsupported.has(key)) {
      const instead = replaced[key]
      throw refuse(key, instead ? `not supported; ${instead}` : 'not supported yet')
    }
  const options = checkSettings(schema, { ...conf?.settings, ...given }, source)
  if (options.persistence && options.data === undefined)
    throw refuse('data', 'a folder is needed; persistence: false keeps everything in memory only')
  const listeners = [
    ...internalListener(options, refuse),
    ...(conf && conf.listeners.length > 0
      ? conf.listeners.map((listener) => confListener(listener, options, conf))
      : publicListeners(options, given, conf, refuse)),
  ]
  tryFiles(listeners)
  return Object.freeze({
    ...options,
    listeners: withNames(listeners),
    sessionExpirySecondsMax: expirationSeconds(options.persistent_client_expiration),
    files: conf?.files ?? [],
    setAside: conf?.setAside ?? [],
  })
}

/** Says at once what a start would say of files that are there; they may also be made before it. */
function tryFiles(listeners: readonly ResolvedListener[]): void {
  const files = new Map<string, (text: string, file: string) => unknown>()
  for (const { access } of listeners) {
    if (access.password_file !== undefined) files.set(access.password_file, parsePasswordFile)
    if (access.acl_file !== undefined) files.set(access.acl_file, parseAclFile)
  }
  for (const [file, parse] of files) {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      continue
    }
    parse(text, file)
  }
}

function settingsError(
  file: string,
  line: number | undefined,
  key: string,
  what: string,
): SettingsError {
  const where = line === undefined ? file : `${file}:${line}`
  return new SettingsError(`${where}: ${key}: ${what}`, {
    file,
    key,
    ...(line === undefined ? {} : { line }),
  })
}

function readAddress(written: number | string, key: string, refuse: Refuse): ListenAddress {
  try {
    return parseListen(written)
  } catch (error) {
    throw refuse(key, (error as CodedError).message)
  }
}

function internalListener(options: Checked, refuse: Refuse): ResolvedListener[] {
  const written = options['internal.listen']
  if (written === undefined) return []
  const address = readAddress(written, 'internal.listen', refuse)
  if (!isLoopback(address.host))
    throw refuse('internal.listen', `expected a loopback address, found ${address.host}`)
  const own = listenerSchema.parse({ listen: written })
  return [
    resolveListener(own, {
      name: 'internal',
      address,
      isInternal: true,
      realm: 'internal',
      access: {},
      isAnonymousAllowed: options.internal === undefined,
      folder: '.',
      refuse,
    }),
  ]
}

/** The listeners of `listen`, `websocket` and `listeners`. */
function publicListeners(
  options: Checked,
  given: Readonly<Record<string, unknown>>,
  conf: MosquittoConf | undefined,
  refuse: Refuse,
): ResolvedListener[] {
  const isPerListener = options.per_listener_settings
  const make = (
    own: Parameters<typeof resolveListener>[0],
    address: ListenAddress,
    realm: string,
    access: AccessGiven,
    where: string,
    refuseHere: Refuse,
  ): ResolvedListener => {
    const isLocal = isLoopback(address.host)
    const isCertified = own.use_identity_as_username || own.use_subject_as_username
    const isGuarded = access.password_file !== undefined || isCertified
    const isSaid = (own.listener_allow_anonymous ?? access.allow_anonymous) !== undefined
    if (!isLocal && !isGuarded && !isSaid)
      throw refuseHere(
        where,
        `listening on ${address.host} without authentication needs a password_file, client certificates, or allow_anonymous: true; listen on 127.0.0.1 to stay private`,
      )
    return resolveListener(own, {
      name: '',
      address,
      realm,
      access,
      // Mosquitto without a listener in its file is for this machine, and lets everyone in.
      isAnonymousAllowed: isLocal && (conf !== undefined || !isGuarded),
      folder: conf?.folder ?? '.',
      refuse: refuseHere,
    })
  }
  const listeners: ResolvedListener[] = []
  const { listen: main = options.listeners.length > 0 ? undefined : 1883, websocket } = options
  for (const [key, written] of Object.entries({ listen: main, websocket })) {
    if (written === undefined) continue
    const protocol = key === 'websocket' ? ('websockets' as const) : options.protocol
    const address = readAddress(written, key, refuse)
    listeners.push(make({ ...options, protocol }, address, '', options, key, refuse))
  }
  for (const [index, own] of options.listeners.entries()) {
    const prefix = `listeners.${index}.`
    const refuseHere: Refuse = (key, what) => refuse(`${prefix}${key}`, what)
    const written = Object.keys((given.listeners as object[])[index] ?? {})
    const misplaced = isPerListener ? undefined : written.find((key) => key in accessShape)
    if (misplaced)
      throw refuseHere(misplaced, 'needs per_listener_settings: true; else it is for all listeners')
    const address = readAddress(own.listen, 'listen', refuseHere)
    const access = isPerListener ? own : options
    const realm = isPerListener ? `listeners.${index}` : ''
    listeners.push(make(own, address, realm, access, 'listen', refuseHere))
  }
  return listeners
}

/** A listener of the configuration file: what is not written there is Mosquitto's default. */
function confListener(
  listener: ConfListener,
  options: Checked,
  conf: MosquittoConf,
): ResolvedListener {
  const { port, host, settings, places } = listener
  const isPerListener = options.per_listener_settings
  const own = listenerSchema.parse({ listen: port, ...settings })
  return resolveListener(own, {
    name: '',
    address: { host: host ?? '', port },
    realm: isPerListener ? `listener ${port} ${host ?? ''}`.trim() : '',
    access: isPerListener ? own : options,
    isAnonymousAllowed: false,
    folder: conf.folder,
    refuse: (key, what) => {
      const place = places.get(key) ?? conf.places.get(key) ?? places.values().next().value
      return settingsError(place?.file ?? conf.folder, place?.line, key, what)
    },
  })
}

/** Names by what they speak; the second of a kind is `mqtt-2`. */
function withNames(listeners: readonly ResolvedListener[]): ResolvedListener[] {
  const counts = new Map<string, number>()
  return listeners.map((listener) => {
    const { protocol, tls } = listener
    const kind = listener.name || (protocol === 'mqtt' ? 'mqtt' : 'websocket')
    const name = tls ? `${kind}s` : kind
    const number = (counts.get(name) ?? 0) + 1
    counts.set(name, number)
    return { ...listener, name: number === 1 ? name : `${name}-${number}` }
  })
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
