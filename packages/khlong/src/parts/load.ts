import { flushCompileCache } from 'node:module'
import type { FormatVersions, Part, PartContext, SettingsSource } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import { provideOwnPackages } from './own-packages.ts'

/** What each part's package gives: a check that names the source of a wrong setting, and the part itself. */
interface PartModule {
  check(settings: unknown, source: SettingsSource): unknown
  /** `settings` as written; the part fills in defaults itself. */
  make(settings: never, context: PartContext): Part
  /** The newest versions of files that it reads; missing where it keeps none of its own. */
  formats?: FormatVersions
}

/** Each part's code is imported only where, and when, the part runs. */
const modules: Record<PartName, () => Promise<PartModule>> = {
  sensors: async () => {
    const { SensorFleet, resolveSensorOptions } = await import('@khlong/sensors')
    return { check: resolveSensorOptions, make: (...given) => new SensorFleet(...given) }
  },
  mqtt: async () => {
    const { MqttBroker, mqttFormats: formats, resolveMqttOptions } = await import('@khlong/mqtt')
    return { check: resolveMqttOptions, make: (...given) => new MqttBroker(...given), formats }
  },
  zookeeper: async () => {
    const {
      ZooKeeperServer,
      zookeeperFormats: formats,
      resolveZooKeeperOptions,
    } = await import('@khlong/zookeeper')
    return {
      check: resolveZooKeeperOptions,
      make: (...given) => new ZooKeeperServer(...given),
      formats,
    }
  },
  kafka: async () => {
    const {
      KafkaBroker,
      kafkaFormats: formats,
      resolveKafkaOptions,
    } = await import('@khlong/kafka')
    return { check: resolveKafkaOptions, make: (...given) => new KafkaBroker(...given), formats }
  },
  connect: async () => {
    const {
      ConnectWorker,
      connectFormats: formats,
      resolveConnectOptions,
    } = await import('@khlong/connect')
    provideOwnPackages()
    return {
      check: resolveConnectOptions,
      make: (...given) => new ConnectWorker(...given),
      formats,
    }
  },
  streams: async () => {
    const { StreamsApps, resolveStreamsAppsOptions } = await import('@khlong/streams')
    provideOwnPackages()
    return { check: resolveStreamsAppsOptions, make: (...given) => new StreamsApps(...given) }
  },
  mongodb: async () => {
    const {
      MongodbServer,
      mongodbFormats: formats,
      resolveMongodbOptions,
    } = await import('@khlong/mongodb')
    return {
      check: resolveMongodbOptions,
      make: (...given) => new MongodbServer(...given),
      formats,
    }
  },
  prometheus: async () => {
    const {
      PrometheusServer,
      prometheusFormats: formats,
      resolvePrometheusOptions,
    } = await import('@khlong/prometheus')
    return {
      check: resolvePrometheusOptions,
      make: (...given) => new PrometheusServer(...given),
      formats,
    }
  },
  forward: async () => {
    const { Forwarder } = await import('../forward/forwarder.ts')
    const { resolveForwardOptions } = await import('../forward/options.ts')
    return { check: resolveForwardOptions, make: (...given) => new Forwarder(...given) }
  },
  grafana: async () => {
    const {
      GrafanaServer,
      grafanaFormats: formats,
      resolveGrafanaOptions,
    } = await import('@khlong/grafana')
    return {
      check: resolveGrafanaOptions,
      make: (...given) => new GrafanaServer(...given),
      formats,
    }
  },
}

/**
 * Loads a part's code and makes the part; nothing is opened yet.
 *
 * @throws SettingsError `SETTINGS_INVALID` that names `source`
 */
export async function makePart(
  name: PartName,
  settings: unknown,
  source: SettingsSource,
  context: PartContext,
): Promise<Part> {
  const { check, make } = await modules[name]()
  // Node keeps what it has read of the cache until the end, 14 MB in four threads; nothing asks for it twice.
  flushCompileCache()
  check(settings, source)
  return make(settings as never, context)
}

/** The newest versions of files that a part reads and writes. */
export async function partFormats(name: PartName): Promise<FormatVersions> {
  const { formats } = await modules[name]()
  return formats ?? {}
}
