import path from 'node:path'
import { formatListen } from '@khlong/core'
import { kafkaSettingNames, type ResolvedKafkaOptions, resolveKafkaOptions } from '../options.ts'
import { planListeners } from '../security/listeners.ts'
import { isSecretSetting } from '../security/security-options.ts'
import type { BrokerState } from '../state/broker-state.ts'
import {
  ConfigType,
  settingText,
  type TopicOverrides,
  topicConfig,
  topicConfigNames,
} from '../state/topic-configs.ts'

/** Where a value comes from, as DescribeConfigs numbers it. */
export const ConfigSource = {
  topic: 1,
  dynamicBroker: 2,
  dynamicEveryBroker: 3,
  staticBroker: 4,
  default: 5,
} as const

/** Resources that have settings. */
export const ConfigResource = { topic: 2, broker: 4, brokerLogger: 8 } as const

const otherResources: Readonly<Record<number, string>> = {
  [ConfigResource.brokerLogger]: 'broker loggers',
  16: 'client metrics',
  32: 'groups',
}

/** Says that a resource's settings cannot be had or changed. */
export function unsupportedResource(resourceType: number): string {
  const name = otherResources[resourceType] ?? `resource type ${resourceType}`
  return `Settings of ${name} are not supported yet.`
}

interface Synonym {
  readonly name: string
  /** Null where it is secret. */
  readonly value: string | null
  readonly source: number
}

export interface ConfigEntry {
  readonly name: string
  /** Null where it is secret, or where there is none. */
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly configType: number
  /** Where else a value could come from, the one in force first. */
  readonly synonyms: readonly Synonym[]
}

/** Settings that stand behind another where that one is not given. */
const olderNames: Readonly<Record<string, readonly string[]>> = {
  'log.retention.ms': ['log.retention.minutes', 'log.retention.hours'],
  'log.roll.ms': ['log.roll.hours'],
}

const defaults = resolveKafkaOptions({})

/** All settings of a topic: its own, or the broker's. */
export function effectiveTopicConfigs(
  broker: BrokerState,
  overrides: TopicOverrides,
): ConfigEntry[] {
  return topicConfigNames().map((name) => {
    const config = topicConfig(name)!
    const own = overrides[name]
    const synonyms = [
      ...(own === undefined ? [] : [{ name, value: own, source: ConfigSource.topic }]),
      ...(config.brokerKey === undefined ? [] : synonymsOf(broker, config.brokerKey)),
    ]
    return {
      name,
      value: own ?? config.fallback(broker.options),
      readOnly: false,
      configSource: synonyms[0]?.source ?? ConfigSource.default,
      isSensitive: false,
      configType: config.type,
      synonyms,
    }
  })
}

/** All settings of this broker; those that have no value, too. */
export function brokerConfigEntries(broker: BrokerState): ConfigEntry[] {
  const names = new Set([...kafkaSettingNames, ...Object.keys(broker.options)])
  const entries = [...names]
    .filter((name) => !name.startsWith('internal') && name !== 'listeners')
    .map((name): ConfigEntry => {
      const isSensitive = isSecretSetting(name)
      const value = isSensitive ? null : textOf(broker.options, name)
      const synonyms = synonymsOf(broker, name)
      return {
        name,
        value: value ?? null,
        readOnly: !isDynamicKey(name),
        configSource: synonyms[0]?.source ?? ConfigSource.default,
        isSensitive,
        configType: brokerConfigType(broker, name),
        synonyms,
      }
    })
  return [...entries, ...namesOfKafka(broker)]
}

/** The settings that were changed for all brokers at once. */
export function everyBrokerConfigEntries(broker: BrokerState): ConfigEntry[] {
  const source = ConfigSource.dynamicEveryBroker
  return Object.entries(broker.brokerConfigs.everyBroker).map(([name, value]) => ({
    name,
    value: isSecretSetting(name) ? null : value,
    readOnly: !isDynamicKey(name),
    configSource: source,
    isSensitive: isSecretSetting(name),
    configType: brokerConfigType(broker, name),
    synonyms: [{ name, value: isSecretSetting(name) ? null : value, source }],
  }))
}

/** Broker settings that may change without a restart: the defaults of topics. */
export function isDynamicKey(name: string): boolean {
  return topicNameOfBrokerKey(name) !== undefined
}

/** The topic setting that a broker setting is the default of, to check its value by. */
export function topicNameOfBrokerKey(name: string): string | undefined {
  return topicConfigNames().find((topicName) => topicConfig(topicName)?.brokerKey === name)
}

/** Kafka's names for what may be said in another way here: consoles and scripts look them up. */
function namesOfKafka({ staticOptions }: BrokerState): ConfigEntry[] {
  const listeners = planListeners(staticOptions)
    .filter(({ isInternal }) => !isInternal)
    .map(({ name, address }) => `${name}://${formatListen(address)}`)
  const source = ConfigSource.staticBroker
  return Object.entries({
    listeners: listeners.join(','),
    'log.dirs': path.resolve(staticOptions.data),
    'node.id': String(staticOptions['broker.id']),
  }).map(([name, value]) => ({
    name,
    value,
    readOnly: true,
    configSource: source,
    isSensitive: false,
    configType: ConfigType.string,
    synonyms: [{ name, value, source }],
  }))
}

/** Where a broker setting has a value, and then the settings that it takes the place of; those by themselves are not told. */
function synonymsOf(broker: BrokerState, name: string): Synonym[] {
  const own = sourcesOf(broker, name)
  const older = own.length === 0 ? [] : (olderNames[name] ?? [])
  return [...own, ...older.flatMap((key) => sourcesOf(broker, key))]
}

/** Where a broker setting has a value, the one in force first. */
function sourcesOf(broker: BrokerState, name: string): Synonym[] {
  const { everyBroker, own } = broker.brokerConfigs
  const given = broker.givenSettings.has(name) ? textOf(broker.staticOptions, name) : undefined
  const values = [
    [ConfigSource.dynamicBroker, own[name]],
    [ConfigSource.dynamicEveryBroker, everyBroker[name]],
    [ConfigSource.staticBroker, given],
    [ConfigSource.default, textOf(defaults, name)],
  ] as const
  return values
    .filter(([, value]) => value !== undefined)
    .map(([source, value]) => ({ name, value: isSecretSetting(name) ? null : value!, source }))
}

function textOf(options: ResolvedKafkaOptions, name: string): string | undefined {
  const value = (options as unknown as Readonly<Record<string, unknown>>)[name]
  return value === undefined ? undefined : settingText(value)
}

function brokerConfigType(broker: BrokerState, name: string): number {
  if (isSecretSetting(name)) return ConfigType.password
  const topicName = topicNameOfBrokerKey(name)
  if (topicName !== undefined) return topicConfig(topicName)!.type
  const value = (broker.options as unknown as Readonly<Record<string, unknown>>)[name]
  if (typeof value === 'boolean') return ConfigType.boolean
  return typeof value === 'number' ? ConfigType.long : ConfigType.string
}
