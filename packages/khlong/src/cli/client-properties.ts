import { readFileSync } from 'node:fs'
import path from 'node:path'
import { clientFileKeys } from '@khlong/kafka-client'
import { Option } from 'commander'
import { KhlongError } from '../errors.ts'

/**
 * Reads a properties file of Java's, as `--command-config` of Kafka's tools takes it: `key=value` or
 * `key: value`, comments behind `#` or `!`, a backslash at the end goes on in the next line.
 *
 * @throws KhlongError `KHLONG_USAGE`
 */
export function parseProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {}
  const joined = text.replaceAll(/\\\r?\n[ \t\f]*/g, '')
  for (const line of joined.split(/\r?\n/)) {
    const written = line.trimStart()
    if (written === '' || /^[#!]/.test(written)) continue
    const match = /^((?:\\.|[^\\\s=:])+)\s*(?:[=:]\s*|\s|$)(.*)$/s.exec(written)
    if (!match) throw new KhlongError('KHLONG_USAGE', `expected key=value, found ${written}`)
    properties[unescaped(match[1]!)] = unescaped(match[2]!)
  }
  return properties
}

const controls: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f' }

function unescaped(text: string): string {
  return text.replaceAll(/\\(?:u([0-9A-Fa-f]{4})|(.))/gs, (_, code?: string, char?: string) =>
    code === undefined
      ? (controls[char!] ?? char!)
      : String.fromCharCode(Number.parseInt(code, 16)),
  )
}

/** The settings of a client's file; stores are looked for from the file's folder. */
export function readClientProperties(file: string): Record<string, string> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new KhlongError('KHLONG_USAGE', `--command-config: cannot read ${file}`, { cause })
  }
  const properties = parseProperties(text)
  for (const key of clientFileKeys)
    if (properties[key] !== undefined)
      properties[key] = path.resolve(path.dirname(file), properties[key])
  return properties
}

/** How a command is told what a Kafka asks of its clients, as Kafka's own tools are. */
export const commandConfigOption = (): Option =>
  new Option(
    '--command-config <file>',
    "a client's properties, such as security.protocol",
  ).argParser(readClientProperties)
