import type { Part, PartContext, SettingsSource } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'

/** Makes a part of its settings; checks them. */
type Maker = (settings: unknown, source: SettingsSource, context: PartContext) => Part

/** Each part's code is imported only where, and when, the part runs. */
const makers: Record<PartName, () => Promise<Maker>> = {
  sensors: async () => {
    const { SensorFleet, resolveSensorOptions } = await import('@khlong/sensors')
    return (settings, source, context) =>
      new SensorFleet(resolveSensorOptions(settings, source), context)
  },
  mqtt: async () => {
    const { MqttBroker, resolveMqttOptions } = await import('@khlong/mqtt')
    return (settings, source, context) =>
      new MqttBroker(resolveMqttOptions(settings, source), context)
  },
  zookeeper: async () => {
    const { ZooKeeperServer, resolveZooKeeperOptions } = await import('@khlong/zookeeper')
    return (settings, source, context) =>
      new ZooKeeperServer(resolveZooKeeperOptions(settings, source), context)
  },
  kafka: async () => {
    const { KafkaBroker, resolveKafkaOptions } = await import('@khlong/kafka')
    return (settings, source, context) =>
      new KafkaBroker(resolveKafkaOptions(settings, source), context)
  },
  connect: async () => {
    const { ConnectWorker, resolveConnectOptions } = await import('@khlong/connect')
    return (settings, source, context) =>
      new ConnectWorker(resolveConnectOptions(settings, source), context)
  },
  streams: async () => {
    const { StreamsApps, resolveStreamsAppsOptions } = await import('@khlong/streams')
    return (settings, source, context) =>
      new StreamsApps(resolveStreamsAppsOptions(settings, source), context)
  },
  mongodb: async () => {
    const { MongodbServer, resolveMongodbOptions } = await import('@khlong/mongodb')
    return (settings, source, context) =>
      new MongodbServer(resolveMongodbOptions(settings, source), context)
  },
  prometheus: async () => {
    const { PrometheusServer, resolvePrometheusOptions } = await import('@khlong/prometheus')
    return (settings, source, context) =>
      new PrometheusServer(resolvePrometheusOptions(settings, source), context)
  },
  grafana: async () => {
    const { GrafanaServer, resolveGrafanaOptions } = await import('@khlong/grafana')
    return (settings, source, context) =>
      new GrafanaServer(resolveGrafanaOptions(settings, source), context)
  },
}

/** Loads a part's code and makes the part; nothing is opened yet. */
export async function makePart(
  name: PartName,
  settings: unknown,
  source: SettingsSource,
  context: PartContext,
): Promise<Part> {
  const make = await makers[name]()
  return make(settings, source, context)
}
