import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseProperties } from '@khlong/core'
import { Option } from 'commander'
import { KhlongError } from '../errors.ts'

/**
 * The settings of a client's file, none where no file is given; stores are looked for from the file's folder.
 *
 * @throws KhlongError `KHLONG_USAGE` where it cannot be read
 */
export async function readClientProperties(
  file: string | undefined,
): Promise<Record<string, string> | undefined> {
  if (file === undefined) return undefined
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new KhlongError('KHLONG_USAGE', `--command-config: cannot read ${file}`, { cause })
  }
  const properties = parseProperties(text)
  const { clientFileKeys } = await import('@khlong/kafka-client')
  for (const key of clientFileKeys)
    if (properties[key] !== undefined)
      properties[key] = path.resolve(path.dirname(file), properties[key])
  return properties
}

/** How a command is told what a Kafka asks of its clients, as Kafka's own tools are; read by {@link readClientProperties}. */
export const commandConfigOption = (): Option =>
  new Option('--command-config <file>', "a client's properties, such as security.protocol")
