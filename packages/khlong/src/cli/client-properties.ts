import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseProperties } from '@khlong/core'
import { clientFileKeys } from '@khlong/kafka-client'
import { Option } from 'commander'
import { KhlongError } from '../errors.ts'

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
