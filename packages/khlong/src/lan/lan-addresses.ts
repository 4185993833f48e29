import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isLoopback, type ListenAddress } from '@khlong/core'

/** Interfaces that machines on the network do not come in by: containers, bridges, tunnels. */
const notTheNetwork = /^(?:docker|br-|veth|virbr|cni|flannel|tun|tap|wg|utun|vEthernet)/i
const isPrivate = /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)/

/** The machine's IPv4 addresses on its networks, the likeliest first. */
export function lanAddresses(
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): string[] {
  const found = Object.entries(interfaces).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => ({
        address,
        doubt:
          (notTheNetwork.test(name) ? 2 : 0) +
          (isPrivate.test(address) ? 0 : 1) +
          (address.startsWith('169.254.') ? 4 : 0),
      })),
  )
  return found.toSorted((a, b) => a.doubt - b.doubt).map(({ address }) => address)
}

/**
 * Where a machine on the network finds a listener. `reachedAt` is an address that somebody there
 * reached this machine at already: the surest one, where it is an address at all.
 */
export function deviceAddress({ host, port }: ListenAddress, reachedAt?: string): ListenAddress {
  if (host !== '0.0.0.0' && host !== '::') return { host, port }
  if (reachedAt !== undefined && isIPv4(reachedAt) && !isLoopback(reachedAt))
    return { host: reachedAt, port }
  return { host: lanAddresses()[0] ?? '127.0.0.1', port }
}
