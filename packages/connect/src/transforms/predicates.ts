import { type ConfigMap, string } from '../config/fields.ts'
import { ConfigSpec } from '../config/spec.ts'
import type { ConnectRecord } from '../data/record.ts'
import { javaRegex } from './records.ts'

export type Predicate = (record: ConnectRecord) => boolean

export interface PredicatePlugin {
  readonly className: string
  readonly spec: ConfigSpec
  create(config: ConfigMap): Predicate
}

const inJava = (name: string): string => `org.apache.kafka.connect.transforms.predicates.${name}`

const headerSpec = new ConfigSpec({ name: string('The header name.') }, 'Predicates')
const topicSpec = new ConfigSpec(
  { pattern: string('A Java regular expression for matching against the name of the topic.') },
  'Predicates',
)

/** The three predicates that Kafka ships. */
export const predicatePlugins: readonly PredicatePlugin[] = [
  {
    className: inJava('HasHeaderKey'),
    spec: headerSpec,
    create(config) {
      const { name } = headerSpec.parse(config)
      return (record) => record.headers.some((header) => header.key === name)
    },
  },
  {
    className: inJava('RecordIsTombstone'),
    spec: new ConfigSpec({}, 'Predicates'),
    create: () => (record) => record.value === null,
  },
  {
    className: inJava('TopicNameMatches'),
    spec: topicSpec,
    create(config) {
      const regex = javaRegex('pattern', topicSpec.parse(config).pattern)
      return (record) => regex.exec(record.topic)?.[0].length === record.topic.length
    },
  },
]
