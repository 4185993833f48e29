import { hostname } from 'node:os'
import {
  checkSettings,
  isLoopback,
  type ListenAddress,
  nearestKey,
  parseListen,
  SettingsError,
  type SettingsSource,
} from '@khlong/core'
import { parseJaas } from '@khlong/kafka-protocol/security'
import { z } from 'zod'
import type { ResolvedKafkaOptions } from '../options.ts'
import { parsePrincipalRules } from './principal-rules.ts'
import {
  type ListenerSecurityOptions,
  listenerKeyPrefix,
  listenerSecurityShape,
} from './security-options.ts'

export const securityProtocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const
export type SecurityProtocol = (typeof securityProtocols)[number]

/** What this broker can do of SASL, in the order in which it is offered. */
const knownMechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const
export type SaslMechanism = (typeof knownMechanisms)[number]

/** A listener as the settings have it; no file is read yet. */
export interface ListenerPlan {
  readonly name: string
  readonly protocol: SecurityProtocol
  readonly address: ListenAddress
  /** Where clients are told to go; undefined stands for the address in use. */
  readonly advertised: ListenAddress | undefined
  readonly security: ListenerSecurityOptions
  readonly mechanisms: ReadonlyMap<SaslMechanism, MechanismPlan>
  /** Whether it is for the platform's own clients, who may do everything. */
  readonly isInternal: boolean
}

export interface MechanismPlan {
  /** 0: a login lasts as long as its connection. */
  readonly reauthMs: number
  /** Passwords by name; of PLAIN only. */
  readonly users: ReadonlyMap<string, string>
}

/** The name of the listener that the platform's own clients come in by. */
export const internalListenerName = 'INTERNAL'

/**
 * The listeners that the settings ask for, the internal one last.
 *
 * @throws SettingsError `SETTINGS_INVALID`
 */
export function planListeners(
  options: ResolvedKafkaOptions,
  source: SettingsSource = { name: 'options' },
): readonly ListenerPlan[] {
  const fail = (key: string, what: string): never => {
    const line = source.line?.([key])
    const where = line === undefined ? source.name : `${source.name}:${line}`
    throw new SettingsError(`${where}: ${key}: ${what}`, {
      file: source.name,
      key,
      ...(line === undefined ? {} : { line }),
    })
  }
  const protocols = protocolMap(options['listener.security.protocol.map'], fail)
  const advertised = endpoints(options['advertised.listeners'], 'advertised.listeners', fail)
  const written = endpoints(options.listeners, 'listeners', fail)
  if (options.listeners !== undefined && written.length === 0) fail('listeners', 'names none')
  const wanted =
    written.length > 0 ? written : [{ name: 'PLAINTEXT', address: parseListen(options.listen) }]
  for (const { name } of advertised)
    if (!wanted.some((listener) => listener.name === name))
      fail('advertised.listeners', `there is no listener ${name}`)
  for (const { name, address } of advertised)
    if (isAny(address.host))
      fail('advertised.listeners', `nobody can connect to ${address.host} (${name})`)
  const ofListener = scopedSettings(
    options,
    wanted.map(({ name }) => name),
    fail,
  )
  const plans = wanted.map(({ name, address }): ListenerPlan => {
    const protocol = protocols.get(name) ?? fail('listener.security.protocol.map', `has no ${name}`)
    const scoped = ofListener.get(name) ?? { keys: {}, mechanisms: new Map() }
    const security = securityOf(options, scoped.keys, protocol, source)
    checkRules(name, security, fail)
    return {
      name,
      protocol,
      address: { host: address.host === '' ? '0.0.0.0' : address.host, port: address.port },
      advertised:
        advertised.find((one) => one.name === name)?.address ??
        defaultAdvertised(address, written.length > 0, fail),
      security,
      mechanisms: protocol.startsWith('SASL')
        ? mechanismsOf(name, security, scoped.mechanisms, fail)
        : new Map(),
      isInternal: false,
    }
  })
  checkOwnName(options, plans, fail)
  const internal = internalPlan(options, fail)
  return internal ? [...plans, internal] : plans
}

type Fail = (key: string, what: string) => never

interface Endpoint {
  readonly name: string
  readonly address: ListenAddress
}

function endpoints(
  text: string | readonly string[] | undefined,
  key: string,
  fail: Fail,
): Endpoint[] {
  const parts = typeof text === 'string' ? text.split(',') : (text ?? [])
  const found = parts
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part): Endpoint => {
      const match = /^([A-Za-z0-9_.-]+):\/\/(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(part)
      if (!match || Number(match[4]) > 65_535)
        return fail(key, `expected NAME://HOST:PORT, found ${part}`)
      const host = match[2] ?? match[3] ?? ''
      return { name: match[1]!.toUpperCase(), address: { host, port: Number(match[4]) } }
    })
  const names = found.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) fail(key, `${twice} is there twice`)
  return found
}

function protocolMap(text: string, fail: Fail): Map<string, SecurityProtocol> {
  const key = 'listener.security.protocol.map'
  return new Map(
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => {
        const [name = '', protocol = ''] = part.split(':').map((side) => side.trim().toUpperCase())
        const known = securityProtocols.find((one) => one === protocol)
        return known
          ? ([name, known] as const)
          : fail(key, `expected NAME:${securityProtocols.join('|')}, found ${part}`)
      }),
  )
}

/** Settings behind `listener.name.`, by listener: those of its own, and those of a mechanism. */
interface Scoped {
  readonly keys: Record<string, unknown>
  readonly mechanisms: Map<string, Record<string, string>>
}

const mechanismKeys = ['sasl.jaas.config', 'connections.max.reauth.ms'] as const

function scopedSettings(
  options: ResolvedKafkaOptions,
  names: readonly string[],
  fail: Fail,
): Map<string, Scoped> {
  const all = new Map<string, Scoped>()
  for (const [key, value] of Object.entries(options)) {
    if (!key.startsWith(listenerKeyPrefix)) continue
    const name = names.find((one) => key.startsWith(`${listenerKeyPrefix}${one.toLowerCase()}.`))
    if (name === undefined)
      return fail(key, `there is no such listener; the names are ${names.join(', ').toLowerCase()}`)
    const rest = key.slice(listenerKeyPrefix.length + name.length + 1)
    let scoped = all.get(name)
    if (!scoped) {
      scoped = { keys: {}, mechanisms: new Map() }
      all.set(name, scoped)
    }
    if (rest in listenerSecurityShape) {
      scoped.keys[rest] = value
      continue
    }
    const mechanism = knownMechanisms.find((one) => rest.startsWith(`${one.toLowerCase()}.`))
    const mechanismKey = mechanismKeys.find((one) => rest === `${mechanism?.toLowerCase()}.${one}`)
    if (!mechanism || !mechanismKey) {
      if (rest === 'sasl.jaas.config')
        fail(
          key,
          `the mechanism is missing, as in ${listenerKeyPrefix}${name.toLowerCase()}.plain.${rest}`,
        )
      if (/^(gssapi|oauthbearer)\./.test(rest)) fail(key, 'not supported yet')
      const near = nearestKey(rest, [
        ...Object.keys(listenerSecurityShape),
        ...knownMechanisms.flatMap((one) =>
          mechanismKeys.map((setting) => `${one.toLowerCase()}.${setting}`),
        ),
      ])
      return fail(
        key,
        near === undefined ? 'unknown setting' : `unknown setting; did you mean ${near}?`,
      )
    }
    const ofMechanism = scoped.mechanisms.get(mechanism) ?? {}
    scoped.mechanisms.set(mechanism, { ...ofMechanism, [mechanismKey]: String(value) })
  }
  return all
}

const listenerSchema = z.strictObject(listenerSecurityShape)

function securityOf(
  options: ResolvedKafkaOptions,
  own: Readonly<Record<string, unknown>>,
  protocol: SecurityProtocol,
  source: SettingsSource,
): ListenerSecurityOptions {
  const shared = Object.fromEntries(
    Object.keys(listenerSecurityShape)
      .map((key) => [key, options[key as keyof ListenerSecurityOptions]])
      .filter(([, value]) => value !== undefined),
  )
  // Who logs in by SASL needs a certificate too only where the listener itself asks for one (KIP-684).
  const clientAuth = protocol === 'SASL_SSL' ? { 'ssl.client.auth': 'none' } : {}
  return checkSettings(listenerSchema, { ...shared, ...clientAuth, ...own }, source)
}

function checkRules(name: string, security: ListenerSecurityOptions, fail: Fail): void {
  try {
    parsePrincipalRules(security['ssl.principal.mapping.rules'])
  } catch (error) {
    fail('ssl.principal.mapping.rules', `${(error as Error).message} (listener ${name})`)
  }
}

function mechanismsOf(
  name: string,
  security: ListenerSecurityOptions,
  settings: ReadonlyMap<string, Readonly<Record<string, string>>>,
  fail: Fail,
): Map<SaslMechanism, MechanismPlan> {
  const key = 'sasl.enabled.mechanisms'
  const given = security[key]
  const names = (typeof given === 'string' ? given.split(',') : (given ?? []))
    .map((one) => one.trim())
    .filter(Boolean)
  if (names.length === 0) fail(key, `is needed (listener ${name}): ${knownMechanisms.join(', ')}`)
  const plans = new Map<SaslMechanism, MechanismPlan>()
  for (const one of names) {
    const mechanism = knownMechanisms.find((known) => known === one)
    if (!mechanism)
      return fail(key, `${one} is not supported yet; there are ${knownMechanisms.join(', ')}`)
    const own = settings.get(mechanism) ?? {}
    const jaasKey = `${listenerKeyPrefix}${name.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`
    const users = usersOf(mechanism, own['sasl.jaas.config'], jaasKey, fail)
    const reauthMs = Number(
      own['connections.max.reauth.ms'] ?? security['connections.max.reauth.ms'],
    )
    if (!Number.isSafeInteger(reauthMs) || reauthMs < 0)
      fail('connections.max.reauth.ms', `expected milliseconds (listener ${name}, ${mechanism})`)
    plans.set(mechanism, { reauthMs, users })
  }
  return plans
}

const loginModules: Readonly<Record<SaslMechanism, string>> = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
}
const userPrefix = 'user_'

/** The users of PLAIN stand in its JAAS configuration; those of SCRAM in the metadata. */
function usersOf(
  mechanism: SaslMechanism,
  jaas: string | undefined,
  key: string,
  fail: Fail,
): ReadonlyMap<string, string> {
  if (jaas === undefined) {
    if (mechanism === 'PLAIN') fail(key, `is needed: ${loginModules.PLAIN} required user_NAME="…";`)
    return new Map()
  }
  let entry: ReturnType<typeof parseJaas>
  try {
    entry = parseJaas(jaas)
  } catch (error) {
    return fail(key, (error as Error).message)
  }
  if (entry.loginModule !== loginModules[mechanism])
    fail(key, `expected ${loginModules[mechanism]}, found ${entry.loginModule}`)
  if (mechanism !== 'PLAIN') return new Map()
  return new Map(
    [...entry.options]
      .filter(([option]) => option.startsWith(userPrefix))
      .map(([option, password]) => [option.slice(userPrefix.length), password]),
  )
}

/** Brokers speak to each other by these; here they only have to name a listener that is there. */
function checkOwnName(
  options: ResolvedKafkaOptions,
  plans: readonly ListenerPlan[],
  fail: Fail,
): void {
  const name = options['inter.broker.listener.name']
  const protocol = options['security.inter.broker.protocol']
  if (name !== undefined && protocol !== undefined)
    fail('inter.broker.listener.name', 'cannot stand beside security.inter.broker.protocol')
  if (name !== undefined && !plans.some((plan) => plan.name === name.toUpperCase()))
    fail('inter.broker.listener.name', `there is no listener ${name}`)
  if (protocol !== undefined && !plans.some((plan) => plan.protocol === protocol))
    fail('security.inter.broker.protocol', `no listener speaks ${protocol}`)
}

function internalPlan(options: ResolvedKafkaOptions, fail: Fail): ListenerPlan | undefined {
  const listen = options['internal.listen']
  const { internal } = options
  if (listen === undefined || internal === undefined) return undefined
  const address = parseListen(listen)
  if (!isLoopback(address.host)) fail('internal.listen', 'must be a loopback address')
  return {
    name: internalListenerName,
    protocol: 'SASL_PLAINTEXT',
    address,
    advertised: undefined,
    security: checkSettings(listenerSchema, {}),
    mechanisms: new Map([
      ['PLAIN', { reauthMs: 0, users: new Map([[internal.username, internal.password]]) }],
    ]),
    isInternal: true,
  }
}

const isAny = (host: string): boolean => host === '' || host === '0.0.0.0' || host === '::'

function defaultAdvertised(
  { host, port }: ListenAddress,
  isWritten: boolean,
  fail: Fail,
): ListenAddress | undefined {
  if (!isWritten || !isAny(host)) return undefined
  if (host !== '') fail('advertised.listeners', `is needed: nobody can connect to ${host}`)
  return { host: hostname(), port }
}
