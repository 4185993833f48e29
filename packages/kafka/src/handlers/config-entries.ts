import type { ResolvedKafkaOptions } from '../options.ts'
import { isSecretSetting } from '../security/security-options.ts'
import type { BrokerState } from '../state/broker-state.ts'
import {
  ConfigType,
  type TopicOverrides,
  topicConfig,
  topicConfigNames,
} from '../state/topic-configs.ts'

/** Where a value comes from, as DescribeConfigs numbers it. */
export const ConfigSource = {
  topic: 1,
  dynamicBroker: 2,
  staticBroker: 4,
  default: 5,
} as const

/** Resources that have settings. */
export const ConfigResource = { topic: 2, broker: 4, brokerLogger: 8 } as const

export interface ConfigEntry {
  readonly name: string
  /** Null where it is secret. */
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly configType: number
  readonly synonyms: {
    readonly name: string
    readonly value: string | null
    readonly source: number
  }[]
}

/** All settings of a topic: its own, or the broker's. */
export function effectiveTopicConfigs(
  options: ResolvedKafkaOptions,
  overrides: TopicOverrides,
): ConfigEntry[] {
  return topicConfigNames().map((name) => {
    const config = topicConfig(name)!
    const fallback = config.fallback(options)
    const own = overrides[name]
    const synonyms = [
      ...(own === undefined ? [] : [{ name, value: own, source: ConfigSource.topic }]),
      { name: config.brokerKey ?? name, value: fallback, source: ConfigSource.default },
    ]
    return {
      name,
      value: own ?? fallback,
      readOnly: false,
      configSource: own === undefined ? ConfigSource.default : ConfigSource.topic,
      isSensitive: false,
      configType: config.type,
      synonyms,
    }
  })
}

/** All settings of this broker. */
export function brokerConfigEntries(broker: BrokerState): ConfigEntry[] {
  const dynamic = broker.brokerConfigs
  return Object.entries(broker.options)
    .filter(([name, value]) => value !== undefined && !name.startsWith('internal'))
    .map(([name, value]) => {
      const isDynamic = dynamic[name] !== undefined
      const configSource = isDynamic ? ConfigSource.dynamicBroker : ConfigSource.staticBroker
      const isSensitive = isSecretSetting(name)
      const text = isSensitive ? null : String(value)
      return {
        name,
        value: text,
        readOnly: !isDynamicKey(name),
        configSource,
        isSensitive,
        configType: isSensitive
          ? ConfigType.password
          : typeof value === 'boolean'
            ? ConfigType.boolean
            : typeof value === 'number'
              ? ConfigType.long
              : ConfigType.string,
        synonyms: [{ name, value: text, source: configSource }],
      }
    })
}

/** Broker settings that may change without a restart: the defaults of topics. */
export function isDynamicKey(name: string): boolean {
  return topicConfigNames().some((topicName) => topicConfig(topicName)?.brokerKey === name)
}

/** The topic setting that a broker setting is the default of, to check its value by. */
export function topicNameOfBrokerKey(name: string): string | undefined {
  return topicConfigNames().find((topicName) => topicConfig(topicName)?.brokerKey === name)
}
