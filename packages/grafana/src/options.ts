import { checkSettings, type SettingsSource } from '@khlong/core'
import { accessSettings } from '@khlong/core/access'
import { z } from 'zod'

/** What a caller may give. An address that is left out is shown as not configured. */
export interface GrafanaOptions {
  /** Port or `host:port`; 3000 on 127.0.0.1 by default, 0 takes any free port. */
  listen?: number | string
  /** Folder for saved dashboards and data sources. */
  data?: string
  /** Folder of Grafana dashboard JSON files; they are provisioned and watched. */
  dashboards?: string
  /** Base address of Prometheus's HTTP API, such as `http://127.0.0.1:9090`. */
  prometheus?: string
  /** Connection string of MongoDB. */
  mongodb?: string
  /** The database that queries read where they name none. */
  'mongodb.database'?: string
  /** Kafka's bootstrap servers, `host:port,host:port`. */
  kafka?: string
  /** How the console's own client reaches Kafka, by the settings of Kafka's clients; else by `kafka`. */
  'kafka.client'?: Record<string, unknown>
  /** Base address of Kafka Connect's REST API. */
  connect?: string
  /** Address of the MQTT broker, `mqtt://host:port`. */
  mqtt?: string
  /** The broker as people reach it, where that is another address: `mqtt://host:port`, `mqtts://…`. */
  'mqtt.public'?: string
  /** Whether people need a name and a secret there. */
  'mqtt.login'?: boolean
  /** Address of the MQTT broker for browsers, `ws://host:port`. */
  mqttWebsocket?: string
  /** The MQTT topic that carries sensor frames. */
  'mqtt.topic'?: string
  /** ZooKeeper's connect string, `host:port,host:port/chroot`. */
  zookeeper?: string
  /** Base address of the platform's own status API. */
  platform?: string
  /** What Prometheus, Connect and the platform are shown as `Authorization: Bearer`. */
  'prometheus.token'?: string
  'connect.token'?: string
  'platform.token'?: string
  /** Folder of users, tokens and audit logs; `access` in the data folder by default. */
  access?: string
  /** Whether everybody must log in on loopback, too, before there are users. */
  'access.required'?: boolean
  'access.token'?: string
  /** Lets everybody in off loopback, too, as long as there are no users. */
  allow_anonymous?: boolean
  /** How long a session lasts without use (`7d`), and at most (`30d`). */
  'auth.login_maximum_inactive_lifetime_duration'?: string
  'auth.login_maximum_lifetime_duration'?: string
  /** Whether cookies are for HTTPS only; they are anyway where the request came so. */
  'security.cookie_secure'?: boolean
}

/** Options after checking, with defaults filled in. */
export type ResolvedGrafanaOptions = Readonly<
  Omit<GrafanaOptions, `auth.${string}`> &
    Required<
      Pick<
        GrafanaOptions,
        | 'listen'
        | 'data'
        | 'mongodb.database'
        | 'mqtt.topic'
        | 'access.required'
        | 'allow_anonymous'
        | 'security.cookie_secure'
      >
    > & {
      /** In milliseconds. */
      'auth.login_maximum_inactive_lifetime_duration': number
      'auth.login_maximum_lifetime_duration': number
    }
>

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

const duration = z
  .string()
  .regex(/^[1-9]\d{0,4}[mhdw]$/, { error: 'expected a duration such as 12h or 7d' })
  .transform((text) => Number(text.slice(0, -1)) * unitMs[text.at(-1) as keyof typeof unitMs])

const httpUrl = z.url({
  protocol: /^https?$/,
  error: 'expected an address such as http://host:port',
})

const schema = z.strictObject({
  listen: z.union([z.number().int().min(0).max(65_535), z.string()]).default(3000),
  data: z.string().min(1).default('./data/grafana'),
  dashboards: z.string().min(1).optional(),
  prometheus: httpUrl.optional(),
  mongodb: z.string().startsWith('mongodb').optional(),
  // The classic pipeline's sinks write here.
  'mongodb.database': z.string().min(1).default('iot'),
  kafka: z.string().min(1).optional(),
  // The client checks it when it is made; the package is loaded only then.
  'kafka.client': z.record(z.string(), z.unknown()).optional(),
  connect: httpUrl.optional(),
  mqtt: z.string().min(1).optional(),
  'mqtt.public': z.string().min(1).optional(),
  'mqtt.login': z.union([z.boolean(), z.stringbool()]).optional(),
  mqttWebsocket: z.string().min(1).optional(),
  'mqtt.topic': z.string().min(1).default('iot-frames'),
  zookeeper: z.string().min(1).optional(),
  platform: httpUrl.optional(),
  'prometheus.token': z.string().min(1).optional(),
  'connect.token': z.string().min(1).optional(),
  'platform.token': z.string().min(1).optional(),
  ...accessSettings,
  'auth.login_maximum_inactive_lifetime_duration': duration.prefault('7d'),
  'auth.login_maximum_lifetime_duration': duration.prefault('30d'),
  'security.cookie_secure': z.union([z.boolean(), z.stringbool()]).default(false),
})

/**
 * Checks options and fills in defaults.
 *
 * @throws SettingsError `SETTINGS_INVALID`
 */
export function resolveGrafanaOptions(
  settings: unknown,
  source?: SettingsSource,
): ResolvedGrafanaOptions {
  return checkSettings(schema, settings, source) as ResolvedGrafanaOptions
}
