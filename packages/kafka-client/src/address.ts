import { clientError } from './errors.ts'

/** Where a broker is reached. */
export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

/** Reads `host:port`, with an IPv6 host in brackets. */
export function parseAddress(text: string): BrokerAddress {
  const match = /^(?:\w+:\/\/)?(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || !(port > 0 && port < 65_536))
    throw clientError('KAFKA_CLIENT_INVALID_ARGUMENT', `expected host:port, found '${text}'`)
  return { host, port }
}

/** Replaces a host name by what `hosts` says: another host, or another host and port. */
export function replaceHost(
  address: BrokerAddress,
  hosts: Readonly<Record<string, string>>,
): BrokerAddress {
  const replacement = Object.hasOwn(hosts, address.host) ? hosts[address.host] : undefined
  if (replacement === undefined) return address
  return /:\d+$/.test(replacement)
    ? parseAddress(replacement)
    : { host: replacement, port: address.port }
}
