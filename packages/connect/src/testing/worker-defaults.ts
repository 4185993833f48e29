import type { ConfigMap } from '../config/fields.ts'

/** The converters of a worker that is told nothing else. */
export const workerDefaults: ConfigMap = {
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'key.converter.schemas.enable': 'false',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  'header.converter': 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
}
