import { readFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'

// Kafka's message definitions as its jars carry them in `common/message/*.json`.

export interface FieldJson {
  name: string
  type: string
  versions?: string
  nullableVersions?: string
  taggedVersions?: string
  flexibleVersions?: string
  tag?: number
  default?: string | number | boolean
  ignorable?: boolean
  fields?: FieldJson[]
}
export interface MessageJson {
  name: string
  type: string
  apiKey?: number
  validVersions: string
  flexibleVersions: string
  fields: FieldJson[]
  commonStructs?: { name: string; versions: string; fields: FieldJson[] }[]
  latestVersionUnstable?: boolean
}

/** Versions from `low` to `high`, both included; empty where `low > high`. */
export interface Range {
  readonly low: number
  readonly high: number
}
export const none: Range = { low: 1, high: 0 }
export const versionMax: number = 32_767

export function parseRange(text: string | undefined): Range {
  if (text === undefined || text === 'none') return none
  const [low, high] = text.split('-')
  if (text.endsWith('+')) return { low: Number.parseInt(text, 10), high: versionMax }
  return { low: Number(low), high: Number(high ?? low) }
}
export const intersect = (a: Range, b: Range): Range => ({
  low: Math.max(a.low, b.low),
  high: Math.min(a.high, b.high),
})
export const isEmpty = (range: Range): boolean => range.low > range.high
export function unite(a: Range, b: Range): Range {
  if (isEmpty(a)) return b
  if (isEmpty(b)) return a
  return { low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) }
}
/** The expression that tells whether `version` lies in `range`, knowing that it lies in `within`. */
export function condition(range: Range, within: Range): string {
  const both = intersect(range, within)
  if (isEmpty(both)) return 'false'
  const parts: string[] = []
  if (both.low > within.low) parts.push(`version >= ${both.low}`)
  if (both.high < within.high) parts.push(`version <= ${both.high}`)
  return parts.join(' && ') || 'true'
}
export const versionsText = (range: Range): string =>
  range.low === range.high ? `version ${range.low}` : `versions ${range.low}–${range.high}`

// ---- Jars

/** The entries of a zip file whose name `wanted` accepts, as text. */
function readJar(file: string, wanted: (name: string) => boolean): Map<string, string> {
  const bytes = readFileSync(file)
  let end = bytes.byteLength - 22
  while (end >= 0 && bytes.readUInt32LE(end) !== 0x06054b50) end--
  if (end < 0) throw new Error(`${file} is not a jar`)
  const entries = new Map<string, string>()
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const [method, size] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)]
    const nameLength = bytes.readUInt16LE(at + 28)
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength)
    if (wanted(name)) {
      const local = bytes.readUInt32LE(at + 42)
      const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
      const content = bytes.subarray(start, start + size)
      entries.set(name, (method === 0 ? content : inflateRawSync(content)).toString('utf8'))
    }
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
  }
  return entries
}

export function readMessages(jars: readonly string[]): Map<string, MessageJson> {
  const messages = new Map<string, MessageJson>()
  for (const jar of jars)
    for (const [, text] of readJar(jar, (name) => /^common\/message\/\w+\.json$/.test(name))) {
      const message = JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, '')) as MessageJson
      messages.set(message.name, message)
    }
  return messages
}

// ---- Names

export const camelCase = (name: string): string => name[0]!.toLowerCase() + name.slice(1)
export const kebabCase = (name: string): string =>
  name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()
