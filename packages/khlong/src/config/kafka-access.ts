import path from 'node:path'
import { nearestKey, newPassword, SettingsError } from '@khlong/core'
import {
  type ClientSecurityOptions,
  clientFileKeys,
  clientSecurityKeys,
} from '@khlong/kafka-client'
import { internalUsername } from '../devices/device.ts'
import { clientAddress, type PartAddress } from './part-address.ts'
import { type Pipeline, partSettings } from './pipeline.ts'

/** How the pipeline's own clients reach Kafka, by the settings of Kafka's clients. */
export type KafkaAccess = ClientSecurityOptions & { readonly 'bootstrap.servers': string }

export interface KafkaLogin {
  readonly username: string
  readonly password: string
}

/** What the pipeline's clients log in to our broker by; fresh for each run, and in no file. */
export const newKafkaLogin = (): KafkaLogin => ({
  username: internalUsername,
  password: newPassword(32),
})

/**
 * The way to Kafka: to a real cluster with what `khlong.yml` says of TLS and logins, to our own broker by a
 * listener and a login of its own, so that whoever else has to log in does not matter. Undefined where
 * there is no Kafka.
 *
 * @throws SettingsError with file, line and key
 */
export function kafkaAccess(
  pipeline: Pipeline,
  address: PartAddress,
  { username, password }: KafkaLogin,
): KafkaAccess | undefined {
  if (address.kind === 'off') return undefined
  if (address.kind === 'external') return externalKafka(pipeline, address.address)
  const listen = address.listeners['internal.listen']
  if (listen === undefined) return undefined
  return {
    'bootstrap.servers': clientAddress(listen),
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'PLAIN',
    'sasl.username': username,
    'sasl.password': password,
  }
}

/**
 * The way of a command to the embedded broker of a pipeline that runs, by the addresses that it has. Where it only has
 * listeners that ask who is there, `properties` of a client say that; undefined without them.
 */
export function embeddedKafka(
  addresses: Readonly<Record<string, string>>,
  properties: Readonly<Record<string, string>> = {},
): KafkaAccess | undefined {
  const { 'security.protocol': protocol, 'bootstrap.servers': servers } = properties
  const address =
    servers ??
    (protocol === undefined
      ? addresses.kafka
      : (addresses[protocol] ?? Object.values(addresses).find(Boolean)))
  return address ? { ...properties, 'bootstrap.servers': clientAddress(address) } : undefined
}

/**
 * The settings of a real cluster's clients; files are looked for from the pipeline's folder. What is said
 * of the embedded broker stays in the section and has no effect, so that one key is all that changes.
 */
export function externalKafka(pipeline: Pipeline, servers: string): KafkaAccess {
  const written = Object.fromEntries(
    Object.entries(partSettings(pipeline, 'kafka') || {}).filter(([key]) =>
      /^(security|sasl|ssl)\./.test(key),
    ),
  )
  for (const key of Object.keys(written)) {
    if (clientSecurityKeys.includes(key)) continue
    const nearest = nearestKey(key, clientSecurityKeys)
    const where = pipeline.settings.where(['kafka', key])
    throw new SettingsError(
      `${where}: kafka.${key}: clients of a real Kafka have no such setting${nearest ? `; did you mean ${nearest}?` : ''}`,
      { key },
    )
  }
  const settings = Object.entries(written).map(([key, value]) => [
    key,
    clientFileKeys.includes(key) ? path.resolve(pipeline.folder, String(value)) : value,
  ])
  return { 'bootstrap.servers': servers, ...Object.fromEntries(settings) }
}

/** Where people find our broker: the first of `listeners` where it has them. */
export function publicKafkaAddress(pipeline: Pipeline, address: PartAddress): string | undefined {
  if (address.kind === 'external') return address.address
  if (address.kind !== 'embedded') return undefined
  const { listen } = address.listeners
  if (listen !== undefined) return clientAddress(listen)
  const { listeners } = partSettings(pipeline, 'kafka') || {}
  const first = (Array.isArray(listeners) ? listeners : String(listeners ?? '').split(','))[0]
  const match = /^[^:]+:\/\/(.*)$/.exec(String(first).trim())
  return match ? clientAddress(match[1]!.replace(/^:/, '0.0.0.0:')) : undefined
}
