import { isIPv6 } from 'node:net'
import type { PartName } from './part-names.ts'

interface Form {
  /** How the address is written, for the message. */
  readonly example: string
  readonly isGood: (text: string) => boolean
}

function isUrl(...schemes: readonly string[]): (text: string) => boolean {
  return (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    return url !== undefined && url.hostname !== '' && schemes.includes(url.protocol.slice(0, -1))
  }
}

/** `HOST:PORT`, several of them separated by commas; a scheme before one is passed over, as Kafka does. */
function areServers(text: string, isPortNeeded: boolean): boolean {
  return text.split(',').every((server) => {
    const match = /^\s*(?:\w+:\/\/)?(?:\[([^\]]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?\s*$/.exec(server)
    if (!match || (match[1] !== undefined && !isIPv6(match[1]))) return false
    return match[3] === undefined
      ? !isPortNeeded
      : Number(match[3]) > 0 && Number(match[3]) < 65_536
  })
}

const web: Form = { example: 'http://HOST:PORT', isGood: isUrl('http', 'https') }

const forms: { readonly [Part in PartName]?: Form } = {
  mqtt: {
    example: 'mqtt://HOST:PORT, or mqtts:// with TLS',
    isGood: isUrl('mqtt', 'mqtts', 'tcp', 'ssl'),
  },
  zookeeper: {
    example: 'HOST:PORT, several separated by commas, with a path behind them where there is one',
    isGood: (text) => areServers(text.replace(/(?<=[\w\]])\/[^,]*$/, ''), false),
  },
  kafka: {
    example: 'HOST:PORT, several separated by commas',
    isGood: (text) => areServers(text, true),
  },
  connect: web,
  mongodb: {
    example: 'mongodb://HOST:PORT',
    isGood: (text) => /^mongodb(\+srv)?:\/\/[^\s/]/.test(text),
  },
  prometheus: web,
  grafana: web,
}

/** What is wrong with the address of a real system; undefined where nothing is. The address is not repeated: it may hold a login. */
export function addressProblem(part: PartName, text: string): string | undefined {
  const form = forms[part]
  return !form || form.isGood(text) ? undefined : `expected ${form.example}`
}
