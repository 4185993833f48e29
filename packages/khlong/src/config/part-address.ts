import { formatListen, parseListen } from '@khlong/core'

/** Where a part is: nowhere, elsewhere, or here with its listeners by the names of their settings. */
export type PartAddress =
  | { readonly kind: 'off' }
  | { readonly kind: 'external'; readonly address: string }
  | { readonly kind: 'embedded'; readonly listeners: Readonly<Record<string, string>> }

/** The address that clients on this machine use: a wildcard becomes loopback. */
export function clientAddress(listen: string): string {
  const { host, port } = parseListen(listen)
  return formatListen({ host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port })
}
