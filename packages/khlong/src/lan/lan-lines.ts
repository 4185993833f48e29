import { isLoopback, parseListen } from '@khlong/core'
import type { AddressBook } from '../config/address-book.ts'
import type { PartName } from '../config/part-names.ts'
import type { FirstUse } from './first-use.ts'
import { lanAddresses } from './lan-addresses.ts'
import { qrLines } from './qr-lines.ts'

/** What was made for the first use, to be written down by whoever reads it. */
export function secretLines({ administrator, device }: FirstUse): string[] {
  if (!administrator && !device) return []
  return [
    'Write these down; they are not shown again:',
    ...(administrator
      ? [`  console: user ${administrator.name}, password ${administrator.password}`]
      : []),
    ...(device ? [`  MQTT: user ${device.name}, password ${device.secret}`] : []),
  ]
}

/** Where other machines find the pipeline, with a QR code that leads to the console. */
export async function networkLines(book: AddressBook, colour: boolean): Promise<string[]> {
  const lines: string[] = []
  const give = (name: string, scheme: string, part: PartName, listener = 'listen'): string[] => {
    const urls = listenUrls(book, part, listener).map((address) => `${scheme}${address}`)
    if (urls.length > 0) lines.push(`  ${name.padEnd(10)}${urls.join('  ')}`)
    return urls
  }
  const [consoleUrl] = give('console', 'http://', 'grafana')
  give('MQTT', `${book.mqttScheme}://`, 'mqtt')
  give('WebSocket', book.mqttScheme === 'mqtts' ? 'wss://' : 'ws://', 'mqtt', 'websocket')
  if (lines.length === 0) return ['On the network: nothing, this machine has no address there']
  return ['On the network:', ...lines, ...(consoleUrl ? await qrLines(consoleUrl, colour) : [])]
}

/** Where other machines reach a listener; none where they do not. */
function listenUrls(book: AddressBook, part: PartName, listener: string): string[] {
  const address = book.parts[part]
  const listen = address.kind === 'embedded' ? address.listeners[listener] : undefined
  if (listen === undefined) return []
  const { host, port } = parseListen(listen)
  if (isLoopback(host)) return []
  const hosts = host === '0.0.0.0' || host === '::' ? lanAddresses() : [host]
  return hosts.map((each) => `${each}:${port}`)
}
