import path from 'node:path'
import type { PartName } from '../config/part-names.ts'
import { partSettings } from '../config/pipeline.ts'
import { brokerAccess } from '../devices/broker-access.ts'
import type { PartDefinition, WiringContext } from './definition.ts'

/** Every part, in the order in which they are shown. What they need of each other stands in `after`. */
export const partDefinitions: readonly PartDefinition[] = [
  {
    name: 'mqtt',
    thread: 'main',
    after: [],
    // The public listeners open when the pipeline's own subscriptions exist: what is acknowledged
    // before that would be kept by nobody.
    settings: (written, context) => ({
      ...brokerAccess(written, context.listeners, context.pipeline.data),
      ...withPaths(written, context),
      ...context.listeners,
      data: context.data,
      hold: true,
      internal: context.book.mqttLogin,
    }),
  },
  {
    name: 'zookeeper',
    thread: 'log',
    after: [],
    settings: (written, { listeners, data }) => ({ ...written, ...listeners, data }),
  },
  {
    name: 'kafka',
    thread: 'log',
    after: ['zookeeper'],
    settings: (written, { listeners, data, book, path: resolve }) => ({
      ...written,
      ...withFiles(written, resolve),
      ...listeners,
      data,
      internal: book.kafkaLogin,
      ...(book.environment.KHLONG_ZOOKEEPER_CONNECT === undefined
        ? {}
        : { 'zookeeper.connect': book.environment.KHLONG_ZOOKEEPER_CONNECT }),
    }),
  },
  {
    name: 'mongodb',
    thread: 'store',
    after: [],
    settings: (written, { listeners, data }) => ({ ...written, ...listeners, data }),
  },
  {
    name: 'prometheus',
    thread: 'store',
    after: [],
    settings: (
      { 'config.file': configFile, 'alertmanager.config.file': alertmanagerFile, ...written },
      context,
    ) => ({
      ...written,
      ...context.listeners,
      data: context.data,
      'config.file': context.path(configFile, './prometheus.yml'),
      ...(alertmanagerFile === undefined
        ? {}
        : { 'alertmanager.config.file': context.path(alertmanagerFile, './alertmanager.yml') }),
      'discovery.dir': path.join(context.pipeline.data, 'discovery'),
      ...accessOf(written, context),
      hosts: context.book.hosts,
    }),
  },
  {
    name: 'connect',
    thread: 'main',
    after: ['kafka', 'mqtt', 'mongodb'],
    // Connectors of the user's own may loop or throw: they take the worker with them, and no part
    // that holds what was acknowledged.
    threadFor: ({ plugins }) => (plugins === undefined ? 'main' : 'user'),
    settings: ({ connectors, plugins, ...written }, context) => ({
      ...written,
      ...(plugins === undefined ? {} : { plugins: context.path(plugins, './plugins') }),
      listen: context.listeners.listen,
      data: context.data,
      ...context.book.kafka,
      connectors: context.path(connectors, './connectors'),
      env: context.book.environment,
      ...accessOf(written, context),
      hosts: context.book.hosts,
    }),
  },
  {
    name: 'streams',
    thread: 'user',
    after: ['kafka'],
    settings: ({ apps, ...written }, context) => ({
      ...written,
      data: context.data,
      ...context.book.kafka,
      apps: context.path(apps, './streams'),
      hosts: context.book.hosts,
    }),
  },
  {
    name: 'grafana',
    thread: 'main',
    after: [],
    settings: ({ dashboards, ...written }, context) => {
      const { environment, platform, parts, token } = context.book
      return {
        ...written,
        ...context.listeners,
        data: context.data,
        dashboards: context.path(dashboards, './dashboards'),
        ...given('prometheus', environment.KHLONG_PROMETHEUS_URL),
        ...given('mongodb', environment.KHLONG_MONGODB_URI),
        ...given('kafka', environment.KHLONG_KAFKA_BOOTSTRAP_SERVERS),
        ...(context.book.kafka === undefined ? {} : { 'kafka.client': context.book.kafka }),
        ...given('connect', environment.KHLONG_CONNECT_URL),
        ...given('mqtt', environment.KHLONG_MQTT_URL),
        ...shownMqtt(context),
        ...given('zookeeper', environment.KHLONG_ZOOKEEPER_CONNECT),
        platform: `http://${platform}`,
        'platform.token': token,
        ...accessOf(written, context),
        // Only for our own: a real system elsewhere must not learn it.
        ...given('prometheus.token', parts.prometheus.kind === 'embedded' ? token : undefined),
        ...given('connect.token', parts.connect.kind === 'embedded' ? token : undefined),
      }
    },
  },
  {
    name: 'forward',
    thread: 'main',
    after: ['kafka'],
    settings: (written, { book, path: resolve }) => ({
      ...written,
      ...withFiles(written, resolve),
      ...(book.kafka === undefined ? {} : { source: book.kafka }),
    }),
  },
  {
    name: 'sensors',
    thread: 'main',
    after: ['mqtt', 'connect'],
    settings: ({ fleet, ...written }, context) => ({
      ...written,
      data: context.data,
      url: context.book.environment.KHLONG_MQTT_URL,
      ...(typeof fleet === 'string' || fleet === undefined
        ? { fleet: context.path(fleet, './sensors.yml') }
        : { fleet }),
    }),
  },
]

/** Stores of listeners and clients are looked for from the pipeline's folder. */
function withFiles(
  written: Readonly<Record<string, unknown>>,
  resolve: WiringContext['path'],
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(written)
      .filter(([key]) => /(^|\.)ssl\.(keystore|truststore)\.location$/.test(key))
      .map(([key, value]) => [key, resolve(value, '.')]),
  )
}

/** Settings of the broker that name a file or a folder. */
const mqttFiles = [
  'config_file',
  'password_file',
  'acl_file',
  'cafile',
  'capath',
  'certfile',
  'keyfile',
  'crlfile',
] as const

/** Files are looked for from the pipeline's folder, also those of single listeners. */
function withPaths(
  written: Readonly<Record<string, unknown>>,
  context: WiringContext,
): Record<string, unknown> {
  const settings: Record<string, unknown> = { ...written }
  for (const key of mqttFiles)
    if (typeof settings[key] === 'string') settings[key] = context.path(settings[key], '')
  if (Array.isArray(settings.listeners))
    settings.listeners = settings.listeners.map((listener: unknown) =>
      typeof listener === 'object' && listener !== null
        ? withPaths(listener as Record<string, unknown>, context)
        : listener,
    )
  return settings
}

/** The people of the pipeline, whom all its HTTP servers share. */
function accessOf(
  written: Readonly<Record<string, unknown>>,
  { pipeline, book, path: resolve }: WiringContext,
): Record<string, string> {
  return {
    access: resolve(written.access, path.join(pipeline.data, 'access')),
    'access.token': book.token,
  }
}

/** MQTT as people reach it, for the console to show: it connects as the pipeline's own clients do. */
function shownMqtt({ pipeline, book }: WiringContext): Record<string, string | boolean> {
  const { mqtt } = book.parts
  const { listen, websocket } = mqtt.kind === 'embedded' ? mqtt.listeners : {}
  const written = partSettings(pipeline, 'mqtt') || {}
  const listeners = mqtt.kind === 'embedded' ? mqtt.listeners : {}
  const access = { ...brokerAccess(written, listeners, pipeline.data), ...written }
  const webSocketScheme = book.mqttScheme === 'mqtts' ? 'wss' : 'ws'
  return {
    ...given('mqtt.public', listen && `${book.mqttScheme}://${listen}`),
    ...given('mqttWebsocket', websocket && `${webSocketScheme}://${websocket}`),
    'mqtt.login': access.password_file !== undefined && access.allow_anonymous !== true,
  }
}

/** One key with its value, or none where there is no value. */
function given(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [key]: value }
}

/** The definition of a part by its name. */
export function partDefinition(name: PartName): PartDefinition {
  const definition = partDefinitions.find((candidate) => candidate.name === name)
  if (!definition) throw new Error(`no definition of part ${name}`)
  return definition
}
