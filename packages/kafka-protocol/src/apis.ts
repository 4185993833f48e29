import type { MessageCodec } from './messages/codec.ts'
import { ApiKey, apiRows, codecLoaders } from './messages/generated/apis.ts'

export { ApiKey }

/** One API: its versions here, and those that Kafka 4.2 advertises. */
export interface ApiInfo {
  readonly key: ApiKey
  /** Kafka's own name, such as `ListOffsets`. */
  readonly name: string
  /** The versions that have a codec, both included. */
  readonly minVersion: number
  readonly maxVersion: number
  /** The versions that a broker of Kafka 4.2 lists in ApiVersions, both included. */
  readonly advertisedMin: number
  readonly advertisedMax: number
  /** The first version with compact types, tagged fields and the newer headers. */
  readonly flexibleFrom: number
}

/**
 * Where Kafka 4.2 lists another range than there are codecs. Produce 0–2 are listed because
 * librdkafka looks for them (KAFKA-18659), and refused when they are used; the last versions of the
 * others are unstable, or newer than 4.2.
 */
const advertisedRanges: Readonly<Partial<Record<ApiKey, readonly [number, number]>>> = {
  [ApiKey.produce]: [0, 13],
  [ApiKey.initProducerId]: [0, 5],
  [ApiKey.describeLogDirs]: [1, 4],
}

const infos: ReadonlyMap<number, ApiInfo> = new Map(
  apiRows.map(([key, name, minVersion, maxVersion, flexibleFrom]) => {
    const [advertisedMin, advertisedMax] = advertisedRanges[key] ?? [minVersion, maxVersion]
    const info = { key, name, minVersion, maxVersion, advertisedMin, advertisedMax, flexibleFrom }
    return [key, info]
  }),
)

/** The API with this key, or undefined where there is none here. */
export function apiInfo(key: number): ApiInfo | undefined {
  return infos.get(key)
}

/** Every API, by ascending key. */
export function allApis(): readonly ApiInfo[] {
  return [...infos.values()]
}

/** Whether there is a codec for this version of this API. */
export function isKnownVersion(key: number, version: number): boolean {
  const info = infos.get(key)
  return info !== undefined && version >= info.minVersion && version <= info.maxVersion
}

/** Loads the codec of an API, for code that treats all APIs alike. */
export function loadCodec(key: ApiKey): Promise<MessageCodec> {
  return codecLoaders[key]()
}

function isFlexible(key: number, version: number): boolean {
  const info = infos.get(key)
  return info !== undefined && version >= info.flexibleFrom
}

/** The version of the header before a request. */
export function requestHeaderVersion(key: number, version: number): 1 | 2 {
  return isFlexible(key, version) ? 2 : 1
}

/**
 * The version of the header before a response. That of ApiVersions is always 0: a client that asked
 * in a version which the broker doesn't know must be able to read the answer (KIP-511).
 */
export function responseHeaderVersion(key: number, version: number): 0 | 1 {
  return key !== ApiKey.apiVersions && isFlexible(key, version) ? 1 : 0
}
