import type { PartName } from '../config/part-names.ts'
import type { ComposeService } from './compose-file.ts'

/** What a service of a compose file is to Khlong. */
export type ServiceRole =
  | { readonly kind: 'part'; readonly part: PartName }
  | { readonly kind: 'alertmanager' }
  /** A web tool whose place the console takes. */
  | { readonly kind: 'tool'; readonly place: string }
  /** Metrics that a part of ours gives itself. */
  | { readonly kind: 'exporter'; readonly part: PartName }
  /** Something that Khlong has nothing in place of. */
  | { readonly kind: 'foreign'; readonly advice: string }
  | { readonly kind: 'sensor' }
  /** The processor of the classic pipeline, whose twin is part of the reference pipeline. */
  | { readonly kind: 'processor' }
  /** It runs once, and prepares others. */
  | { readonly kind: 'setup' }
  /** A program of the user's own that reads or writes Kafka. */
  | { readonly kind: 'program' }
  | { readonly kind: 'unknown' }

const part = (name: PartName): ServiceRole => ({ kind: 'part', part: name })
const tool = (place: string): ServiceRole => ({ kind: 'tool', place })
const besides = 'it goes on beside Khlong as it is; its scrape job can be put back'

/** Images by their last name; the first that fits counts. */
const images: readonly (readonly [RegExp, ServiceRole])[] = [
  [/kafka-?connect-ui|debezium-ui/, tool('Connect')],
  [/topics-ui|kafka-ui|kafdrop|akhq|cmak|kafka-manager|control-center|^console$/, tool('Kafka')],
  [/zoonavigator|zkui|zk-web/, tool('ZooKeeper')],
  [/mongo-express|adminmongo|nosqlclient/, tool('Documents')],
  [/mqttx?-web|mqtt-explorer|hivemq-mqtt-web-client/, tool('MQTT')],
  [/kafka-exporter/, { kind: 'exporter', part: 'kafka' }],
  [/mosquitto-exporter/, { kind: 'exporter', part: 'mqtt' }],
  [/mongodb-exporter/, { kind: 'exporter', part: 'mongodb' }],
  [
    /kafka-rest/,
    { kind: 'foreign', advice: 'Khlong has no REST proxy for Kafka; clients speak its protocol' },
  ],
  [/schema-registry/, { kind: 'foreign', advice: 'Khlong has no schema registry, nor Avro' }],
  [
    /ksqldb?/,
    { kind: 'foreign', advice: 'Khlong has no ksqlDB; write the query as a Streams application' },
  ],
  [/node-?exporter|cadvisor|pushgateway|blackbox-exporter/, { kind: 'foreign', advice: besides }],
  [/alertmanager/, { kind: 'alertmanager' }],
  [/mosquitto|emqx|vernemq|hivemq|nanomq/, part('mqtt')],
  [/zookeeper/, part('zookeeper')],
  [/kafka-connect|^connect$|debezium-connect/, part('connect')],
  [/kafka|^cp-server$|redpanda/, part('kafka')],
  [/^mongo$|mongodb|ferretdb/, part('mongodb')],
  [/^prometheus$/, part('prometheus')],
  [/grafana/, part('grafana')],
  [/iot-processor/, { kind: 'processor' }],
  [/^curl$/, { kind: 'setup' }],
]

/** What makes topics or posts connectors, and starts no server. */
const preparing = /\bkafka-topics(\.sh)?\b[\s\S]*--create\b|\bcurl\b[\s\S]*\/connectors\b/
const serving = /docker\/run|docker-entrypoint|connect-distributed|kafka-server-start/

/** Tells what a service is by its image, or by its variables where the image is a project's own. */
export function roleOf(service: ComposeService): ServiceRole {
  const name = service.image.slice(service.image.lastIndexOf('/') + 1).toLowerCase()
  if (preparing.test(service.script) && !serving.test(service.script)) return { kind: 'setup' }
  const known = images.find(([pattern]) => pattern.test(name))
  if (known) return known[1]
  if (/iot-processor/.test(service.name)) return { kind: 'processor' }
  const keys = Object.keys(service.environment)
  if (keys.some((key) => /^sensor[._]?id$/i.test(key))) return { kind: 'sensor' }
  if (keys.some((key) => /kafka|bootstrap/i.test(key))) return { kind: 'program' }
  return { kind: 'unknown' }
}
