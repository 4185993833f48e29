import { SettingsError } from '@khlong/core'
import { clientAddress, type PartAddress } from './part-address.ts'
import { type PartName, partNames } from './part-names.ts'
import type { Pipeline } from './pipeline.ts'

/** The ports by which files of the real systems call each listener of a part. */
const usualPorts: Partial<Record<PartName, Readonly<Record<string, string>>>> = {
  mqtt: { listen: '1883', websocket: '9001' },
  zookeeper: { listen: '2181' },
  kafka: { listen: '9092' },
  connect: { listen: '8083', 'series.listen': '8084' },
  mongodb: { listen: '27017' },
  prometheus: { listen: '9090', 'alertmanager.listen': '9093' },
  grafana: { listen: '3000' },
}

/** What of the address book decides what a host name means. */
export interface Places {
  readonly parts: Readonly<Record<PartName, PartAddress>>
  readonly platform: string
  readonly mqttLogin: { readonly username: string; readonly password: string }
}

/**
 * What `hosts:` of a pipeline means in this run: `{mosquitto: mqtt}` becomes addresses for
 * `mosquitto:1883`, `mosquitto:9001` and plain `mosquitto`, embedded or real. `khlong` stands for the
 * platform's own status server; anything else is an address and stays as it is.
 *
 * Our own broker's address carries the login of this run's clients, as the connectors' variables do:
 * `USER:PASSWORD@HOST:PORT`.
 *
 * @throws SettingsError with file, line and key where a host names a part that does not run
 */
export function resolveHosts(
  { hosts, settings }: Pick<Pipeline, 'hosts' | 'settings'>,
  places: Places,
): Record<string, string> {
  const resolved: Record<string, string> = {}
  for (const [host, target] of Object.entries(hosts)) {
    if (target === 'khlong') resolved[host] = places.platform
    else if (isPart(target)) {
      const addresses = addressesOf(target, places)
      const first = addresses[0]
      if (first === undefined)
        throw new SettingsError(
          `${settings.where(['hosts', host])}: hosts.${host}: ${target} is no part of this pipeline that has an address`,
          { key: `hosts.${host}` },
        )
      resolved[host] = first.address
      for (const { port, address } of addresses) resolved[`${host}:${port}`] = address
    } else resolved[host] = target
  }
  return resolved
}

function isPart(name: string): name is PartName {
  return (partNames as readonly string[]).includes(name)
}

interface PortAddress {
  readonly port: string
  readonly address: string
}

/** The main listener comes first. */
function addressesOf(part: PartName, { parts, mqttLogin }: Places): PortAddress[] {
  const where = parts[part]
  if (where.kind === 'off') return []
  if (where.kind === 'external') {
    const port = usualPorts[part]?.listen
    return port === undefined ? [] : [{ port, address: authorityOf(part, where.address) }]
  }
  return Object.entries(usualPorts[part] ?? {}).flatMap(([listener, port]) => {
    const isMqtt = part === 'mqtt' && listener === 'listen'
    const listen = where.listeners[isMqtt ? 'internal.listen' : listener]
    if (listen === undefined) return []
    const login = isMqtt ? `${mqttLogin.username}:${mqttLogin.password}@` : ''
    return [{ port, address: `${login}${clientAddress(listen)}` }]
  })
}

/** `mongodb://user:password@db:27017/x` → `db:27017`; the first of several, and for MQTT with its login. */
function authorityOf(part: PartName, address: string): string {
  const authority = address.replace(/^[a-z+]+:\/\//i, '').split(/[/?]/)[0]!
  const servers = part === 'mqtt' ? authority : authority.slice(authority.lastIndexOf('@') + 1)
  return servers.split(',')[0]!
}
