import type { Part, PartContext, SettingsSource } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import { provideOwnPackages } from './own-packages.ts'

/** What each part's package gives: a check that names the source of a wrong setting, and the part itself. */
interface PartModule {
  check(settings: unknown, source: SettingsSource): unknown
  /** `settings` as written; the part fills in defaults itself. */
  make(settings: never, context: PartContext): Part
}

/** Each part's code is imported only where, and when, the part runs. */
const modules: Record<PartName, () => Promise<PartModule>> = {
  sensors: async () => {
    const { SensorFleet, resolveSensorOptions } = await import('@khlong/sensors')
    return { check: resolveSensorOptions, make: (...given) => new SensorFleet(...given) }
  },
  mqtt: async () => {
    const { MqttBroker, resolveMqttOptions } = await import('@khlong/mqtt')
    return { check: resolveMqttOptions, make: (...given) => new MqttBroker(...given) }
  },
  zookeeper: async () => {
    const { ZooKeeperServer, resolveZooKeeperOptions } = await import('@khlong/zookeeper')
    return { check: resolveZooKeeperOptions, make: (...given) => new ZooKeeperServer(...given) }
  },
  kafka: async () => {
    const { KafkaBroker, resolveKafkaOptions } = await import('@khlong/kafka')
    return { check: resolveKafkaOptions, make: (...given) => new KafkaBroker(...given) }
  },
  connect: async () => {
    const { ConnectWorker, resolveConnectOptions } = await import('@khlong/connect')
    return { check: resolveConnectOptions, make: (...given) => new ConnectWorker(...given) }
  },
  streams: async () => {
    const { StreamsApps, resolveStreamsAppsOptions } = await import('@khlong/streams')
    provideOwnPackages()
    return { check: resolveStreamsAppsOptions, make: (...given) => new StreamsApps(...given) }
  },
  mongodb: async () => {
    const { MongodbServer, resolveMongodbOptions } = await import('@khlong/mongodb')
    return { check: resolveMongodbOptions, make: (...given) => new MongodbServer(...given) }
  },
  prometheus: async () => {
    const { PrometheusServer, resolvePrometheusOptions } = await import('@khlong/prometheus')
    return { check: resolvePrometheusOptions, make: (...given) => new PrometheusServer(...given) }
  },
  grafana: async () => {
    const { GrafanaServer, resolveGrafanaOptions } = await import('@khlong/grafana')
    return { check: resolveGrafanaOptions, make: (...given) => new GrafanaServer(...given) }
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
  check(settings, source)
  return make(settings as never, context)
}
